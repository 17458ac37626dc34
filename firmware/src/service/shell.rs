//! The shell, TCP port 23: a line at a time, for `nc` and for telnet clients.
//!
//! A session is a loop of three steps, each of which the peer can hold up: send the output that is
//! due, print the next line of an answer, take the next byte of input. Input is read only when no
//! output is due, and an answer is made one line at a time; so [`SHELL_OUTPUT`] bytes are enough
//! for a table of any length, and a client that does not read is not listened to either.
//!
//! The peer's FIN ends the last line, if it had no end, and then the session. Before a session
//! closes, what has been received is read away: closing a socket with unread data would send a RST,
//! and the answer could be lost with it.
//!
//! Anybody who can reach the port can switch the LED and reset the board, unless it has a
//! [token](super::Services): then `login` comes first. What is typed can be read on the way.

mod answer;
mod execute;
#[cfg(feature = "http")]
mod login;
#[cfg(feature = "settings")]
mod settings;

use core::fmt::{self, Write as _};
use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::TcpFullStack;
use smoltcp::time::Instant;
use tapboard_net::earliest;
use tapboard_net::netstat::Introspect;

use self::answer::Answer;
#[cfg(feature = "http")]
use self::login::Login;
use super::about::About;
use super::access::Access;
use super::buffer::Buffer;
use super::command::{Commands, Mistake, parse};
use super::server::{Connection, Server, Stop, drain};
use super::state::{self, CLOSED, FIN_WAIT_2, TIME_WAIT};
use super::telnet::{Key, Telnet};
use crate::board::Board;
use crate::buffer_access::BufferAccess;
use crate::config::{SERVICE_BUDGET, SHELL_CONNECTIONS, SHELL_INPUT, SHELL_LINE, SHELL_OUTPUT};
use crate::resolve::Resolve;

/// The port of RFC 854.
pub const PORT: u16 = 23;

// The longest line is a row of `netstat`: two queues of 20 digits and two IPv6 endpoints of 47.
const _: () = assert!(SHELL_OUTPUT >= 5 + 21 + 21 + 48 + 48 + 1 + state::LEN_MAX + "\r\n".len());

/// The shell. `T` is the stack's TCP handle, `C` its further commands.
#[derive(Debug)]
pub struct Shell<T, C = ()> {
    tcp: Server<T, Session, SHELL_CONNECTIONS>,
    reset: Option<Reset>,
    commands: C,
}

/// A reset that waits until its answer has arrived, or for `deadline`.
#[derive(Clone, Copy, Debug)]
struct Reset {
    remote: SocketAddr,
    deadline: Instant,
}

impl<T> Default for Shell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Shell<T> {
    /// A service that will listen from its first poll on.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_commands(())
    }
}

impl<T, C> Shell<T, C> {
    /// As [`Shell::new`], with `commands` beside the shell's own.
    #[must_use]
    pub const fn with_commands(commands: C) -> Self {
        Self { tcp: Server::new(PORT), reset: None, commands }
    }

    /// Reads, executes and answers what has come in. See [`super`] for the contract.
    ///
    /// The command `reset` is answered and its session closed; when the peer has acknowledged both,
    /// or after [`RESET_WAIT`](crate::config::RESET_WAIT), [`Board::reset`] is called.
    pub fn poll<S, B>(
        &mut self,
        now: Instant,
        stack: &mut S,
        board: &mut B,
        about: &About<'_>,
    ) -> Option<Instant>
    where
        S: TcpFullStack<TcpSocket = T> + BufferAccess + Introspect + Resolve,
        B: Board,
        C: Commands<B>,
    {
        self.poll_for(now, stack, board, about, &mut Access::new())
    }

    /// As [`Shell::poll`], for those whom `access` admits.
    pub(super) fn poll_for<S, B>(
        &mut self,
        now: Instant,
        stack: &mut S,
        board: &mut B,
        about: &About<'_>,
        access: &mut Access,
    ) -> Option<Instant>
    where
        S: TcpFullStack<TcpSocket = T> + BufferAccess + Introspect + Resolve,
        B: Board,
        C: Commands<B>,
    {
        let commands = &mut self.commands;
        let reset = self.reset;
        let mut context = Context { now, board, about, access, commands, reset, deadline: None };
        let deadline = self.tcp.poll(now, stack, &mut context);
        let deadline = earliest(deadline, context.deadline);
        self.reset = context.reset;
        let Some(reset) = self.reset else {
            return deadline;
        };
        if now >= reset.deadline || !owes(stack, reset.remote) {
            self.reset = None;
            board.reset();
            return deadline;
        }
        earliest(deadline, Some(reset.deadline))
    }

    /// Gives every handle back.
    pub fn close<S: TcpFullStack<TcpSocket = T>>(&mut self, stack: &mut S) {
        self.tcp.close(stack);
    }
}

/// The end of a line.
const END: &[u8] = b"\r\n";

/// The room for an answer, where what does not fit is cut.
struct Cut<'a>(&'a mut Buffer<SHELL_OUTPUT>);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text.as_bytes());
        Ok(())
    }
}

/// Whether the shell's peer `remote` has not acknowledged everything, our FIN included.
fn owes<S: Introspect>(stack: &S, remote: SocketAddr) -> bool {
    let mut rows = (0..).map_while(|index| stack.row(index));
    rows.any(|row| {
        row.local_port == PORT
            && row.remote == Some(remote)
            && !matches!(row.state, FIN_WAIT_2 | TIME_WAIT | CLOSED)
    })
}

/// What a session works with, beside its own state.
struct Context<'a, B, C> {
    now: Instant,
    board: &'a mut B,
    about: &'a About<'a>,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "nothing is asked for"))]
    access: &'a mut Access,
    commands: &'a mut C,
    reset: Option<Reset>,
    /// When the first of the sessions wants its turn.
    deadline: Option<Instant>,
}

/// One connection of the shell.
#[derive(Debug)]
struct Session {
    remote: SocketAddr,
    telnet: Telnet,
    input: Buffer<SHELL_INPUT>,
    line: heapless::Vec<u8, SHELL_LINE>,
    /// The line being typed is longer than `line`; the rest of it is thrown away.
    overlong: bool,
    output: Buffer<SHELL_OUTPUT>,
    answer: Option<Answer>,
    /// The line is a name that is being looked up.
    #[cfg(feature = "dns")]
    looks_up: bool,
    #[cfg(feature = "http")]
    login: Login,
    /// No more input is taken: print what is due, then close.
    ending: bool,
}

impl<S, B, C> Connection<S, Context<'_, B, C>> for Session
where
    S: BufferAccess + Introspect + Resolve,
    B: Board,
    C: Commands<B>,
{
    fn new(remote: SocketAddr) -> Self {
        Self {
            remote,
            telnet: Telnet::new(),
            input: Buffer::new(),
            line: heapless::Vec::new(),
            overlong: false,
            output: Buffer::new(),
            answer: Some(Answer::Greeting),
            #[cfg(feature = "dns")]
            looks_up: false,
            #[cfg(feature = "http")]
            login: Login::default(),
            ending: false,
        }
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        context: &mut Context<'_, B, C>,
    ) -> ControlFlow<Stop> {
        let mut spent = 0;
        loop {
            spent += self.output.flush(stack, socket)?;
            if spent >= SERVICE_BUDGET - SHELL_OUTPUT {
                return ControlFlow::Continue(());
            }
            #[cfg(feature = "dns")]
            if self.looks_up {
                self.look_up(stack)?;
                continue;
            }
            #[cfg(feature = "http")]
            self.log_in(context)?;
            if let Some(answer) = self.answer.take() {
                #[cfg(feature = "settings")]
                if let Answer::Setting(index) = answer {
                    self.print_setting(index, context.board);
                    continue;
                }
                self.print(answer, stack, context.about, C::HELP);
            } else if self.ending {
                let _ = drain(stack, socket);
                return ControlFlow::Break(Stop::Done);
            } else if let Some(byte) = self.input.pop() {
                spent += 1;
                if let Some(key) = self.telnet.feed(byte) {
                    self.press(key, context);
                }
            } else if self.input.fill(stack, socket, SHELL_INPUT)? == 0 {
                self.end_of_input(context);
            }
        }
    }
}

impl Session {
    /// Appends a line to the output, which has room for it (see the assertion on [`SHELL_OUTPUT`]). Never inlined: it is
    /// in many places.
    #[inline(never)]
    fn say(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.output.write_fmt(text);
        self.output.push(END);
    }

    fn press<B: Board, C: Commands<B>>(&mut self, key: Key, context: &mut Context<'_, B, C>) {
        match key {
            Key::Character(byte) => self.overlong |= self.line.push(byte).is_err(),
            Key::Enter => self.enter(context),
            Key::Erase => {
                // A character is the byte that starts it and the UTF-8 continuations after that.
                while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            Key::EraseLine => {
                self.line.clear();
                self.overlong = false;
            }
            Key::Quit => {
                self.say(format_args!(""));
                self.ending = true;
            }
            Key::AreYouThere => self.say(format_args!("[yes]")),
            Key::Refuse(refusal) => {
                self.output.push(&refusal);
            }
        }
    }

    /// The peer's FIN: what was typed last counts, even without an end of line.
    fn end_of_input<B: Board, C: Commands<B>>(&mut self, context: &mut Context<'_, B, C>) {
        self.ending = true;
        if self.line.is_empty() && !self.overlong {
            // The prompt gets its end of line.
            self.say(format_args!(""));
        } else {
            self.enter(context);
        }
    }

    fn enter<B: Board, C: Commands<B>>(&mut self, context: &mut Context<'_, B, C>) {
        let line = core::mem::take(&mut self.line);
        self.answer = Some(Answer::Prompt);
        if core::mem::take(&mut self.overlong) {
            let length = SHELL_LINE as u32;
            return self.say(format_args!("line ignored: longer than {length} bytes; try help"));
        }
        if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") {
            // A page that a browser has from elsewhere may send this, with commands behind it.
            self.ending = true;
            return self.say(format_args!("this is no HTTP server; bye"));
        }
        match parse(&line, C::HELP) {
            Ok(None) => {}
            Ok(Some(command)) => self.execute(command, context),
            #[cfg(feature = "suggest")]
            Err(Mistake::Unknown(Some(name))) => {
                self.say(format_args!("unknown command; did you mean {name}? try help"));
            }
            Err(Mistake::Unknown(_)) => self.say(format_args!("unknown command; try help")),
            Err(Mistake::Usage(help)) => self.tell_usage(help),
        }
    }
}
