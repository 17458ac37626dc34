//! A board alone on its wire: polled when it wants to be, its questions for neighbours answered, and what it sends counted.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::NetStack;
use tapboard_firmware::netstat::Introspect;

use super::frames::{Datagram, asked_for, neighbor_answer};
use super::nic::Nic;

/// Datagrams of the board that are remembered.
const HEARD: usize = 4;

/// What has to hold of the board.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Frames a second in the long run, at once, and for each that comes in.
    pub(crate) frames: [u64; 3],
    /// Whether a datagram of the board's is to be answered.
    pub(crate) hears: fn(&Datagram) -> bool,
    /// What else holds whenever the board has enough.
    pub(crate) check: fn(&NetStack<'_>, Instant),
}

/// The board, and what it said.
pub(crate) struct Alone<'a> {
    pub(crate) now: Instant,
    pub(crate) stack: NetStack<'a>,
    pub(crate) nic: Nic,
    /// Its last datagrams.
    pub(crate) heard: VecDeque<Datagram>,
    rules: Rules,
    next: Option<Instant>,
    began: Instant,
    /// Frames of the board until now.
    sent: u64,
    /// What came in, each of which may be answered.
    given: u64,
}

impl<'a> Alone<'a> {
    /// A board that has just been switched on.
    pub(crate) fn new(stack: NetStack<'a>, nic: Nic, now: Instant, rules: Rules) -> Self {
        let heard = VecDeque::new();
        let mut board =
            Self { now, stack, nic, heard, rules, next: None, began: now, sent: 0, given: 0 };
        board.turn();
        board
    }

    /// Polls until the board has enough.
    pub(crate) fn turn(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "the board never has enough at {}", self.now);
            let next = self.stack.poll(self.now, &mut self.nic);
            assert!(next.is_none_or(|next| next >= self.now), "polled in the past");
            self.next = next;
            let sent = std::mem::take(&mut self.nic.from_board);
            self.sent += sent.len() as u64;
            for frame in sent {
                // Whatever it sends is sound.
                if let Some(datagram) = Datagram::parse(&frame) {
                    if (self.rules.hears)(&datagram) {
                        self.heard.push_back(datagram);
                    }
                } else if let Some(address) = asked_for(&frame) {
                    self.give(neighbor_answer(address));
                }
            }
            let old = self.heard.len().saturating_sub(HEARD);
            self.heard.drain(..old);
            if self.nic.to_board.is_empty() && next.is_none_or(|next| next > self.now) {
                break;
            }
        }
        let elapsed = (self.now - self.began).secs();
        let [per_second, burst, for_each] = self.rules.frames;
        let bound = burst + elapsed * per_second + for_each * self.given;
        assert!(self.sent <= bound, "{} frames for {} and {elapsed} s", self.sent, self.given);
        for index in (0..).take_while(|index| self.stack.fact(*index).is_some()) {
            let _ = self.stack.fact(index).map(|fact| fact.to_string());
        }
        (self.rules.check)(&self.stack, self.now);
    }

    /// Lays a frame on the wire; it arrives with the next turn.
    pub(crate) fn give(&mut self, frame: Vec<u8>) {
        self.provoke();
        self.nic.to_board.push_back(frame);
    }

    /// Something else has come that the board may answer.
    pub(crate) fn provoke(&mut self) {
        self.given += 1;
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next.filter(|next| *next <= end) {
            self.now = next;
            self.turn();
        }
        self.now = end;
        self.turn();
    }
}
