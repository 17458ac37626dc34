//! Header prediction: text in its turn has a short way past the guard, by which nothing becomes different.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::TcpSocket;
use tapboard_firmware::rng::Rng;
use tapboard_net::planted::{Fault, plant};

use super::PEERS;
use super::common::frames::fix_checksums;
use super::common::solo::{Client, Solo, SoloMemory};
use super::common::tcp;

/// MSS 1460, SACK permitted, window scale 1; and MSS alone.
const OPTIONS: [&[u8]; 2] = [&[2, 4, 5, 180, 4, 2, 1, 3, 3, 1, 1, 1], &[2, 4, 5, 180]];

/// Conversations.
const SEEDS: u64 = 300;

/// A peer that says what is mostly in order.
struct Peer {
    client: Client,
    rng: Rng,
    /// What the board acknowledged last.
    told: TcpSeqNumber,
}

impl Peer {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.below(100) < percent
    }

    /// A number that is mostly the given one, and else a little off, or far.
    fn about(&mut self, number: TcpSeqNumber) -> TcpSeqNumber {
        let off = match self.rng.below(40) {
            0 => self.rng.below(9).cast_signed() - 4,
            1 => self.rng.below(6000).cast_signed() - 3000,
            2 if self.chance(20) => (self.rng.next_u64() as u32).cast_signed(),
            _ => 0,
        };
        TcpSeqNumber(number.0.wrapping_add(off))
    }

    fn frame(&mut self) -> Vec<u8> {
        let control = match self.rng.below(150) {
            0 => TcpControl::Fin,
            1 => TcpControl::Syn,
            2 => TcpControl::Rst,
            3..50 => TcpControl::None,
            _ => TcpControl::Psh,
        };
        let most = [0, 1, 100, 600, 1460][self.rng.below(5) as usize];
        let text = vec![self.rng.below(256) as u8; self.rng.below(most + 1) as usize];
        let mut segment = self.client.segment(control, &text);
        let seq = if self.chance(20) { self.told } else { self.client.seq };
        segment.seq = self.about(seq);
        let ack = self.about(self.client.ack);
        segment.ack = segment.ack.filter(|_| !self.chance(1)).map(|_| ack);
        if self.chance(5) {
            let begin = self.client.ack + self.rng.below(1000) as usize;
            let end = begin + self.rng.below(1000) as usize;
            segment.sacked[0] = Some((begin.0.cast_unsigned(), end.0.cast_unsigned()));
        }
        if segment.seq == self.client.seq && control != TcpControl::Rst {
            self.client.seq += text.len();
        }
        let mut frame = segment.frame();
        let tcp = if frame[14] >> 4 == 4 { 34 } else { 54 };
        match self.rng.below(50) {
            // Urgent, or of ECN.
            0..4 => frame[tcp + 13] |= [0x20, 0x40, 0x80][self.rng.below(3) as usize],
            // Options: nothing, timestamps, a broken one.
            4..8 if frame[tcp + 12] == 5 << 4 => {
                let all: [&[u8]; 3] =
                    [&[1; 4], &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], &[5, 40, 0, 0]];
                let options = all[self.rng.below(3) as usize];
                frame.splice(tcp + 20..tcp + 20, options.iter().copied());
                frame[tcp + 12] += (options.len() as u8 / 4) << 4;
                let len = if tcp == 34 { 17 } else { 19 };
                let longer =
                    u16::from_be_bytes([frame[len - 1], frame[len]]) + options.len() as u16;
                frame[len - 1..=len].copy_from_slice(&longer.to_be_bytes());
            }
            // What the link has behind it.
            8 => frame.extend([0xff; 7]),
            _ => {}
        }
        fix_checksums(&mut frame);
        if self.chance(2) {
            frame[tcp + 16] ^= 1;
        }
        frame
    }

    /// Takes in what the board said.
    fn hear(&mut self, solo: &mut Solo<'_>) {
        for said in solo.said() {
            let news = |new: TcpSeqNumber, old: TcpSeqNumber| new.0.wrapping_sub(old.0) > 0;
            let end = said.seq + said.payload.len();
            if news(end, self.client.ack) && !self.chance(25) {
                self.client.ack = end;
            }
            self.told = said.ack.filter(|&ack| news(ack, self.told)).unwrap_or(self.told);
        }
    }
}

/// What is to be seen of a board after a step: what it sent and when, when it wants to be polled, what the application read or
/// wrote, and its counters and connections.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    frames: Vec<(Instant, Vec<u8>)>,
    deadline: Option<Instant>,
    used: (Option<usize>, Vec<u8>),
    netstat: String,
}

/// What an application does, if anything.
fn use_socket(
    solo: &mut Solo<'_>,
    socket: &mut TcpSocket,
    peer: &mut Peer,
) -> (Option<usize>, Vec<u8>) {
    let mut buffer = vec![7; peer.rng.below(3000) as usize];
    let used = match peer.rng.below(3) {
        0 => tcp::send(&mut solo.board, socket, &buffer),
        1 => tcp::receive(&mut solo.board, socket, &mut buffer),
        _ => Ok(0),
    };
    (used.ok(), buffer)
}

/// A conversation drawn by `seed`, step by step.
fn conversation(seed: u64) -> Vec<Seen> {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, seed);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let client = Client::new(PEERS[seed as usize % 2], 7);
    let mut peer = Peer { client, rng: Rng::new(seed), told: TcpSeqNumber(0) };
    solo.send(peer.client.syn_with(OPTIONS[seed as usize / 2 % 2]));
    peer.client.took(&solo.said_one());
    peer.told = peer.client.seq;
    solo.send(peer.client.ack());
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    solo.frames = Some(Vec::new());
    let mut step = || {
        if peer.chance(10) {
            peer.client.window = [0, 1, 500, 4000, u16::MAX][peer.rng.below(5) as usize];
        }
        for _ in 0..=peer.rng.below(4) {
            let frame = peer.frame();
            if !peer.chance(10) {
                solo.put(frame);
            }
        }
        solo.room = if peer.chance(10) { 0 } else { usize::MAX };
        solo.turn();
        let used = use_socket(&mut solo, &mut socket, &mut peer);
        solo.turn();
        peer.hear(&mut solo);
        let most = [0, 10, 100, 2000][peer.rng.below(4) as usize];
        solo.pass(Duration::from_millis(peer.rng.below(most + 1).into()));
        peer.hear(&mut solo);
        let frames = solo.frames.replace(Vec::new()).expect("what was sent");
        Seen { frames, deadline: solo.deadline(), used, netstat: solo.netstat() }
    };
    (0..100).map(|_| step()).collect()
}

#[test]
fn the_short_way_of_text_in_its_turn_changes_nothing() {
    let mut lived = 0;
    for seed in 0..SEEDS {
        plant(Some(Fault::NoPrediction));
        let long = conversation(seed);
        plant(None);
        let short = conversation(seed);
        for (step, (long, short)) in long.iter().zip(&short).enumerate() {
            assert_eq!(long, short, "seed {seed}, step {step}");
        }
        lived += u64::from(short[50].netstat.contains("ESTABLISHED"));
    }
    assert!(lived > SEEDS / 2, "{lived}");
}
