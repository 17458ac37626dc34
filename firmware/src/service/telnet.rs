//! The network virtual terminal of a telnet client (RFC 854), as little of it as a line shell
//! needs.
//!
//! [`Telnet::feed`] takes one byte from the wire and says what it means: a character, the end of a
//! line, an editing key, or a reply that is due. It agrees to no option, so it has no option state
//! (RFC 1143 is about agreeing): DO is answered with WONT, WILL with DONT, and the refusals WONT
//! and DONT with nothing, which is what keeps two ends from answering each other for ever. A
//! subnegotiation is skipped, up to [`TELNET_SUBNEGOTIATION`] bytes of it. What `nc` sends - no
//! commands, bare LF - passes through the same way. State: 3 bytes a connection.

use crate::config::TELNET_SUBNEGOTIATION;

const BREAK: u8 = 243;
const INTERRUPT_PROCESS: u8 = 244;
const ARE_YOU_THERE: u8 = 246;
const ERASE_CHARACTER: u8 = 247;
const ERASE_LINE: u8 = 248;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;

/// What the terminal's user did, or what its telnet client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A character to put into the line; not a control character.
    Character(u8),
    /// The end of the line: CR LF, CR NUL, a lone CR or a lone LF.
    Enter,
    /// Take the last character back.
    Erase,
    /// Take the whole line back.
    EraseLine,
    /// The user wants out: Ctrl-C, Ctrl-D, IAC IP or IAC BRK.
    Quit,
    /// Show that the board is alive.
    AreYouThere,
    /// Send these bytes: an option is refused.
    Refuse([u8; 3]),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Text,
    Command,
    /// After IAC WILL, WONT, DO or DONT, which it holds.
    Option(u8),
    /// Inside IAC SB, with so many bytes more to skip at most.
    Skip(u8),
    /// After an IAC in there.
    SkipCommand(u8),
}

/// A telnet client's byte stream on its way to becoming lines.
#[derive(Debug)]
pub(super) struct Telnet {
    state: State,
    after_cr: bool,
}

impl Telnet {
    pub(super) const fn new() -> Self {
        Self { state: State::Text, after_cr: false }
    }

    /// What `byte` means after all bytes before it; `None` while that is open, or for nothing.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Key> {
        match self.state {
            State::Text if byte == IAC => {
                self.state = State::Command;
                None
            }
            State::Text => self.text(byte),
            State::Option(command) => {
                self.state = State::Text;
                match command {
                    DO => Some(Key::Refuse([IAC, WONT, byte])),
                    WILL => Some(Key::Refuse([IAC, DONT, byte])),
                    _ => None,
                }
            }
            State::Skip(left) => {
                self.state = match left.checked_sub(1) {
                    None => State::Text,
                    Some(left) if byte == IAC => State::SkipCommand(left),
                    Some(left) => State::Skip(left),
                };
                None
            }
            State::SkipCommand(left) if byte == IAC => {
                self.state = State::Skip(left);
                None
            }
            // SE ends a subnegotiation as it should; any other command shows that the end was
            // forgotten.
            State::Command | State::SkipCommand(_) => self.command(byte),
        }
    }

    fn command(&mut self, byte: u8) -> Option<Key> {
        self.state = State::Text;
        match byte {
            IAC => {
                self.after_cr = false;
                return Some(Key::Character(IAC));
            }
            WILL | WONT | DO | DONT => self.state = State::Option(byte),
            SB => self.state = State::Skip(TELNET_SUBNEGOTIATION),
            INTERRUPT_PROCESS | BREAK => return Some(Key::Quit),
            ARE_YOU_THERE => return Some(Key::AreYouThere),
            ERASE_CHARACTER => return Some(Key::Erase),
            ERASE_LINE => return Some(Key::EraseLine),
            // SE, NOP, data mark, go ahead, and what is not assigned.
            _ => {}
        }
        None
    }

    fn text(&mut self, byte: u8) -> Option<Key> {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' | 0 if after_cr => None,
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Character(b' ')),
            0x08 | 0x7f => Some(Key::Erase),
            0x15 => Some(Key::EraseLine),
            0x03 | 0x04 => Some(Key::Quit),
            0..0x20 => None,
            character => Some(Key::Character(character)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const SE: u8 = 240;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut telnet = Telnet::new();
        bytes.iter().filter_map(|&byte| telnet.feed(byte)).collect()
    }

    #[test]
    fn every_end_of_line_ends_one_line() {
        let a = Key::Character(b'a');
        for end in ["\n", "\r\n", "\r\0", "\r"] {
            let text = std::format!("a{end}a{end}{end}a");
            let expected = [a, Key::Enter, a, Key::Enter, Key::Enter, a];
            assert_eq!(keys(text.as_bytes()), expected, "{end:?}");
        }
        let between = [Key::Enter, Key::Character(IAC), Key::Enter];
        assert_eq!(keys(b"\r\xff\xff\n"), between, "a character between CR and LF");
        assert_eq!(keys(b"\n\r"), [Key::Enter, Key::Enter]);
        assert_eq!(keys(b"\r\xff\xf1\n"), [Key::Enter], "a NOP between CR and LF");
    }

    #[test]
    fn requests_are_refused_and_refusals_are_not_answered() {
        assert_eq!(keys(&[IAC, DO, 1]), [Key::Refuse([IAC, WONT, 1])]);
        assert_eq!(keys(&[IAC, WILL, 255]), [Key::Refuse([IAC, DONT, 255])]);
        assert_eq!(keys(&[IAC, DONT, 1, IAC, WONT, 3]), []);
    }

    #[test]
    fn our_own_refusals_sent_back_to_us_die_out() {
        let requests = [IAC, DO, 1, IAC, WILL, 2];
        let refused = keys(&requests).into_iter();
        let answers: Vec<u8> = refused
            .flat_map(|key| match key {
                Key::Refuse(bytes) => bytes,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers.len(), 6);
        assert_eq!(keys(&answers), []);
    }

    #[test]
    fn a_subnegotiation_is_skipped_whatever_is_in_it() {
        let a = Key::Character(b'a');
        assert_eq!(keys(&[IAC, SB, 24, 1, b'\n', 3, IAC, SE, b'a']), [a]);
        assert_eq!(keys(&[IAC, SB, IAC, IAC, SE, IAC, SE, b'a']), [a], "escaped 255");
        assert_eq!(keys(&[IAC, SB, 24, IAC, DO, 1]), [Key::Refuse([IAC, WONT, 1])]);
    }

    #[test]
    fn a_subnegotiation_without_end_does_not_swallow_the_session() {
        let bound = usize::from(TELNET_SUBNEGOTIATION);
        let mut bytes = std::vec![IAC, SB];
        bytes.resize(2 + bound + 1, b'x');
        assert_eq!(keys(&bytes), []);
        bytes.push(b'a');
        assert_eq!(keys(&bytes), [Key::Character(b'a')]);
    }

    #[test]
    fn control_characters_edit_end_or_do_nothing() {
        assert_eq!(keys(b"\x08\x7f\xff\xf7"), [Key::Erase; 3]);
        assert_eq!(keys(b"\x15\xff\xf8"), [Key::EraseLine; 2]);
        assert_eq!(keys(b"\x03\x04\xff\xf4\xff\xf3"), [Key::Quit; 4]);
        assert_eq!(keys(b"\0\x01\x07\x1b"), []);
        assert_eq!(keys(b"\t\xff\xff\xc3"), [b' ', 0xff, 0xc3].map(Key::Character));
        assert_eq!(keys(b"\xff\xf6"), [Key::AreYouThere]);
    }
}
