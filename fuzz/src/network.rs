//! The board's network: time, the wire, and all hosts at its other end.
//!
//! A step of a program is a frame, or time, or a change of what hosts do by themselves. After each step the board is polled
//! until it has no more to do, or only once time passes, as the program says.

use std::net::SocketAddr;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, TcpControl};
use tapboard_firmware::config::FRAME_SIZE;
use tapboard_firmware::netstat::Introspect;

use super::address;
use super::edit::edit;
use super::frames::{Segment, asked_for, fix_checksums, neighbor_answer};
use super::input::Input;
use super::nic::{Nic, SUPERFRAME_SIZE};
use super::packet;
use super::peers::Peers;
use super::states::States;
use super::tcp::{self, ACK, FIN, PSH, RST, SYN, Tcp};

/// Polls at one moment, at most, until a board has no more to do.
const TURNS: usize = 1000;
/// Polls, at most, in the time of one step.
const POLLS: usize = 100_000;
/// Frames on their way to the board, at most.
const BURST: usize = 200;

/// What a program drives: something that is polled, and whose sockets can be listed.
pub(crate) trait Board {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant>;
    fn sockets(&self) -> &dyn Introspect;
    fn link_up(&mut self);
    /// Closes its direction of the connection with this peer, if that is for somebody to do.
    fn close(&mut self, peer: SocketAddr);
    /// Ends all connections, in order or not.
    fn shutdown(&mut self);
}

/// How the hosts answer a connection request of the board's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Accept,
    Refuse,
}

/// Everything but the board.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) nic: Nic,
    pub(crate) states: States,
    peers: Peers,
    /// When the board wants to be polled next.
    deadline: Option<Instant>,
    /// Hosts tell their MAC addresses to who asks.
    resolves: bool,
    /// Addresses that the board asked for in vain.
    unresolved: Vec<IpAddress>,
    answer: Answer,
    /// The board is polled after each step, not only when time passes.
    prompt: bool,
    last_frame: Vec<u8>,
}

impl Network {
    /// A network that begins as the program says.
    pub(crate) fn new(input: &mut Input<'_>) -> Self {
        // Times in four bytes wrap on the way from the second and the third.
        let starts = [0, 1_i64 << 31, (1 << 32) - 2_000_000, (1 << 32) + 5];
        Self {
            now: Instant::from_micros(input.pick(&starts)),
            nic: Nic::new(input.below(8)),
            states: States::new(),
            peers: Peers::default(),
            deadline: None,
            resolves: !input.one_in(4),
            unresolved: Vec::new(),
            answer: input.pick(&[Answer::Accept, Answer::Accept, Answer::Nothing, Answer::Refuse]),
            prompt: !input.one_in(4),
            last_frame: Vec::new(),
        }
    }

    /// One step of a program.
    pub(crate) fn step(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        match input.below(64) {
            0 | 1 => drop(self.request(input)),
            2..=6 => self.open(board, input),
            7..=11 => self.send(ACK, &[], input),
            12..=17 => {
                let text = packet::text(input);
                self.send(PSH | ACK, &text, input);
            }
            18 => self.send(FIN | ACK, &[], input),
            19 | 20 => self.close_both(board, input),
            21 => {
                let text = packet::text(input);
                self.send(FIN | PSH | ACK, &text, input);
            }
            22 => self.send(RST | ACK, &[], input),
            23 => self.send(SYN, &[], input),
            24 => self.send(SYN | ACK, &[], input),
            25..=34 => self.send_spoilt(input),
            35..=37 => self.acknowledge(board, input),
            38 | 39 => self.put(packet::udp(input)),
            40 => self.put(packet::icmp(input)),
            41 => self.put(packet::neighbor(input)),
            42..=44 => {
                let mut frame = self.last_frame.clone();
                edit(&mut frame, input);
                self.put(frame);
            }
            45 => self.put(packet::rubbish(input)),
            46 => {
                self.resolves = !input.one_in(4);
                self.prompt = !input.one_in(4);
                self.answer = input.pick(&[Answer::Accept, Answer::Nothing, Answer::Refuse]);
            }
            47 => {
                let rooms = [None, None, None, None, Some(0), Some(1), Some(2), Some(5)];
                self.nic.room = input.pick(&rooms);
            }
            48 => board.link_up(),
            49 => {
                if let Some(address) = self.unresolved.pop() {
                    self.put(neighbor_answer(address));
                }
            }
            50 => self.send_superframe(input),
            51 if input.one_in(2) => self.stop_polling(board, input),
            52 if input.one_in(8) => board.shutdown(),
            _ => self.wait(board, input),
        }
        if self.prompt || self.nic.to_board.len() >= BURST {
            self.turn(board);
        }
    }

    /// A host's connection request, or a repeated one.
    fn request(&mut self, input: &mut Input<'_>) -> usize {
        let host = address::host(input);
        let port = input.pick(&[7, 9, 19, 23, 7, 23, 7, 80]);
        let peer = IpEndpoint::new(host, 1000 + u16::from(input.byte() % 16));
        let index = self.peers.between(IpEndpoint::new(address::board(host), port), peer);
        let mut syn = Tcp::of(&self.peers.all()[index], SYN, &[]);
        if input.one_in(2) {
            // MSS, SACK permitted, window scale.
            syn.options = vec![2, 4, 5, 0xb4, 4, 2, 3, 3, input.pick(&[0, 1, 7, 14])];
        }
        self.put(syn.frame());
        index
    }

    /// A host's connection: the whole handshake, if the board takes part in it.
    fn open(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        let index = self.request(input);
        self.turn(board);
        if let Some(flow) = self.peers.get_mut(index) {
            flow.una = flow.ack;
            let ack = Tcp::of(flow, ACK, &[]);
            self.put(ack.frame());
        }
    }

    /// One of the conversations: three times in four one that the board has a socket for, else any, the newest first.
    fn choose(&self, input: &mut Input<'_>) -> Option<usize> {
        let (old, number) = (input.one_in(4), usize::from(input.byte()));
        let (live, flows) = (self.peers.live(), self.peers.all().len());
        if !old && !live.is_empty() {
            return Some(live[number % live.len()]);
        }
        (flows > 0).then(|| flows - 1 - number % flows)
    }

    /// A segment that fits a conversation.
    fn send(&mut self, flags: u16, payload: &[u8], input: &mut Input<'_>) {
        let Some(index) = self.choose(input) else { return };
        let Some(flow) = self.peers.get_mut(index) else { return };
        let mut segment = Tcp::of(flow, flags, payload);
        segment.window = input.pick(&[8192, 8192, 8192, 8192, 8192, 536, 65_535, 0]);
        flow.seq = flow.seq.wrapping_add(segment.len());
        if flags & ACK != 0 {
            if input.one_in(4) {
                // It has not heard what the board sent last.
                segment.ack = flow.una;
            }
            flow.una = segment.ack;
        }
        self.put(segment.frame());
    }

    /// A segment that almost fits a conversation.
    fn send_spoilt(&mut self, input: &mut Input<'_>) {
        let Some(index) = self.choose(input) else { return };
        let flow = self.peers.all()[index];
        let flags = input.pick(&[ACK, PSH | ACK, FIN | ACK, SYN, SYN | ACK, RST, RST | ACK, FIN]);
        let mut segment = Tcp::of(&flow, flags, &[]);
        segment.spoil(&flow, input);
        self.put(segment.frame());
    }

    /// More data at once than an ordinary frame holds, as a NIC that does segmentation hands over.
    fn send_superframe(&mut self, input: &mut Input<'_>) {
        if self.nic.segments() {
            let payload = vec![input.byte(); input.pick(&[1461, 2920, 40_000, 65_000, 65_495])];
            self.send(PSH | ACK, &payload, input);
        }
    }

    /// The board closes, as its shell does when it is asked to, and the peer closes too before it has heard of that.
    fn close_both(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        let mut same = input.clone();
        self.send(PSH | ACK, b"exit\n", input);
        let Some(index) = self.choose(&mut same) else { return };
        let peer = self.peers.all()[index].peer;
        self.turn(board);
        board.close(peer.into());
        self.turn(board);
        let Some(flow) = self.peers.get_mut(index) else { return };
        let mut segment = Tcp::of(flow, FIN | ACK, &[]);
        segment.ack = flow.una;
        flow.seq = flow.seq.wrapping_add(segment.len());
        self.put(segment.frame());
    }

    /// Acknowledges for a while all that the board sends on any connection.
    fn acknowledge(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        for _ in 0..=input.below(8) {
            self.wait_for(board, Duration::from_millis(10));
            for index in 0..self.peers.all().len() {
                let Some(flow) = self.peers.get_mut(index) else { continue };
                if flow.una != flow.ack {
                    flow.una = flow.ack;
                    let ack = Tcp::of(flow, ACK, &[]);
                    self.put(ack.frame());
                }
            }
            self.turn(board);
        }
    }

    /// Lets time pass: until the board's deadline, or for up to 100 s.
    fn wait(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        const MICROS: [u64; 13] = [
            1,
            100,
            1000,
            9999,
            10_000,
            100_000,
            200_000,
            1_000_000,
            2_000_000,
            8_000_000,
            15_000_000,
            20_000_000,
            100_000_000,
        ];
        let wait = match MICROS.get(input.below(2 * MICROS.len())) {
            Some(&micros) => Duration::from_micros(micros),
            None => self.deadline.map_or(Duration::ZERO, |at| at - self.now),
        };
        self.wait_for(board, wait.min(Duration::from_secs(100)));
    }

    /// Lets time pass. The board is polled at its deadlines only.
    pub(crate) fn wait_for(&mut self, board: &mut impl Board, wait: Duration) {
        let end = self.now + wait;
        self.turn(board);
        for _ in 0..POLLS {
            let Some(deadline) = self.deadline.filter(|&deadline| deadline <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(deadline);
            self.turn(board);
        }
        panic!("{POLLS} polls in {wait}\n{}", netstat(board));
    }

    /// Lets time pass in which nobody polls the board.
    fn stop_polling(&mut self, board: &mut impl Board, input: &mut Input<'_>) {
        let millis = input.pick(&[1, 1000, 30_000, 120_000, 700_000, 2_400_000]);
        self.now += Duration::from_millis(millis);
        self.turn(board);
    }

    /// Polls the board until it has no more to do at this moment.
    pub(crate) fn turn(&mut self, board: &mut impl Board) {
        for _ in 0..TURNS {
            self.note_state(board);
            let deadline = board.poll(self.now, &mut self.nic);
            assert!(
                deadline.is_none_or(|deadline| deadline >= self.now),
                "polled at {}, the board asks for {deadline:?}\n{}",
                self.now,
                netstat(board)
            );
            self.deadline = deadline;
            self.receive();
            if self.nic.to_board.is_empty() && deadline != Some(self.now) {
                self.peers.look(board.sockets());
                let mut rows = (0..).map_while(|index| board.sockets().row(index));
                // A listener has a port. A connection's socket in LISTEN would take anybody's next SYN.
                let listens = rows.any(|row| row.state == "LISTEN" && row.local_port == 0);
                assert!(!listens, "a connection's socket is in LISTEN\n{}", netstat(board));
                return;
            }
        }
        panic!("the board never has enough\n{}", netstat(board));
    }

    /// Notes in which state the socket is that the next frame is for.
    fn note_state(&mut self, board: &impl Board) {
        let ends = self.nic.to_board.front().and_then(|frame| tcp::ends(frame));
        if let Some((peer, own)) = ends {
            let unsent = self.peers.unheard(own, peer);
            self.states.note(board.sockets(), own.into(), peer.into(), unsent);
        }
    }

    /// Takes what the board has sent, and answers what hosts answer by themselves.
    fn receive(&mut self) {
        for mut frame in std::mem::take(&mut self.nic.from_board) {
            if self.nic.makes_checksums() {
                fix_checksums(&mut frame);
            }
            if let Some(segment) = Segment::parse(&frame) {
                self.receive_segment(&segment);
            } else if let Some(address) = asked_for(&frame) {
                if self.resolves {
                    self.put(neighbor_answer(address));
                } else {
                    self.unresolved.push(address);
                }
            }
        }
    }

    fn receive_segment(&mut self, segment: &Segment) {
        let index = self.peers.receive(segment);
        if segment.control != TcpControl::Syn || segment.ack.is_some() {
            return;
        }
        let flags = match self.answer {
            Answer::Nothing => return,
            Answer::Accept => SYN | ACK,
            Answer::Refuse => RST | ACK,
        };
        if let Some(flow) = self.peers.get_mut(index) {
            let answer = Tcp::of(flow, flags, &[]);
            (flow.una, flow.seq) = (flow.ack, flow.seq.wrapping_add(answer.len()));
            self.put(answer.frame());
        }
    }

    /// Puts a frame on the wire. It arrives with the next poll.
    fn put(&mut self, mut frame: Vec<u8>) {
        frame.truncate(if self.nic.segments() { SUPERFRAME_SIZE } else { FRAME_SIZE });
        self.last_frame.clone_from(&frame);
        self.nic.to_board.push_back(frame);
    }

    /// From now on no peer says anything, and the NIC has room. Whether hosts tell their MAC addresses stays as it is.
    pub(crate) fn fall_silent(&mut self) {
        (self.answer, self.nic.room) = (Answer::Nothing, None);
    }
}

/// The board's sockets and counters, for the message of a failure.
pub(crate) fn netstat(board: &impl Board) -> String {
    use std::fmt::Write;
    let sockets = board.sockets();
    let mut out = String::new();
    for row in (0..).map_while(|index| sockets.row(index)) {
        let _ = writeln!(out, "{row}");
    }
    for (name, value) in (0..).map_while(|index| sockets.counter(index)) {
        if value != 0 {
            let _ = writeln!(out, "{name} {value}");
        }
    }
    out
}
