//! A host that misbehaves, without a stack: it says what suits it, in segments made by hand.
//!
//! Each [`Attack`] is one way to misbehave, done over and over for as long as an [`AttackWindow`] lasts. Outside
//! of attacks it only tells its MAC address to who asks. It remembers at most [`FLOWS`] connections.
//! Some of what boards must never answer is sent from here, so here it shows if they do.

use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address, TcpControl, TcpSeqNumber};
use tapboard_firmware::NetConfig;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::service::http;

use super::craft::{ParsedFrame, Segment, UNANSWERABLE, arp_reply, datagram, dress, read};
use super::plan::{Attack, AttackWindow};
use crate::nic::wire::End;

/// Connections an adversary has at a time.
const FLOWS: usize = 32;
/// From this port on come segments that must not be answered, for their checksums are wrong.
const BROKEN_PORTS: u16 = 60_000;
/// The services' ports. The last is the page's, which only a scan of all ports comes to.
const PORTS: [u16; 5] = [7, 9, 19, 23, http::PORT];

/// A connection of which only the numbers are known.
#[derive(Clone, Copy, Debug)]
struct Flow {
    port: u16,
    board_port: u16,
    seq: TcpSeqNumber,
    ack: TcpSeqNumber,
    open: bool,
}

/// The host.
#[derive(Debug)]
pub(super) struct Adversary {
    config: NetConfig,
    boards: Vec<NetConfig>,
    rng: Rng,
    window: Option<AttackWindow>,
    next: Instant,
    flows: Vec<Flow>,
    buffer: Vec<u8>,
}

impl Adversary {
    pub(super) fn new(config: NetConfig, boards: Vec<NetConfig>, seed: u64) -> Self {
        Self {
            config,
            boards,
            rng: Rng::new(seed),
            window: None,
            next: Instant::ZERO,
            flows: Vec::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, window: AttackWindow, now: Instant) {
        self.window = Some(window);
        self.next = now;
        self.flows.clear();
    }

    /// From now on it is silent.
    pub(super) fn stop(&mut self) {
        self.window = None;
    }

    /// Reads what has come, and acts if it is time. Returns when it acts next.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        end: &mut End<'_>,
    ) -> Result<Option<Instant>, String> {
        while let Some((token, _)) = end.receive(now) {
            let heard = token.consume(read);
            if let Some(heard) = heard {
                self.hear(now, end, &heard)?;
            }
        }
        let Some(window) = self.window else {
            return Ok(None);
        };
        if now >= window.until {
            self.window = None;
            return Ok(None);
        }
        if now >= self.next {
            self.act(now, end, window);
            self.next = now + window.gap;
        }
        Ok(Some(self.next.min(window.until)))
    }

    fn put(&mut self, now: Instant, end: &mut End<'_>) {
        if let Some(token) = end.transmit(now) {
            token.consume(self.buffer.len(), |frame| frame.copy_from_slice(&self.buffer));
        }
    }

    fn own(&self) -> Ipv4Address {
        self.config.ipv4_address()
    }

    /// An address of the network that no machine has.
    fn nobody(&mut self) -> Ipv4Address {
        Ipv4Address::new(192, 0, 2, 100 + self.rng.below(100) as u8)
    }

    fn service(&mut self) -> u16 {
        PORTS[self.rng.below(4) as usize]
    }

    fn random_seq(&mut self) -> TcpSeqNumber {
        TcpSeqNumber((self.rng.next_u64() as u32).cast_signed())
    }

    /// Writes a segment of `flow` into the buffer.
    fn segment(
        &mut self,
        board: usize,
        source: Ipv4Address,
        flow: &Flow,
        control: TcpControl,
        payload: &[u8],
    ) {
        let board = &self.boards[board];
        Segment {
            source: (self.config.mac(), source, flow.port),
            destination: (board.mac(), board.ipv4_address(), flow.board_port),
            control,
            seq: flow.seq,
            ack: (control != TcpControl::Syn).then_some(flow.ack),
            payload,
        }
        .write(&mut self.buffer);
    }

    fn hear(&mut self, now: Instant, end: &mut End<'_>, heard: &ParsedFrame) -> Result<(), String> {
        match *heard {
            ParsedFrame::WhoHas { asked, by } => {
                let last = asked.octets()[3];
                let answers = self.window.is_some_and(|window| {
                    window.attack == Attack::SynFloodAnswered && (100..200).contains(&last)
                });
                if asked == self.own() || answers {
                    arp_reply(&mut self.buffer, (self.config.mac(), asked), by);
                    self.put(now, end);
                }
            }
            ParsedFrame::Datagram { source, unanswerable } => {
                let board = self.boards.iter().any(|board| board.ipv4_address() == source);
                if unanswerable && board {
                    return Err(format!("{source} answered a datagram that must have no answer"));
                }
            }
            ParsedFrame::Segment { to, port, board_port, control, seq, ack, len } => {
                if port >= BROKEN_PORTS && to == self.own() {
                    return Err(format!("port {board_port} answered a wrong checksum"));
                }
                // Two flows to two ports of a board may have drawn one port of their own.
                let is = |flow: &Flow| flow.port == port && flow.board_port == board_port;
                let flow = self.flows.iter().position(is);
                if let Some(flow) = flow.filter(|_| to == self.own()) {
                    self.answer(now, end, flow, (control, seq, ack, len))?;
                }
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        now: Instant,
        end: &mut End<'_>,
        index: usize,
        (control, seq, ack, len): (TcpControl, TcpSeqNumber, Option<TcpSeqNumber>, usize),
    ) -> Result<(), String> {
        let Some(window) = self.window else {
            return Ok(());
        };
        let mut flow = self.flows[index];
        let registered = PORTS.contains(&flow.board_port);
        let to_our_syn = !flow.open && ack == Some(flow.seq + 1);
        match control {
            TcpControl::Rst
                if registered && to_our_syn && window.attack != Attack::DuplicateSyn =>
            {
                return Err(format!("port {} refused a connection", flow.board_port));
            }
            TcpControl::Syn if !registered => {
                return Err(format!("port {}, not registered, answers", flow.board_port));
            }
            TcpControl::Rst => {
                self.flows.swap_remove(index);
                return Ok(());
            }
            TcpControl::Syn if to_our_syn => {
                flow.open = true;
                flow.seq += 1;
                flow.ack = seq + 1;
                self.opened(now, end, window, &mut flow);
            }
            TcpControl::None | TcpControl::Psh | TcpControl::Fin
                if flow.open && window.attack == Attack::Squat =>
            {
                if seq == flow.ack {
                    flow.ack += len + usize::from(control == TcpControl::Fin);
                }
                // A keep-alive probe is one byte before what is expected: it is answered, too.
                if len > 0 || seq != flow.ack {
                    self.segment(window.board, self.own(), &flow, TcpControl::None, &[]);
                    self.put(now, end);
                }
            }
            _ => {}
        }
        self.flows[index] = flow;
        Ok(())
    }

    /// What it does with a connection that it just got.
    fn opened(&mut self, now: Instant, end: &mut End<'_>, window: AttackWindow, flow: &mut Flow) {
        let (board, own) = (window.board, self.own());
        let (control, payload): (_, &[u8]) = match window.attack {
            Attack::NeverAck => (TcpControl::Psh, &[b'x'; 600]),
            Attack::Reset => (TcpControl::Psh, b"hello\n"),
            Attack::FinFirst => (TcpControl::Fin, &[]),
            _ => (TcpControl::None, &[]),
        };
        self.segment(board, own, flow, control, payload);
        self.put(now, end);
        flow.seq += payload.len();
        if window.attack == Attack::Reset {
            // Sometimes the reset fits exactly, sometimes only the window, mostly not at all.
            let mut last = *flow;
            match self.rng.below(3) {
                0 => {}
                1 => last.seq += self.rng.below(1000) as usize,
                _ => last.seq = self.random_seq(),
            }
            self.segment(board, own, &last, TcpControl::Rst, &[]);
            self.put(now, end);
        }
    }

    fn act(&mut self, now: Instant, end: &mut End<'_>, window: AttackWindow) {
        let board = window.board;
        let port = 1024 + self.rng.below(u32::from(BROKEN_PORTS - 1024)) as u16;
        let mut flow = Flow {
            port,
            board_port: self.service(),
            seq: self.random_seq(),
            ack: TcpSeqNumber(0),
            open: false,
        };
        match window.attack {
            Attack::SynFlood | Attack::SynFloodAnswered => {
                let nobody = self.nobody();
                self.segment(board, nobody, &flow, TcpControl::Syn, &[]);
                self.put(now, end);
            }
            Attack::WrongChecksum => {
                flow.port = BROKEN_PORTS + self.rng.below(5000) as u16;
                self.segment(board, self.own(), &flow, TcpControl::Syn, &[]);
                // Some byte of the sequence number, the window or the checksum; changed so that no
                // single bit that the link flips makes it right again.
                let at = 14 + 20 + [4, 7, 14, 16, 17][self.rng.below(5) as usize];
                self.buffer[at] ^= 0b101 << self.rng.below(6);
                self.put(now, end);
            }
            Attack::Garbage => {
                self.garbage(board);
                self.put(now, end);
            }
            Attack::Broadcast | Attack::EchoToEcho => {
                let board = &self.boards[board];
                let everybody = Ipv4Address::new(192, 0, 2, 255);
                let (to, source_port) = if window.attack == Attack::EchoToEcho {
                    ((board.mac(), board.ipv4_address(), 7), 7)
                } else {
                    ((EthernetAddress::BROADCAST, everybody, 7), port)
                };
                let from = (self.config.mac(), self.config.ipv4_address(), source_port);
                datagram(&mut self.buffer, from, to, &UNANSWERABLE);
                self.put(now, end);
            }
            Attack::DuplicateSyn
            | Attack::PortScan
            | Attack::NeverAck
            | Attack::Vanish
            | Attack::FinFirst
            | Attack::Reset
            | Attack::Squat => {
                match window.attack {
                    Attack::PortScan => flow.board_port = 1 + self.rng.below(1024) as u16,
                    // The generator would talk to it for ever.
                    Attack::Squat if flow.board_port == 19 => flow.board_port = 7,
                    _ => {}
                }
                self.segment(board, self.own(), &flow, TcpControl::Syn, &[]);
                self.put(now, end);
                self.remember(flow);
                if window.attack == Attack::DuplicateSyn {
                    for _ in 0..self.rng.below(3) {
                        let mut twin = flow;
                        twin.seq = self.random_seq();
                        self.segment(board, self.own(), &twin, TcpControl::Syn, &[]);
                        self.put(now, end);
                    }
                }
            }
        }
    }

    fn remember(&mut self, flow: Flow) {
        if self.flows.len() == FLOWS {
            self.flows.remove(0);
        }
        self.flows.push(flow);
    }

    /// Random bytes behind a header that gets them as far as possible.
    fn garbage(&mut self, board: usize) {
        let len = 14 + self.rng.below(200) as usize;
        self.buffer.clear();
        for _ in 0..len {
            self.buffer.push(self.rng.below(256) as u8);
        }
        self.buffer[..6].copy_from_slice(&self.boards[board].mac().0);
        self.buffer[6..12].copy_from_slice(&self.config.mac().0);
        match self.rng.below(4) {
            0 => self.buffer[12..14].copy_from_slice(&[0x08, 0x00]),
            1 => self.buffer[12..14].copy_from_slice(&[0x86, 0xdd]),
            2 => self.buffer[12..14].copy_from_slice(&[0x08, 0x06]),
            _ => {}
        }
        if len > 54 && self.rng.below(2) == 0 {
            let (from, to) = (self.own(), self.boards[board].ipv4_address());
            dress(&mut self.buffer, from, to);
        }
    }
}
