//! Runs a script in virtual time against a board that is alone on its wire.
//!
//! The clock goes from deadline to deadline of the board's, and stands still otherwise: what the board sends has the
//! moment at which it did. As in packetdrill, a relative time counts from the event before, as it came to be.

use std::collections::VecDeque;
use std::fmt::Write;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpEndpoint, IpProtocol, IpRepr};
use tapboard_firmware::config::{DATAGRAM_SIZE, REQUESTS, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::{BOARD_NET, BoardSockets, Limits, NetStack, Storage};

use super::applicable::BUFFER;
use super::calls::{Descriptors, Done, PORT, pattern};
use super::common::frames::{endpoint, fix_checksums, ip_frame, ip_parts};
use super::common::solo::Solo;
use super::compare::Numbers;
use super::packet::Wire;
use super::script::{
    ACK, Call, Event, FIN, Icmp, Kind, Number, Outcome, Packet, SYN, Script, TcpOption, Time,
    flag_letters,
};

/// How much sooner or later than another stack the board may say a bare acknowledgement: it holds it back for 10 ms,
/// FreeBSD for 40, Linux for 0 to 40 (RFC 9293 3.8.6.3: up to 500).
const ACK_DELAY_US: i64 = 40_000;

/// The longest wait for something that may come at any time, microseconds.
const ANY_US: i64 = 300_000_000;

/// A board with buffers as large as the windows that the scripts of others speak of.
type Memory = Storage<TCP_SLOTS, BUFFER, UDP_SLOTS, DATAGRAM_SIZE, REQUESTS>;

/// Runs a script; what came otherwise than it says, with its line.
pub(crate) fn run(script: &Script) -> Result<(), String> {
    let (mut memory, mut sockets) = (Box::<Memory>::default(), BoardSockets::new());
    // The limits that are a user's to choose are those of a kernel.
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let kernel = Limits::new()
        .with_keep_alive(hours(2))
        .with_user_timeout(hours(8))
        .with_connect(Duration::from_secs(75));
    let config = if script.config.board { BOARD_NET } else { BOARD_NET.with_limits(kernel) };
    let mut solo =
        Solo::on(|end| NetStack::new(&config, end, Instant::ZERO, 1, &mut *memory, &mut sockets));
    solo.frames = Some(Vec::new());
    // The moment 0 of the script is not that at which the board boots.
    solo.pass(Duration::from_secs(10));
    let peer = if script.config.ipv6 { "[2001:db8::2]" } else { "192.0.2.2" };
    let own = if script.config.ipv6 {
        IpEndpoint::new(BOARD_NET.ipv6().expect("it has one").address().into(), PORT)
    } else {
        IpEndpoint::new(BOARD_NET.ipv4_address().into(), PORT)
    };
    let begin = solo.clock.now();
    let remote = format!("{peer}:{PORT}");
    let mut runner = Runner {
        solo,
        script,
        begin,
        peer: endpoint(&format!("{peer}:40000")),
        own,
        remote,
        heard: VecDeque::new(),
        numbers: Numbers { opens: true, ..Numbers::default() },
        descriptors: Descriptors::default(),
        pending: None,
        told: None,
        edge: 0,
        fin: None,
        tolerance_us: script.config.tolerance_us,
    };
    for event in &script.events {
        let at = |reason: String| format!("line {}: {reason}", event.line);
        runner.event(event).map_err(at)?;
    }
    runner.finish_pending().map_err(|reason| format!("at the end: {reason}"))?;
    match runner.heard.front() {
        Some((_, wire)) if script.config.board => {
            Err(format!("at the end: > {}", runner.numbers.show(wire)))
        }
        _ => Ok(()),
    }
}

struct Runner<'a, 's> {
    solo: Solo<'a>,
    script: &'s Script,
    begin: Instant,
    peer: IpEndpoint,
    own: IpEndpoint,
    /// Where the board's connections go.
    remote: String,
    /// What the board sent that the script has not come to.
    heard: VecDeque<(Instant, Wire)>,
    numbers: Numbers,
    descriptors: Descriptors,
    /// A call that has not returned yet, with the time at which it is to.
    pending: Option<(&'s Call, i64)>,
    /// What the script's stack acknowledged last, and the window that it named.
    told: Option<(u32, u32)>,
    /// The number behind what the board would take, on the wire.
    edge: u32,
    /// The number of the board's FIN, on the wire.
    fin: Option<u32>,
    tolerance_us: i64,
}

impl<'s> Runner<'_, 's> {
    fn now_us(&self) -> i64 {
        (self.solo.clock.now() - self.begin).total_micros().cast_signed()
    }

    /// The clock goes to the board's next deadline, or to this moment.
    fn step(&mut self, limit_us: i64) -> Result<(), String> {
        let limit = self.begin + Duration::from_micros(limit_us.max(0).cast_unsigned());
        let next = self.solo.deadline().map_or(limit, |deadline| deadline.min(limit));
        self.solo.clock.advance_to(next.max(self.solo.clock.now()));
        self.turn()
    }

    fn turn(&mut self) -> Result<(), String> {
        self.solo.turn();
        self.descriptors.settle(&mut self.solo.board);
        self.hear();
        if let Some((call, end_us)) = self.pending
            && let Some(result) = self.make(call)?
        {
            self.pending = None;
            self.returned(call, result)?;
            self.on_time(end_us, end_us, "the call")?;
        }
        Ok(())
    }

    fn hear(&mut self) {
        self.solo.heard.clear();
        self.solo.others.clear();
        let frames = self.solo.frames.replace(Vec::new()).expect("they are wanted");
        for (at, frame) in frames {
            if let Some((from, to, IpProtocol::Tcp, bytes)) = ip_parts(&frame) {
                let wire = Wire::parse(from, to, bytes);
                if wire.flags & ACK != 0 {
                    self.edge = wire.ack.wrapping_add(wire.window.into());
                }
                self.heard.push_back((at, wire));
            }
        }
    }

    fn advance(&mut self, to_us: i64) -> Result<(), String> {
        while self.now_us() < to_us {
            self.step(to_us)?;
        }
        Ok(())
    }

    fn on_time(&self, from_us: i64, to_us: i64, what: &str) -> Result<(), String> {
        self.was_on_time(self.now_us(), from_us, to_us, what)
    }

    fn was_on_time(&self, at_us: i64, from_us: i64, to_us: i64, what: &str) -> Result<(), String> {
        let tolerance_us = self.tolerance_us;
        if (from_us - tolerance_us..=to_us + tolerance_us).contains(&at_us) {
            return Ok(());
        }
        Err(format!("{what} at {at_us} us, not {from_us} to {to_us}"))
    }

    /// First and last moment of an event.
    fn times(&self, time: Time) -> (i64, i64) {
        let offset = |relative: bool| if relative { self.now_us() } else { 0 };
        match time {
            Time::At { relative, us } | Time::Blocking { relative, us, .. } => {
                (us + offset(relative), us + offset(relative))
            }
            Time::Range { relative, from_us, to_us } => {
                (from_us + offset(relative), to_us + offset(relative))
            }
            Time::Any => (i64::MIN / 2, self.now_us() + ANY_US),
        }
    }

    fn event(&mut self, event: &'s Event) -> Result<(), String> {
        let (from_us, to_us) = self.times(event.time);
        if let Kind::Out(packet) = &event.kind {
            return self.expect(packet, from_us, to_us);
        }
        self.advance(from_us)?;
        match &event.kind {
            Kind::In(packet) => self.send(packet),
            Kind::Icmp(icmp) => self.send_icmp(icmp),
            Kind::Call(call) => {
                self.finish_pending()?;
                let end_us = match event.time {
                    Time::Blocking { us, end_us, .. } => from_us + end_us - us,
                    _ => from_us,
                };
                match self.make(call)? {
                    Some(result) => self.returned(call, result)?,
                    None => self.pending = Some((call, end_us)),
                }
                self.turn()
            }
            Kind::Command(command) => self.check_states(command),
            Kind::Code(code) => self.check_code(code),
            Kind::Out(_) => unreachable!("handled above"),
        }
    }

    fn make(&mut self, call: &Call) -> Result<Done, String> {
        let first = self.numbers.first;
        if call.name == "connect" {
            self.numbers.opens = true;
        }
        self.descriptors.make(&mut self.solo.board, call, &self.remote, first)
    }

    fn returned(&self, call: &Call, result: Result<i64, &'static str>) -> Result<(), String> {
        let same = match (&call.result, result) {
            (Outcome::Value(expected), Ok(value)) => *expected == value,
            (Outcome::Failure(errno), Err(error)) => {
                errno == error || (errno == "EWOULDBLOCK" && error == "EAGAIN")
            }
            _ => false,
        };
        if same || self.script.config.lenient_calls {
            return Ok(());
        }
        Err(format!("{} gave {result:?}, not {:?}", call.name, call.result))
    }

    /// A call that has not returned yet has to, before the next one.
    fn finish_pending(&mut self) -> Result<(), String> {
        while let Some((call, end_us)) = self.pending {
            let limit_us = end_us + self.tolerance_us;
            if self.now_us() >= limit_us {
                return Err(format!("{} blocks", call.name));
            }
            self.step(limit_us)?;
        }
        Ok(())
    }

    fn expect(&mut self, packet: &Packet, from_us: i64, to_us: i64) -> Result<(), String> {
        let mut before = 0;
        let bare = packet.flags == ACK && packet.len == 0 && !self.script.config.board;
        let delay_us = if bare { ACK_DELAY_US } else { 0 };
        let (from_us, to_us) = (from_us - delay_us, to_us + delay_us);
        loop {
            while self.heard.is_empty() {
                let limit_us = to_us + self.tolerance_us;
                if self.now_us() >= limit_us {
                    let what = if before > 0 { "no more" } else { "nothing" };
                    return Err(format!("{what} came in place of > {}", show(packet)));
                }
                self.step(limit_us)?;
            }
            let (at, wire) = self.heard.pop_front().expect("it is not empty");
            if wire.flags & (SYN | ACK) == SYN && self.descriptors.is_connecting() {
                (self.own, self.peer) = (wire.from, wire.to);
            }
            self.numbers.learn(packet, &wire);
            let came = self.numbers.show(&wire);
            let differs = |what: String| format!("{what}: > {came} in place of > {}", show(packet));
            if (wire.from, wire.to) != (self.own, self.peer) {
                return Err(differs("endpoints".to_owned()));
            }
            let board = self.script.config.board;
            let fin = self.fin;
            if wire.flags & FIN != 0 {
                self.fin = Some(wire.seq.wrapping_add(wire.payload.len() as u32));
            }
            let repeated =
                Packet { flags: ACK, seq: packet.seq.map(Number::next), ..packet.clone() };
            let packet = if !board && wire.flags == ACK && self.repeats_fin(packet, fin) {
                &repeated
            } else {
                packet
            };
            self.numbers.differ(packet, &wire, before, board).map_err(differs)?;
            if wire.flags & ACK != 0 {
                self.numbers.last_ack = wire.ack;
            }
            let at_us = (at - self.begin).total_micros().cast_signed();
            self.was_on_time(at_us, from_us, to_us, &format!("> {came}"))?;
            before += wire.payload.len();
            if before == packet.len {
                break;
            }
        }
        if let (Some(ack), Some(window)) = (packet.ack, packet.window) {
            self.told = Some((ack.value, window.into()));
        }
        Ok(())
    }

    /// Whether a segment that is expected is a FIN that the board has sent before, alone. FreeBSD repeats its FIN with each
    /// acknowledgement while it has none for it; the board acknowledges (RFC 9293 3.10.7.4: <SEQ=SND.NXT>).
    fn repeats_fin(&self, packet: &Packet, fin: Option<u32>) -> bool {
        let seq = packet.seq.map(|seq| self.numbers.board_to_wire(seq));
        packet.flags == FIN | ACK && packet.len == 0 && fin.is_some() && seq == fin
    }

    /// What lies at the right edge of the other stack's window lies at that of the board's.
    fn moved(&self, seq: u32) -> u32 {
        let wire = Numbers::peer_to_wire(Number { value: seq, absolute: false });
        let Some((ack, window)) = self.told.filter(|_| !self.script.config.board) else {
            return wire;
        };
        for window in [Some(window), self.descriptors.receive_buffer].into_iter().flatten() {
            let ahead = seq.wrapping_sub(ack.wrapping_add(window)).cast_signed();
            if ahead.abs() <= 1 {
                return self.edge.wrapping_add(ahead.cast_unsigned());
            }
        }
        wire
    }

    fn send(&mut self, packet: &Packet) -> Result<(), String> {
        let seq = packet.seq.ok_or("the peer's segment has no number")?;
        if packet.flags & SYN != 0 {
            self.numbers.first = seq.value.wrapping_add(1);
            self.numbers.opens |= packet.flags & ACK == 0;
        }
        let begins = seq.value.wrapping_add(u32::from(packet.flags & SYN != 0));
        let blocks = |option: &TcpOption| match option {
            TcpOption::Sack(blocks) => {
                let wire = |value| self.numbers.board_to_wire(Number { value, absolute: false });
                TcpOption::Sack(
                    blocks.iter().map(|&(left, right)| (wire(left), wire(right))).collect(),
                )
            }
            option => option.clone(),
        };
        let wire = Wire {
            from: self.peer,
            to: self.own,
            flags: packet.flags,
            seq: if seq.absolute { seq.value } else { self.moved(seq.value) },
            ack: packet.ack.map_or(0, |ack| self.numbers.board_to_wire(ack)),
            window: packet.window.unwrap_or(0),
            options: packet.options.iter().flatten().map(blocks).collect(),
            payload: (0..packet.len as u32).map(|at| pattern(begins.wrapping_add(at))).collect(),
        };
        self.numbers.last_in = (wire.seq, wire.seq.wrapping_add(packet.len as u32));
        self.solo.send(wire.frame());
        self.turn()
    }

    /// An error about a segment that the board sent, from whom it was for.
    fn send_icmp(&mut self, icmp: &Icmp) -> Result<(), String> {
        let (kind, code) = icmp.code(self.script.config.ipv6).ok_or("no such error")?;
        let (own, peer) = (self.own, self.peer);
        let ip = IpRepr::new(own.addr, peer.addr, IpProtocol::Tcp, 20, 64);
        let mut quote = vec![0; ip.header_len() + 8];
        ip.emit(&mut quote[..], &smoltcp::phy::ChecksumCapabilities::default());
        let seq = self.numbers.board_to_wire(Number { value: icmp.seq, absolute: false });
        let tcp = &mut quote[ip.header_len()..];
        tcp[..2].copy_from_slice(&own.port.to_be_bytes());
        tcp[2..4].copy_from_slice(&peer.port.to_be_bytes());
        tcp[4..].copy_from_slice(&seq.to_be_bytes());
        let v6 = self.script.config.ipv6;
        let protocol = if v6 { IpProtocol::Icmpv6 } else { IpProtocol::Icmp };
        let mut frame = ip_frame(peer.addr, own.addr, protocol, 8 + quote.len(), |message| {
            message[..2].copy_from_slice(&[kind, code]);
            message[4..8].copy_from_slice(&u32::from(icmp.mtu).to_be_bytes());
            message[8..].copy_from_slice(&quote);
        });
        fix_checksums(&mut frame);
        self.solo.send(frame);
        self.turn()
    }

    /// `sockstat ... | grep -c STATE | grep COUNT`: the board has (COUNT is not 0) a connection in that state.
    fn check_states(&mut self, command: &str) -> Result<(), String> {
        let Some((_, counted)) = command.split_once("grep -c ") else { return Ok(()) };
        let mut words = counted.split_whitespace();
        let state = words.next().unwrap_or("").replace('_', "-");
        let state = state.replace("SYN-RCVD", "SYN-RECEIVED");
        let wanted = words.next_back() != Some("0");
        let netstat = self.solo.netstat();
        if command.starts_with("sockstat") && netstat.contains(&state) != wanted {
            return Err(format!("{state}: {wanted} expected\n{netstat}"));
        }
        Ok(())
    }

    /// Of code, what it asserts of the connection's state.
    fn check_code(&mut self, code: &str) -> Result<(), String> {
        for line in code.lines() {
            let Some((_, wanted)) = line.split_once("assert tcpi_state == ") else { continue };
            let word = wanted.split([' ', ',']).next().unwrap_or("");
            let wanted = match word.trim_start_matches("TCPI_").trim_start_matches("TCP_") {
                "CLOSE" => "CLOSED".to_owned(),
                "SYN_RECV" => "SYN-RECEIVED".to_owned(),
                name => name.replace('_', "-").replace("FIN-WAIT1", "FIN-WAIT-1"),
            };
            let state = self.descriptors.state(&mut self.solo.board);
            if state.is_some_and(|state| state != wanted) {
                return Err(format!("in {}, not {wanted}", state.unwrap_or("")));
            }
        }
        Ok(())
    }
}

/// In the language's notation.
fn show(packet: &Packet) -> String {
    let seq = packet.seq.map_or("...".to_owned(), |seq| seq.value.to_string());
    let mut out = format!("{} {seq}({})", flag_letters(packet.flags), packet.len);
    if let Some(ack) = packet.ack {
        let _ = write!(out, " ack {}", ack.value);
    }
    out + &packet.options.as_ref().map_or(" <...>".to_owned(), |options| format!(" {options:?}"))
}
