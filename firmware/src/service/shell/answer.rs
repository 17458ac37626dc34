//! Answers, a line at a time.

use tapboard_net::netstat::{Introspect, Row};

use super::Session;
use crate::service::about::About;
use crate::service::command::{COMMANDS, Help};

/// What is to be printed next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Greeting,
    Prompt,
    Help(usize),
    Heading,
    Netstat(usize),
    Fact(usize),
    StackCounter(usize),
    ServiceCounter(usize),
    #[cfg(feature = "settings")]
    Setting(usize),
}

impl Session {
    /// Appends one line to the output, which is empty, and says through `self.answer` what follows
    /// it. `further` commands follow the shell's own in `help`.
    pub(super) fn print<S: Introspect>(
        &mut self,
        answer: Answer,
        stack: &S,
        about: &About<'_>,
        further: &'static [Help],
    ) {
        let following = match answer {
            Answer::Greeting => {
                self.say(format_args!("{}, tapboard shell: try help", about.name));
                Answer::Prompt
            }
            Answer::Prompt => {
                if !self.ending {
                    self.output.push(b"> ");
                }
                return;
            }
            Answer::Help(index) => {
                let own = COMMANDS.get(index).map(|entry| &entry.help);
                let help = own.or_else(|| further.get(index - COMMANDS.len()));
                let Some(&Help { name, arguments, about: text }) = help else {
                    return self.print(Answer::Prompt, stack, about, further);
                };
                let width = 20_usize.saturating_sub(name.len());
                self.say(format_args!("{name}{arguments:<width$} {text}"));
                Answer::Help(index + 1)
            }
            Answer::Heading => {
                self.say(format_args!("{}", Row::HEADING));
                Answer::Netstat(0)
            }
            Answer::Netstat(index) => {
                let Some(row) = stack.row(index) else {
                    return self.print(Answer::Prompt, stack, about, further);
                };
                self.say(format_args!("{row}"));
                Answer::Netstat(index + 1)
            }
            Answer::Fact(index) => {
                let Some(fact) = stack.fact(index) else {
                    return self.print(Answer::Prompt, stack, about, further);
                };
                self.say(format_args!("{fact}"));
                Answer::Fact(index + 1)
            }
            Answer::StackCounter(index) => {
                let Some((name, value)) = stack.counter(index) else {
                    return self.print(Answer::ServiceCounter(0), stack, about, further);
                };
                self.say(format_args!("{name:<20} {value}"));
                Answer::StackCounter(index + 1)
            }
            Answer::ServiceCounter(index) => {
                let Some(&(name, value)) = about.counters.get(index) else {
                    return self.print(Answer::Prompt, stack, about, further);
                };
                self.say(format_args!("{name:<20} {value}"));
                Answer::ServiceCounter(index + 1)
            }
            #[cfg(feature = "settings")]
            Answer::Setting(_) => return,
        };
        self.answer = Some(following);
    }
}
