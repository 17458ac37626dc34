//! What a ladder of a running board leaves out: attempts to connect to where nobody listens.
//!
//! A client that connects again and again, as telemetry does, would fill the ladder with its refusals. The
//! first is drawn and said to be the first; of those after it nothing is drawn, until an attempt comes to
//! something else. The lines of an attempt are held back until that is known: a SYN that is answered, or
//! never, appears a little later than it was sent. Only the one address is treated so. At most [`HELD_MAX`]
//! lines are held.

use std::mem;
use std::net::SocketAddr;

use crate::segment::{Decoder, PacketSummary, Segment};

/// Lines held back at most; an attempt of more frames is drawn.
const HELD_MAX: usize = 16;

/// Knows whether somebody listens at an address, from the frames that are to be drawn.
#[derive(Debug)]
pub struct Refused {
    remote: SocketAddr,
    decoder: Decoder,
    /// The last attempt was refused, and what this one comes to is not known.
    quiet: bool,
    /// The local port of the attempt, as long as nothing but a reset has answered it.
    attempt: Option<u16>,
    /// Its lines so far, if it is quiet.
    held: Vec<String>,
}

/// What a frame means for the attempts.
enum Meaning {
    /// It is of something else.
    None,
    /// An attempt, perhaps again.
    Attempt(u16),
    /// The answer that nobody listens, or its loss.
    Refusal,
    /// The attempt gets on.
    Progress,
}

impl Refused {
    /// Looks out for attempts to connect to `remote`.
    #[must_use]
    pub fn new(remote: SocketAddr) -> Self {
        let (decoder, held) = (Decoder::default(), Vec::new());
        Self { remote, decoder, quiet: false, attempt: None, held }
    }

    /// Which lines to print after `frame`, whose own is `line`; the link may have dropped it.
    pub fn pass(&mut self, frame: &[u8], dropped: bool, line: String) -> Vec<String> {
        let summary = self.decoder.read(frame);
        self.pass_gist(&summary, dropped, line)
    }

    fn pass_gist(&mut self, summary: &PacketSummary, dropped: bool, line: String) -> Vec<String> {
        match self.meaning(summary) {
            Meaning::None => return vec![line],
            Meaning::Refusal if dropped => {}
            Meaning::Refusal if self.quiet => {
                self.held.clear();
                return Vec::new();
            }
            Meaning::Refusal => {
                self.quiet = true;
                let remote = self.remote;
                let told = format!(
                    "nobody listens at {remote}: further attempts are drawn once that changes"
                );
                return vec![line, told];
            }
            Meaning::Attempt(port) => {
                // The one before came to nothing at all.
                self.quiet &= self.held.is_empty() || self.attempt == Some(port);
                self.attempt = Some(port);
            }
            Meaning::Progress => {
                self.quiet = false;
                self.attempt = None;
            }
        }
        self.quiet &= self.held.len() < HELD_MAX;
        self.held.push(line);
        if self.quiet { Vec::new() } else { mem::take(&mut self.held) }
    }

    fn meaning(&self, summary: &PacketSummary) -> Meaning {
        // Who receives a broken segment drops it.
        let PacketSummary::Tcp(segment @ Segment { sound: true, .. }) = summary else {
            return Meaning::None;
        };
        let &Segment { source, destination, syn, ack, rst, .. } = segment;
        if destination == self.remote && syn && !ack {
            return Meaning::Attempt(source.port());
        }
        let attempted = |port| self.attempt == Some(port);
        if source == self.remote && attempted(destination.port()) {
            return if rst { Meaning::Refusal } else { Meaning::Progress };
        }
        if destination == self.remote && attempted(source.port()) {
            return Meaning::Progress;
        }
        Meaning::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str =
        "nobody listens at 192.0.2.2:9000: further attempts are drawn once that changes";

    /// Frames between the board and the host's port 9000, which are their own lines.
    struct Drawn(Refused);

    impl Drawn {
        fn new() -> Self {
            Self(Refused::new("192.0.2.2:9000".parse().unwrap()))
        }

        /// What is printed for a segment: `S 4001` goes to the host, `< RA 4001` comes from it; one that ends in
        /// `x` is lost, and one that ends in `9` is of another port of the host's.
        fn line(&mut self, line: &str) -> Vec<String> {
            let mut words = line.trim_end_matches('x').split_whitespace();
            let (answer, flags) = match words.next().unwrap() {
                "<" => (true, words.next().unwrap()),
                flags => (false, flags),
            };
            let port: u16 = words.next().unwrap().parse().unwrap();
            let other = words.next().is_some();
            let board = format!("192.0.2.1:{port}").parse().unwrap();
            let host = if other { "192.0.2.2:9009" } else { "192.0.2.2:9000" }.parse().unwrap();
            let (source, destination) = if answer { (host, board) } else { (board, host) };
            let segment = Segment::with_flags(source, destination, flags);
            self.0.pass_gist(&PacketSummary::Tcp(segment), line.ends_with('x'), line.to_owned())
        }

        /// Checks that each is printed at once, and nothing else is.
        #[track_caller]
        fn shows(&mut self, lines: &[&str]) {
            for line in lines {
                assert_eq!(self.line(line), [*line]);
            }
        }

        /// Checks that none is printed, at least not yet.
        #[track_caller]
        fn hides(&mut self, lines: &[&str]) {
            for line in lines {
                assert_eq!(self.line(line), [""; 0]);
            }
        }

        fn refused() -> Self {
            let mut drawn = Self::new();
            drawn.shows(&["S 4001"]);
            assert_eq!(drawn.line("< RA 4001"), ["< RA 4001", TOLD]);
            drawn
        }
    }

    #[test]
    fn the_first_refusal_is_drawn_and_no_other() {
        let mut drawn = Drawn::refused();
        for _ in 0..3 {
            drawn.hides(&["S 4002", "< RA 4002", "S 4003", "< RA 4003"]);
        }
        // Nor what the link makes of one: a SYN or its answer lost or late, or there twice.
        drawn.hides(&["S 4004x", "S 4004", "< RA 4004x", "S 4004", "< RA 4004", "< RA 4004"]);
        drawn.hides(&["S 4004", "< RA 4004"]);
    }

    #[test]
    fn a_refusal_that_is_lost_is_none() {
        let mut drawn = Drawn::new();
        drawn.shows(&["S 4001x", "S 4001", "< RA 4001x", "S 4001"]);
        assert_eq!(drawn.line("< RA 4001"), ["< RA 4001", TOLD]);
    }

    #[test]
    fn what_is_of_something_else_is_drawn() {
        let mut drawn = Drawn::refused();
        for _ in 0..3 {
            drawn.hides(&["S 4002"]);
            drawn.shows(&["S 5001 other", "< RA 5001 other", "< FA 4000", "A 4000", "< RA 4000"]);
            assert_eq!(drawn.0.pass(b"", false, "?".to_owned()), ["?"]);
            drawn.hides(&["< RA 4002"]);
        }
    }

    #[test]
    fn an_attempt_that_is_answered_is_drawn_from_its_beginning_and_so_is_the_next_refusal() {
        let mut drawn = Drawn::refused();
        drawn.hides(&["S 4002", "< RA 4002", "S 4003x", "S 4003", "< RA 4003x"]);
        let all = ["S 4003x", "S 4003", "< RA 4003x", "< SA 4003"];
        assert_eq!(drawn.line("< SA 4003"), all);
        drawn.shows(&["A 4003", "PA 4003", "< A 4003", "< RA 4003"]);
        drawn.shows(&["S 4004"]);
        assert_eq!(drawn.line("< RA 4004"), ["< RA 4004", TOLD]);
        drawn.hides(&["S 4005", "< RA 4005"]);
    }

    #[test]
    fn attempts_that_nobody_answers_are_drawn() {
        let mut drawn = Drawn::refused();
        drawn.hides(&["S 4002", "S 4002"]);
        assert_eq!(drawn.line("S 4003"), ["S 4002", "S 4002", "S 4003"]);
        drawn.shows(&["S 4003", "S 4004"]);
        // However often it is sent, what is held is bounded.
        let mut drawn = Drawn::refused();
        drawn.hides(&["S 4002"; HELD_MAX]);
        assert_eq!(drawn.line("S 4002").len(), HELD_MAX + 1);
        drawn.shows(&["S 4002"]);
    }
}
