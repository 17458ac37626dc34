//! The commands `set`, `unset` and `save`.

use super::{Answer, Session};
use crate::board::Board;
use crate::settings::{Refusal, SETTINGS, Setting, Settings};

/// For `set` and `unset`: what becomes of it.
const THEN: &str = "after save and reset";

impl Session {
    /// Makes the setting that `arguments` name, shows it if there is no value, or begins to list all of them.
    pub(super) fn set<B: Board>(&mut self, arguments: &[u8], board: &mut B) {
        let Some(settings) = self.settings(board) else { return };
        if arguments.is_empty() {
            self.answer = Some(Answer::Setting(0));
            return;
        }
        let Ok(arguments) = core::str::from_utf8(arguments) else {
            return self.say(format_args!("not set: that is not UTF-8"));
        };
        let Some((name, value)) = arguments.split_once(|c: char| c.is_ascii_whitespace()) else {
            return match Setting::named(arguments) {
                Some(setting) => self.show(setting, settings),
                None => self.say(format_args!("{}", Refusal::Unknown)),
            };
        };
        match settings.table().choose(name, value) {
            Ok(Setting { name, .. }) => {
                let value = settings.table().get(name).unwrap_or_default();
                self.say(format_args!("{name} is {value}, {THEN}"));
            }
            Err(why) => self.say(format_args!("{why}")),
        }
    }

    /// Takes the setting `name` back.
    pub(super) fn unset<B: Board>(&mut self, name: &[u8], board: &mut B) {
        let Some(settings) = self.settings(board) else { return };
        match core::str::from_utf8(name).ok().and_then(Setting::named) {
            Some(&Setting { name, .. }) => {
                settings.table().unset(name);
                self.say(format_args!("{name} is as built, {THEN}"));
            }
            None => self.say(format_args!("{}", Refusal::Unknown)),
        }
    }

    /// Keeps the settings.
    pub(super) fn save<B: Board>(&mut self, board: &mut B) {
        let Some(settings) = self.settings(board) else { return };
        match settings.save() {
            Ok(()) => self.say(format_args!("saved; reset puts it into effect")),
            Err(why) => self.say(format_args!("{why}")),
        }
    }

    /// Says one line of the list, and what follows it.
    pub(super) fn print_setting<B: Board>(&mut self, index: usize, board: &mut B) {
        let Some(settings) = board.settings() else { return };
        if let Some(setting) = SETTINGS.get(index) {
            self.show(setting, settings);
            self.answer = Some(Answer::Setting(index + 1));
            return;
        }
        if settings.table().changed() {
            self.say(format_args!("not saved yet: try save"));
        }
        self.answer = Some(Answer::Prompt);
    }

    fn show(&mut self, setting: &Setting, settings: &mut dyn Settings) {
        let value = settings.table().get(setting.name).unwrap_or("(as built)");
        self.say(format_args!("{:<10} {value}", setting.name));
    }

    /// The board's settings; it says so if there are none.
    fn settings<'b, B: Board>(&mut self, board: &'b mut B) -> Option<&'b mut dyn Settings> {
        let settings = board.settings();
        if settings.is_none() {
            self.say(format_args!(
                "this board keeps no settings; tapboard does with --settings FILE"
            ));
        }
        settings
    }
}
