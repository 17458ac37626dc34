//! The token, and what comes of attempts to guess it.

use core::hint::black_box;
use core::net::IpAddr;

use smoltcp::time::Instant;

use crate::config::{LOGIN_DELAY, LOGIN_GATES, TOKEN};

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
    /// Somebody else is first, or was wrong a moment ago: ask again then.
    Wait(Instant),
}

/// The attempts from one address, which wait for each other.
#[derive(Clone, Copy, Debug)]
struct Gate {
    address: Option<IpAddr>,
    /// Before that nothing is judged.
    not_before: Instant,
    /// When of those that wait the first was made,
    first: Option<Instant>,
    /// and as far as this round has come.
    first_so_far: Option<Instant>,
}

impl Gate {
    const NEW: Self =
        Self { address: None, not_before: Instant::ZERO, first: None, first_so_far: None };

    /// Whether nobody waits here, and nobody who comes would.
    fn is_free(&self, now: Instant) -> bool {
        now >= self.not_before && self.first.is_none() && self.first_so_far.is_none()
    }

    fn judge(&mut self, attempt: Attempt, right: bool, now: Instant) -> Verdict {
        let late = self.first.is_some_and(|first| first < attempt.made);
        if late || now < self.not_before {
            let first = self.first_so_far.map_or(attempt.made, |first| first.min(attempt.made));
            self.first_so_far = Some(first);
            // If those before it are gone, the next round knows.
            return Verdict::Wait(self.not_before.max(now));
        }
        self.first = None;
        if right {
            return Verdict::Granted;
        }
        self.not_before = now + LOGIN_DELAY;
        Verdict::Refused
    }
}

/// Who makes an attempt, and since when.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct Attempt {
    pub(in crate::service) address: IpAddr,
    pub(in crate::service) made: Instant,
}

/// The board's token, if it has one.
#[derive(Debug)]
pub(in crate::service) struct Access {
    pub(in crate::service) token: Option<Token>,
    gates: [Gate; LOGIN_GATES],
}

impl Access {
    pub(in crate::service) const fn new() -> Self {
        Self { token: None, gates: [Gate::NEW; LOGIN_GATES] }
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

    /// All who wait are about to ask again, each once.
    pub(in crate::service) fn begin_round(&mut self) {
        for gate in &mut self.gates {
            gate.first = gate.first_so_far.take();
        }
    }

    /// Judges an attempt at `now`.
    pub(in crate::service) fn judge(
        &mut self,
        credentials: Credentials,
        attempt: Attempt,
        now: Instant,
    ) -> Verdict {
        if credentials == Credentials::None {
            return Verdict::Asked;
        }
        let right = credentials == Credentials::Right;
        self.gate(attempt.address, now).judge(attempt, right, now)
    }

    /// Where who comes from `address` waits: the last gate is of all for whom there is no other.
    fn gate(&mut self, address: IpAddr, now: Instant) -> &mut Gate {
        let last = LOGIN_GATES - 1;
        let own = |gate: &Gate| gate.address == Some(address) && !gate.is_free(now);
        let free = |gate: &Gate| gate.is_free(now);
        let gates = &self.gates[..last];
        let index = gates.iter().position(own).or_else(|| gates.iter().position(free));
        let gate = &mut self.gates[index.unwrap_or(last)];
        gate.address = Some(address);
        gate
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
        let access = Access { token: Token::new("open-sesame"), ..Access::new() };
        assert_eq!(access.examine(b"open-sesame"), Credentials::Right);
        let long = [b'x'; 3 * TOKEN];
        let zeros = b"open-sesame\0\0\0";
        for guess in [&b""[..], b"open-sesam", b"open-sesamf", b"Open-sesame", zeros, &long] {
            assert_eq!(access.examine(guess), Credentials::Wrong, "{guess:?}");
        }
        assert_eq!(Access::new().examine(b""), Credentials::Wrong, "no token is not an empty one");
    }

    fn access() -> Access {
        Access { token: Token::new("t"), ..Access::new() }
    }

    fn from(last: u8, made: Instant) -> Attempt {
        Attempt { address: IpAddr::from([192, 0, 2, last]), made }
    }

    #[test]
    fn after_a_wrong_guess_right_and_wrong_ones_wait_alike() {
        let mut access = access();
        let now = Instant::from_secs(5);
        let attempt = from(2, now);
        assert_eq!(access.judge(Credentials::None, attempt, now), Verdict::Asked);
        assert_eq!(access.judge(Credentials::Right, attempt, now), Verdict::Granted);
        assert_eq!(access.judge(Credentials::Wrong, attempt, now), Verdict::Refused);
        let at = now + LOGIN_DELAY;
        for credentials in [Credentials::Right, Credentials::Wrong] {
            assert_eq!(access.judge(credentials, attempt, now), Verdict::Wait(at));
        }
        assert_eq!(access.judge(Credentials::None, attempt, now), Verdict::Asked);
        assert_eq!(access.judge(Credentials::Right, attempt, at), Verdict::Granted);
    }

    #[test]
    fn who_has_waited_longer_is_first_and_who_is_gone_keeps_nobody() {
        let mut access = access();
        let start = Instant::from_secs(5);
        assert_eq!(access.judge(Credentials::Wrong, from(2, start), start), Verdict::Refused);
        let (early, late) = (start + LOGIN_DELAY / 4, start + LOGIN_DELAY / 2);
        let now = start + LOGIN_DELAY;
        let wait = Verdict::Wait(now);
        assert_eq!(access.judge(Credentials::Right, from(2, early), early), wait);
        access.begin_round();
        // Whoever is asked first in a round.
        assert_eq!(access.judge(Credentials::Wrong, from(2, late), late), wait);
        assert_eq!(access.judge(Credentials::Right, from(2, early), late), wait);
        access.begin_round();
        assert_eq!(access.judge(Credentials::Wrong, from(2, late), now), wait);
        access.begin_round();
        // The one before it has gone.
        assert_eq!(access.judge(Credentials::Wrong, from(2, late), now), Verdict::Refused);
    }

    #[test]
    fn guesses_from_elsewhere_keep_nobody_waiting_but_are_bounded() {
        let mut access = access();
        let now = Instant::from_secs(5);
        for address in 2..=LOGIN_GATES as u8 {
            assert_eq!(access.judge(Credentials::Wrong, from(address, now), now), Verdict::Refused);
            let verdict = access.judge(Credentials::Right, from(200, now), now);
            assert_eq!(verdict, Verdict::Granted, "{address}");
        }
        // One for all the others.
        assert_eq!(access.judge(Credentials::Wrong, from(100, now), now), Verdict::Refused);
        let wait = Verdict::Wait(now + LOGIN_DELAY);
        for address in [2, 100, 101, 200] {
            assert_eq!(
                access.judge(Credentials::Wrong, from(address, now), now),
                wait,
                "{address}"
            );
        }
    }
}
