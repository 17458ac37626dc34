//! A board alone on its wire, in virtual time; the test plays the other end frame by frame.
//!
//! [`Solo`] polls the board when a frame arrives and at its deadlines, answers its ARP and neighbour
//! solicitations, and keeps every segment it sends. [`Client`] is a TCP end reduced to its sequence
//! numbers: it says only what the test makes it say.

use embedded_nal::nb;
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, TcpControl, TcpSeqNumber};
use tapboard::clock::VirtualClock;
use tapboard::nic::wire::{End, InFlight, Received, Side, Transmit, Wire};
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::netstat::Introspect;
use tapboard_firmware::{BOARD_NET, BoardSockets, McuStorage, NetConfig, NetStack, TcpSocket};

use super::frames::{
    Datagram, Segment, asked_for, endpoint, fix_checksums, neighbor_answer, sender,
};

/// TCP slots of the board.
pub(crate) const SLOTS: usize = TCP_SLOTS;

/// Those that one listening port can take, while the client side has its reserve.
pub(crate) const ONE_PORT: u16 = SLOTS as u16 - 1;

/// The memory of a [`Solo`], to be made first and to outlive it.
pub(crate) struct SoloMemory<'a>(Box<McuStorage>, BoardSockets<'a>);

impl SoloMemory<'_> {
    pub(crate) fn new() -> Self {
        Self(Box::default(), BoardSockets::new())
    }
}

/// An application, as [`NetStack::poll_with`] runs it.
pub(crate) type App<'f, 'a> = dyn FnMut(&mut NetStack<'a>, Instant) -> Option<Instant> + 'f;

/// The board, and what it said.
pub(crate) struct Solo<'a> {
    pub(crate) board: NetStack<'a>,
    pub(crate) clock: VirtualClock,
    wire: Wire,
    /// Segments sent by the board since the test last looked, with their time.
    pub(crate) heard: Vec<(Instant, Segment)>,
    /// Datagrams likewise.
    pub(crate) datagrams: Vec<Datagram>,
    /// Frames that are neither, likewise.
    pub(crate) others: Vec<(Instant, Vec<u8>)>,
    /// How often the board asked for a neighbour.
    pub(crate) asked: usize,
    /// Whether to answer that.
    pub(crate) answers: fn(IpAddress) -> bool,
    /// How many frames the NIC takes in one poll.
    pub(crate) room: usize,
    pub(crate) polls: u64,
    /// Every frame of the board's as it was on the wire, with its time, if somebody wants them.
    pub(crate) frames: Option<Vec<(Instant, Vec<u8>)>>,
    deadline: Option<Instant>,
}

impl<'a> Solo<'a> {
    pub(crate) fn new(memory: &'a mut SoloMemory<'a>, seed: u64) -> Self {
        Self::with(&BOARD_NET, memory, seed)
    }

    pub(crate) fn with(config: &NetConfig, memory: &'a mut SoloMemory<'a>, seed: u64) -> Self {
        let SoloMemory(storage, sockets) = memory;
        Self::on(|end| NetStack::new(config, end, Instant::ZERO, seed, &mut **storage, sockets))
    }

    /// Of the stack that is made for this end of the wire.
    pub(crate) fn on(board: impl FnOnce(&mut End<'_>) -> NetStack<'a>) -> Self {
        let mut wire = Wire::default();
        let board = board(&mut wire.end(Side::Board));
        Self {
            board,
            clock: VirtualClock::new(),
            wire,
            heard: Vec::new(),
            datagrams: Vec::new(),
            others: Vec::new(),
            asked: 0,
            answers: |_| true,
            room: usize::MAX,
            polls: 0,
            frames: None,
            deadline: Some(Instant::ZERO),
        }
    }

    /// Polls the board until it has no more to do at this moment.
    pub(crate) fn turn(&mut self) {
        self.turn_with(&mut |_, _| None);
    }

    /// Likewise, with an application in the superloop.
    pub(crate) fn turn_with(&mut self, app: &mut App<'_, 'a>) {
        let now = self.clock.now();
        for _ in 0..1000 {
            self.polls += 1;
            let mut end = Nic { end: self.wire.end(Side::Board), room: self.room };
            self.deadline = self.board.poll_with(now, &mut end, &mut *app);
            assert!(self.deadline.is_none_or(|deadline| deadline >= now));
            self.listen();
            let waiting = self.wire.next_arrival(Side::Board).is_some();
            if !waiting && self.deadline != Some(now) {
                return;
            }
        }
        panic!("the board never has enough\n{}", self.netstat());
    }

    fn listen(&mut self) {
        let now = self.clock.now();
        let frames: Vec<_> = self.wire.in_flight(Side::Peer).drain(..).collect();
        for InFlight { frame, .. } in frames {
            if let Some(frames) = &mut self.frames {
                frames.push((now, frame.clone()));
            }
            if let Some(segment) = Segment::parse(&frame) {
                self.heard.push((now, segment));
            } else if let Some(datagram) = Datagram::parse(&frame) {
                self.datagrams.push(datagram);
            } else {
                if let Some(address) = asked_for(&frame) {
                    self.asked += 1;
                    if (self.answers)(address) {
                        self.put(neighbor_answer(address));
                    }
                }
                self.others.push((now, frame));
            }
        }
    }

    /// When the board wants to be polled next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Lays a frame on the wire; it arrives with the next turn.
    pub(crate) fn put(&mut self, frame: Vec<u8>) {
        let at = self.clock.now();
        self.wire.in_flight(Side::Board).push_back(InFlight { at, frame });
    }

    /// Delivers a frame and lets the board react. As a real host, the sender has first exchanged MAC
    /// addresses with the board, unless it never answers.
    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        let sender = sender(&frame).filter(|&sender| (self.answers)(sender));
        if let Some(sender) = sender {
            self.put(neighbor_answer(sender));
        }
        self.put(frame);
        self.turn();
    }

    /// Lets time pass; the board is polled at its deadlines only.
    pub(crate) fn pass_with(&mut self, duration: Duration, app: &mut App<'_, 'a>) {
        let end = self.clock.now() + duration;
        while let Some(deadline) = self.deadline.filter(|&deadline| deadline <= end) {
            self.clock.advance_to(deadline);
            self.turn_with(app);
        }
        self.clock.advance_to(end);
    }

    /// Lets time pass without an application.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.pass_with(duration, &mut |_, _| None);
    }

    /// What the board said since the last call.
    pub(crate) fn said(&mut self) -> Vec<Segment> {
        self.heard.drain(..).map(|(_, segment)| segment).collect()
    }

    /// The one segment the board said since the last call.
    pub(crate) fn said_one(&mut self) -> Segment {
        let mut said = self.said();
        assert_eq!(said.len(), 1, "{said:#?}\n{}", self.netstat());
        said.remove(0)
    }

    /// Nothing may be held any more, and nothing may have gone wrong silently.
    #[track_caller]
    pub(crate) fn assert_clean(&mut self) {
        assert_eq!(self.board.free_slots(), SLOTS, "{}", self.netstat());
        assert_eq!(self.board.counters().stalls, 0, "{}", self.netstat());
        assert!(self.board.row(0).is_none(), "{}", self.netstat());
    }

    /// Resets a connection and closes its listener; nothing may be held any more.
    #[track_caller]
    pub(crate) fn end(&mut self, socket: TcpSocket, listener: TcpSocket) {
        self.board.abort(socket);
        super::tcp::close(&mut self.board, listener);
        self.turn();
        self.assert_clean();
    }

    pub(crate) fn netstat(&self) -> String {
        super::netstat("board", &self.board)
    }
}

/// The board's NIC, which may be unable to transmit of its own accord, as with its ring full. An answer
/// has the received frame's place.
struct Nic<'w> {
    end: End<'w>,
    room: usize,
}

impl Device for Nic<'_> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Transmit<'t>
    where
        Self: 't;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        self.end.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        self.room = self.room.checked_sub(1)?;
        self.end.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.end.capabilities()
    }
}

/// A TCP end that says only what it is told to.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) own: IpEndpoint,
    pub(crate) board: IpEndpoint,
    /// The next sequence number to send.
    pub(crate) seq: TcpSeqNumber,
    /// The next one expected.
    pub(crate) ack: TcpSeqNumber,
    pub(crate) window: u16,
    /// What its SYN says of the windows that follow.
    pub(crate) scale: Option<u8>,
}

impl Client {
    /// A client at `own` that means to talk to the board's `port`.
    pub(crate) fn new(own: &str, port: u16) -> Self {
        let own = endpoint(own);
        let board = match own.addr {
            IpAddress::Ipv4(_) => BOARD_NET.ipv4_address().into(),
            IpAddress::Ipv6(_) => BOARD_NET.ipv6().expect("it has one").address().into(),
        };
        Self {
            own,
            board: IpEndpoint::new(board, port),
            seq: TcpSeqNumber(1000),
            ack: TcpSeqNumber(0),
            window: 8192,
            scale: None,
        }
    }

    /// A segment with the current numbers; the test may change it before it sends its frame.
    pub(crate) fn segment(&self, control: TcpControl, payload: &[u8]) -> Segment {
        Segment {
            from: self.own,
            to: self.board,
            control,
            seq: self.seq,
            ack: (control != TcpControl::Syn).then_some(self.ack),
            window: self.window,
            scale: self.scale.filter(|_| control == TcpControl::Syn),
            sacked: [None; 3],
            payload: payload.to_vec(),
        }
    }

    /// A connection request.
    pub(crate) fn syn(&self) -> Vec<u8> {
        self.segment(TcpControl::Syn, &[]).frame()
    }

    /// A connection request with these options.
    pub(crate) fn syn_with(&self, options: &[u8]) -> Vec<u8> {
        let mut frame = self.syn();
        // Its one option is the MSS.
        let tcp = frame.len() - 24;
        frame.truncate(tcp + 20);
        frame.extend(options);
        frame[tcp + 12] = (((20 + options.len()) / 4) << 4) as u8;
        let len = (20 + options.len()) as u16;
        if frame[12..14] == [8, 0] {
            frame[16..18].copy_from_slice(&(20 + len).to_be_bytes());
        } else {
            frame[18..20].copy_from_slice(&len.to_be_bytes());
        }
        fix_checksums(&mut frame);
        frame
    }

    /// A bare acknowledgement.
    pub(crate) fn ack(&self) -> Vec<u8> {
        self.segment(TcpControl::None, &[]).frame()
    }

    /// A reset.
    pub(crate) fn rst(&self) -> Vec<u8> {
        self.segment(TcpControl::Rst, &[]).frame()
    }

    /// Data.
    pub(crate) fn data(&mut self, payload: &[u8]) -> Vec<u8> {
        let frame = self.segment(TcpControl::Psh, payload).frame();
        self.seq += payload.len();
        frame
    }

    /// The end of its data.
    pub(crate) fn fin(&mut self) -> Vec<u8> {
        let frame = self.segment(TcpControl::Fin, &[]).frame();
        self.seq += 1;
        frame
    }

    /// Takes the board's SYN-ACK.
    pub(crate) fn took(&mut self, syn_ack: &Segment) {
        assert!(syn_ack.is_syn_ack(), "{syn_ack:?}");
        assert_eq!(syn_ack.ack, Some(self.seq + 1));
        self.seq += 1;
        self.ack = syn_ack.seq + 1;
    }

    /// Likewise, with the whole handshake behind it.
    pub(crate) fn opened(mut self, solo: &mut Solo<'_>) -> Self {
        self.open(solo);
        self
    }

    /// The whole handshake.
    pub(crate) fn open(&mut self, solo: &mut Solo<'_>) {
        solo.said();
        solo.send(self.syn());
        let syn_ack = solo.said_one();
        self.took(&syn_ack);
        solo.send(self.ack());
    }
}

/// A board with one accepted connection, its client, and the listener.
pub(crate) fn connected(solo: &mut Solo<'_>) -> (Client, TcpSocket, TcpSocket) {
    connected_from(solo, "192.0.2.2:1000")
}

/// An accepted connection of a peer at `own`, and its listener.
pub(crate) fn connected_from(solo: &mut Solo<'_>, own: &str) -> (Client, TcpSocket, TcpSocket) {
    let mut listener = super::tcp::listener(&mut solo.board, 7);
    let mut client = Client::new(own, 7);
    client.open(solo);
    let socket = super::tcp::accept(&mut solo.board, &mut listener).expect("established");
    solo.said();
    (client, socket, listener)
}

/// A socket of the board's own that connects to `peer`, and its SYN.
#[track_caller]
pub(crate) fn connecting(solo: &mut Solo<'_>, peer: &str) -> (TcpSocket, Segment) {
    let mut socket = super::tcp::socket(&mut solo.board);
    let waits = super::tcp::connect(&mut solo.board, &mut socket, peer);
    assert_eq!(waits, Err(nb::Error::WouldBlock));
    solo.turn();
    (socket, solo.said_one())
}

/// Whether the board said where `client`'s connection stands, and nothing else.
#[track_caller]
pub(crate) fn assert_challenged(solo: &mut Solo<'_>, client: &Client) {
    let said = solo.said_one();
    assert_eq!(said.control, TcpControl::None, "{said:?}");
    assert_eq!((said.seq, said.ack), (client.ack, Some(client.seq)), "{said:?}");
    assert!(said.payload.is_empty(), "{said:?}");
}
