//! The token, and what comes of attempts to guess it.

use core::hint::black_box;

use smoltcp::time::Instant;

use crate::config::{LOGIN_DELAY, TOKEN};

/// What a client has to know to change something: 1 to [`TOKEN`] visible ASCII characters (RFC 6750 2.1 has fewer).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    bytes: [u8; TOKEN],
    length: u8,
}

/// Nothing of it: what is debugged ends in logs.
impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The token `text`, or `None` if it is empty, longer than [`TOKEN`], or has other than visible ASCII characters.
    #[must_use]
    pub const fn new(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.is_empty() || text.len() > TOKEN {
            return None;
        }
        let mut bytes = [0; TOKEN];
        let mut index = 0;
        while index < text.len() {
            if !text[index].is_ascii_graphic() {
                return None;
            }
            bytes[index] = text[index];
            index += 1;
        }
        Some(Self { bytes, length: text.len() as u8 })
    }

    /// Whether `guess` is the token. It takes the same time for all guesses of one length, however much of them is right.
    #[inline(never)]
    fn is(&self, guess: &[u8]) -> bool {
        let mut difference = usize::from(self.length) ^ guess.len();
        for (index, &byte) in guess.iter().enumerate().take(TOKEN) {
            difference |= usize::from(black_box(self.bytes[index] ^ byte));
        }
        black_box(difference) == 0
    }
}

/// What a client offers as the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::service) enum Credentials {
    /// Nothing.
    #[default]
    None,
    Wrong,
    Right,
}

/// What comes of an attempt to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Verdict {
    Granted,
    /// It needs the token.
    Asked,
    /// That was not the token: say so after [`LOGIN_DELAY`].
    Refused,
    /// Somebody else was wrong a moment ago: ask again then.
    Wait(Instant),
}

/// The board's token, if it has one.
#[derive(Debug, Default)]
pub(in crate::service) struct Access {
    pub(in crate::service) token: Option<Token>,
    not_before: Option<Instant>,
}

impl Access {
    pub(in crate::service) const fn new() -> Self {
        Self { token: None, not_before: None }
    }

    /// Whether there is a token to be asked for.
    pub(in crate::service) const fn asks(&self) -> bool {
        self.token.is_some()
    }

    /// What `guess` is. That is no answer yet: [`Access::judge`] has it.
    pub(in crate::service) fn examine(&self, guess: &[u8]) -> Credentials {
        match &self.token {
            Some(token) if token.is(guess) => Credentials::Right,
            _ => Credentials::Wrong,
        }
    }

    /// Judges an attempt at `now`.
    pub(in crate::service) fn judge(&mut self, credentials: Credentials, now: Instant) -> Verdict {
        match (credentials, self.not_before) {
            (Credentials::None, _) => Verdict::Asked,
            (_, Some(at)) if now < at => Verdict::Wait(at),
            (Credentials::Right, _) => Verdict::Granted,
            (Credentials::Wrong, _) => {
                self.not_before = Some(now + LOGIN_DELAY);
                Verdict::Refused
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_visible_and_not_too_long() {
        assert!(Token::new("a").is_some() && Token::new(&"~".repeat(TOKEN)).is_some());
        for bad in ["", "two words", "tab\t", "caf\u{e9}", &"x".repeat(TOKEN + 1)] {
            assert_eq!(Token::new(bad), None, "{bad:?}");
        }
        assert_eq!(std::format!("{:?}", Token::new("secret")), "Some(Token)");
    }

    #[test]
    fn only_all_of_it_is_the_token() {
        let access = Access { token: Token::new("open-sesame"), not_before: None };
        assert_eq!(access.examine(b"open-sesame"), Credentials::Right);
        let long = [b'x'; 3 * TOKEN];
        let zeros = b"open-sesame\0\0\0";
        for guess in [&b""[..], b"open-sesam", b"open-sesamf", b"Open-sesame", zeros, &long] {
            assert_eq!(access.examine(guess), Credentials::Wrong, "{guess:?}");
        }
        assert_eq!(Access::new().examine(b""), Credentials::Wrong, "no token is not an empty one");
    }

    #[test]
    fn after_a_wrong_guess_right_and_wrong_ones_wait_alike() {
        let mut access = Access { token: Token::new("t"), not_before: None };
        let now = Instant::from_secs(5);
        assert_eq!(access.judge(Credentials::None, now), Verdict::Asked);
        assert_eq!(access.judge(Credentials::Right, now), Verdict::Granted);
        assert_eq!(access.judge(Credentials::Wrong, now), Verdict::Refused);
        let at = now + LOGIN_DELAY;
        for credentials in [Credentials::Right, Credentials::Wrong] {
            assert_eq!(access.judge(credentials, now), Verdict::Wait(at));
        }
        assert_eq!(access.judge(Credentials::None, now), Verdict::Asked);
        assert_eq!(access.judge(Credentials::Right, at), Verdict::Granted);
    }
}
