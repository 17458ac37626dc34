//! What the shell does for a command.

#[cfg(feature = "dns")]
use core::ops::ControlFlow;

#[cfg(feature = "dns")]
use embedded_nal::nb;
use smoltcp::time::Duration;
#[cfg(feature = "dns")]
use tapboard_net::netstat::Plain;

use super::{Answer, Context, Cut, END, Reset, Session};
use crate::board::Board;
use crate::config::{RESET_WAIT, SHELL_OUTPUT};
#[cfg(feature = "dns")]
use crate::resolve::Resolve;
use crate::service::command::{Command, Commands, Help, Switch};
#[cfg(feature = "dns")]
use crate::service::server::Stop;

impl Session {
    pub(super) fn execute<B: Board, C: Commands<B>>(
        &mut self,
        command: Command<'_>,
        context: &mut Context<'_, B, C>,
    ) {
        #[cfg(feature = "http")]
        if command.changes() && !self.login.may_change(context.access) {
            return self.say(format_args!("login first: login TOKEN"));
        }
        match command {
            Command::Help => self.answer = Some(Answer::Help(0)),
            Command::Netstat => self.answer = Some(Answer::Heading),
            Command::Ip => self.answer = Some(Answer::Fact(0)),
            #[cfg(feature = "dns")]
            Command::Host(name) => {
                // It is no longer than the line that it was in.
                let _ = self.line.extend_from_slice(name);
                self.looks_up = true;
            }
            #[cfg(feature = "settings")]
            Command::Set(arguments) => self.set(arguments, context.board),
            #[cfg(feature = "settings")]
            Command::Unset(name) => self.unset(name, context.board),
            #[cfg(feature = "settings")]
            Command::Save => self.save(context.board),
            Command::Stats => self.answer = Some(Answer::StackCounter(0)),
            #[cfg(feature = "http")]
            Command::Login(guess) if context.access.asks() => {
                self.login.offer(guess, context.access, context.now);
            }
            #[cfg(feature = "http")]
            Command::Login(_) => self.say(format_args!("no login is needed")),
            Command::Led(switch) => {
                let board = &mut *context.board;
                match switch {
                    Some(Switch::On) => board.set_led(true),
                    Some(Switch::Off) => board.set_led(false),
                    Some(Switch::Toggle) => board.set_led(!board.led()),
                    None => {}
                }
                let state = if board.led() { "on" } else { "off" };
                self.say(format_args!("led is {state}"));
            }
            Command::Temp => {
                let millis = context.board.temperature_mc();
                let sign = if millis < 0 { "-" } else { "" };
                let (whole, part) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
                self.say(format_args!("{sign}{whole}.{part:03} C"));
            }
            Command::Uptime => self.tell_uptime(context.now - context.about.boot),
            Command::Reset => {
                self.say(format_args!("resetting"));
                self.ending = true;
                context.reset.get_or_insert(Reset {
                    remote: self.remote,
                    deadline: context.now + RESET_WAIT,
                });
            }
            Command::Exit => {
                self.say(format_args!("bye"));
                self.ending = true;
            }
            Command::Further(help, arguments) => {
                let Context { board, commands, .. } = context;
                let mut answer = Cut(&mut self.output);
                if commands.run(help.name, arguments, board, &mut answer).is_ok() {
                    self.output.truncate(SHELL_OUTPUT - END.len());
                    self.output.push(END);
                } else {
                    self.output.clear();
                    self.tell_usage(help);
                }
            }
        }
    }

    /// Says the address of the name in the line, or why there is none, once either is known.
    #[cfg(feature = "dns")]
    pub(super) fn look_up<S: Resolve>(&mut self, stack: &mut S) -> ControlFlow<Stop> {
        let found = stack.address_of(&self.line);
        if matches!(found, Err(nb::Error::WouldBlock)) {
            return ControlFlow::Break(Stop::Idle);
        }
        self.line.clear();
        self.looks_up = false;
        match found {
            Ok(address) => self.say(format_args!("address {}", Plain(&address))),
            Err(nb::Error::Other(error)) => self.say(format_args!("{error}")),
            Err(nb::Error::WouldBlock) => {}
        }
        ControlFlow::Continue(())
    }

    pub(super) fn tell_usage(&mut self, help: &Help) {
        self.say(format_args!("usage: {}{}", help.name, help.arguments));
    }

    fn tell_uptime(&mut self, uptime: Duration) {
        let seconds = uptime.secs() as u32;
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        self.say(format_args!("up {days} d {hours:02}:{minutes:02}:{seconds:02}"));
    }
}
