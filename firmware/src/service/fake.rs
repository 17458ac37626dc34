//! A stack for tests, whose every call can be made to block, to fail, or to move one byte at a
//! time.
//!
//! The test holds the other end of each connection as a [`Peer`]. Handles are counted: whatever a
//! service does, [`Fake::open`] must be 0 after its `shutdown`.

mod introspect;

use core::net::{IpAddr, SocketAddr};
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::vec::Vec;

use embedded_nal::{
    TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, UdpClientStack, UdpFullStack, nb,
};
use tapboard_net::LookupError;
use tapboard_net::netstat::TimeOfDay;
use tapboard_net::rng::Rng;

use crate::buffer_access::BufferAccess;
use crate::resolve::Resolve;

/// The one error there is, with the number of the call that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure(usize);

impl TcpError for Failure {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

/// A handle, which can only be given back or lost.
#[derive(Debug)]
pub(super) struct Handle(usize);

/// What a call is made to do instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Block,
    Fail,
}

/// What becomes of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    Refuse,
    Hang,
    Accept,
}

/// One connection, as both its ends see it.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Bytes for the service.
    pub(super) input: VecDeque<u8>,
    /// Whether a FIN follows them.
    pub(super) fin: bool,
    /// Whether the connection was reset.
    pub(super) reset: bool,
    /// Bytes from the service.
    pub(super) output: Vec<u8>,
    /// How many more bytes `send` takes.
    pub(super) room: usize,
    /// How many bytes one call moves at most.
    pub(super) chunk: usize,
    /// Whether the service closed its handle, and how many bytes it had left unread then.
    pub(super) closed: Option<usize>,
    /// Whether the peer acknowledges what it gets, the FIN included.
    pub(super) acknowledged: bool,
    pub(super) remote: SocketAddr,
}

/// The test's end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer(Rc<RefCell<Pipe>>);

impl Peer {
    fn new(remote: SocketAddr) -> Self {
        Self(Rc::new(RefCell::new(Pipe {
            input: VecDeque::new(),
            fin: false,
            reset: false,
            output: Vec::new(),
            room: usize::MAX,
            chunk: usize::MAX,
            closed: None,
            acknowledged: true,
            remote,
        })))
    }

    pub(super) fn pipe(&self) -> RefMut<'_, Pipe> {
        self.0.borrow_mut()
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        self.pipe().input.extend(bytes);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pipe().closed.is_some()
    }

    /// What the service has sent so far.
    pub(super) fn text(&self) -> std::string::String {
        std::string::String::from_utf8_lossy(&self.pipe().output).into_owned()
    }
}

#[derive(Debug)]
enum Socket {
    Fresh,
    Bound(u16),
    Listening(u16),
    Dialling(Peer),
    Connected(u16, Peer),
    Udp(Option<u16>),
}

/// A datagram, and who sent or gets it.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// The stack.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a test's to set")]
pub(super) struct Fake {
    sockets: BTreeMap<usize, Socket>,
    created: usize,
    /// Calls so far.
    pub(super) calls: usize,
    /// What the call of this number does.
    pub(super) fault: Option<(usize, Fault)>,
    /// Every other call that may block does, at random.
    pub(super) stutter: Option<Rng>,
    pub(super) time: TimeOfDay,
    /// What names become, and which were looked up.
    pub(super) address: nb::Result<IpAddr, LookupError>,
    pub(super) looked_up: Vec<std::string::String>,
    /// Whether `listen` and the UDP `bind` fail.
    pub(super) deaf: bool,
    /// Whether clients wait for slots.
    pub(super) awaited: bool,
    /// Whether `send_to` blocks.
    pub(super) full: bool,
    /// Whether `send` says 0 where it should say that it would block.
    pub(super) sends_nothing: bool,
    pub(super) dial: Dial,
    /// The peers of our connects.
    pub(super) dialled: Vec<Peer>,
    /// Connections not yet accepted, by port.
    backlogs: BTreeMap<u16, VecDeque<Peer>>,
    /// Closed connections, which the stack still has to end, with their ports.
    orphans: Vec<(u16, Peer)>,
    /// Datagrams not yet received, by port.
    pub(super) arrived: BTreeMap<u16, VecDeque<Datagram>>,
    /// Datagrams sent.
    pub(super) sent: Vec<Datagram>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            sockets: BTreeMap::new(),
            created: 0,
            calls: 0,
            fault: None,
            stutter: None,
            time: TimeOfDay::NotAsked,
            address: Err(nb::Error::WouldBlock),
            looked_up: Vec::new(),
            deaf: false,
            awaited: false,
            full: false,
            sends_nothing: false,
            dial: Dial::Accept,
            dialled: Vec::new(),
            backlogs: BTreeMap::new(),
            orphans: Vec::new(),
            arrived: BTreeMap::new(),
            sent: Vec::new(),
        }
    }

    /// Handles that were given out and not given back.
    pub(super) fn open(&self) -> usize {
        self.sockets.len()
    }

    /// A client's connection to `port`, established and waiting to be accepted.
    pub(super) fn client(&mut self, port: u16) -> Peer {
        self.client_at([192, 0, 2, 2], port)
    }

    /// One from another address.
    pub(super) fn client_at(&mut self, address: [u8; 4], port: u16) -> Peer {
        self.created += 1;
        let remote = SocketAddr::from((address, 50_000 + self.created as u16));
        let peer = Peer::new(remote);
        self.backlogs.entry(port).or_default().push_back(peer.clone());
        peer
    }

    /// A datagram from `remote` to `port`.
    pub(super) fn datagram(&mut self, port: u16, remote: &str, bytes: &[u8]) {
        let datagram = (remote.parse().unwrap(), bytes.to_vec());
        self.arrived.entry(port).or_default().push_back(datagram);
    }

    fn create(&mut self, socket: Socket) -> Result<Handle, Failure> {
        self.call(false).map_err(|_| Failure(self.calls))?;
        Ok(self.insert(socket))
    }

    fn insert(&mut self, socket: Socket) -> Handle {
        self.created += 1;
        self.sockets.insert(self.created, socket);
        Handle(self.created)
    }

    /// Counts a call and has it fail or block if that is its lot.
    fn call(&mut self, may_block: bool) -> nb::Result<(), Failure> {
        self.calls += 1;
        let fault = self.fault.filter(|&(call, _)| call == self.calls);
        let stuttered = self.stutter.as_mut().is_some_and(|rng| rng.below(2) == 0);
        match fault {
            Some((call, Fault::Fail)) => Err(nb::Error::Other(Failure(call))),
            Some((_, Fault::Block)) if may_block => Err(nb::Error::WouldBlock),
            _ if may_block && stuttered => Err(nb::Error::WouldBlock),
            _ => Ok(()),
        }
    }

    /// As [`Fake::call`], for a call on a connection: failing is its end.
    fn transfer(&mut self, handle: &Handle) -> nb::Result<Peer, Failure> {
        let outcome = self.call(true);
        let Some(Socket::Connected(_, peer)) = self.sockets.get(&handle.0) else {
            panic!("{handle:?} is not connected");
        };
        if matches!(outcome, Err(nb::Error::Other(_))) {
            peer.pipe().reset = true;
        }
        if peer.pipe().reset {
            return Err(nb::Error::Other(Failure(self.calls)));
        }
        outcome.map(|()| peer.clone())
    }
}

impl TcpClientStack for Fake {
    type TcpSocket = Handle;
    type Error = Failure;

    fn socket(&mut self) -> Result<Handle, Failure> {
        self.create(Socket::Fresh)
    }

    fn connect(&mut self, handle: &mut Handle, remote: SocketAddr) -> nb::Result<(), Failure> {
        self.call(true)?;
        let socket = self.sockets.get_mut(&handle.0).unwrap();
        if matches!(socket, Socket::Fresh) {
            *socket = Socket::Dialling(Peer::new(remote));
        }
        let Socket::Dialling(peer) = socket else {
            panic!("connect of {socket:?}");
        };
        match self.dial {
            Dial::Refuse => Err(nb::Error::Other(Failure(self.calls))),
            Dial::Hang => Err(nb::Error::WouldBlock),
            Dial::Accept => {
                self.dialled.push(peer.clone());
                *socket = Socket::Connected(49_152, peer.clone());
                Ok(())
            }
        }
    }

    fn send(&mut self, handle: &mut Handle, buffer: &[u8]) -> nb::Result<usize, Failure> {
        assert!(!buffer.is_empty(), "a send of nothing");
        let peer = self.transfer(handle)?;
        let mut pipe = peer.pipe();
        let length = buffer.len().min(pipe.room).min(pipe.chunk);
        if length == 0 && !self.sends_nothing {
            return Err(nb::Error::WouldBlock);
        }
        if pipe.room != usize::MAX {
            pipe.room -= length;
        }
        pipe.output.extend(&buffer[..length]);
        Ok(length)
    }

    fn receive(&mut self, handle: &mut Handle, buffer: &mut [u8]) -> nb::Result<usize, Failure> {
        assert!(!buffer.is_empty(), "a receive into nothing looks like a FIN");
        let peer = self.transfer(handle)?;
        let mut pipe = peer.pipe();
        if pipe.input.is_empty() && !pipe.fin {
            return Err(nb::Error::WouldBlock);
        }
        let length = buffer.len().min(pipe.input.len()).min(pipe.chunk);
        for (place, byte) in buffer.iter_mut().zip(pipe.input.drain(..length)) {
            *place = byte;
        }
        Ok(length)
    }

    fn close(&mut self, handle: Handle) -> Result<(), Failure> {
        let socket = self.sockets.remove(&handle.0).expect("an open handle");
        if let Socket::Connected(port, peer) = socket {
            let unread = peer.pipe().input.len();
            peer.pipe().closed = Some(unread);
            self.orphans.push((port, peer));
        }
        self.call(false).map_err(|_| Failure(self.calls))
    }
}

impl BufferAccess for Fake {}

impl TcpFullStack for Fake {
    fn bind(&mut self, handle: &mut Handle, local_port: u16) -> Result<(), Failure> {
        self.call(false).map_err(|_| Failure(self.calls))?;
        let before = self.sockets.insert(handle.0, Socket::Bound(local_port));
        assert!(matches!(before, Some(Socket::Fresh)));
        Ok(())
    }

    fn listen(&mut self, handle: &mut Handle) -> Result<(), Failure> {
        self.call(false).map_err(|_| Failure(self.calls))?;
        let socket = self.sockets.get_mut(&handle.0).unwrap();
        let &mut Socket::Bound(port) = socket else {
            panic!("listen on {socket:?}");
        };
        if self.deaf {
            return Err(Failure(self.calls));
        }
        *socket = Socket::Listening(port);
        Ok(())
    }

    fn accept(&mut self, handle: &mut Handle) -> nb::Result<(Handle, SocketAddr), Failure> {
        self.call(true)?;
        let Some(&Socket::Listening(port)) = self.sockets.get(&handle.0) else {
            panic!("accept on {handle:?}");
        };
        let waiting = self.backlogs.entry(port).or_default().pop_front();
        let peer = waiting.ok_or(nb::Error::WouldBlock)?;
        let remote = peer.pipe().remote;
        Ok((self.insert(Socket::Connected(port, peer)), remote))
    }
}

impl UdpClientStack for Fake {
    type UdpSocket = Handle;
    type Error = Failure;

    fn socket(&mut self) -> Result<Handle, Failure> {
        self.create(Socket::Udp(None))
    }

    fn connect(&mut self, _handle: &mut Handle, _remote: SocketAddr) -> Result<(), Failure> {
        unreachable!("no service connects a UDP socket")
    }

    fn send(&mut self, _handle: &mut Handle, _buffer: &[u8]) -> nb::Result<(), Failure> {
        unreachable!("no service connects a UDP socket")
    }

    fn receive(
        &mut self,
        handle: &mut Handle,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Failure> {
        self.call(true)?;
        let Some(&Socket::Udp(Some(port))) = self.sockets.get(&handle.0) else {
            panic!("receive on {handle:?}");
        };
        let waiting = self.arrived.entry(port).or_default().pop_front();
        let (remote, bytes) = waiting.ok_or(nb::Error::WouldBlock)?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok((length, remote))
    }

    fn close(&mut self, handle: Handle) -> Result<(), Failure> {
        self.sockets.remove(&handle.0).expect("an open handle");
        self.call(false).map_err(|_| Failure(self.calls))
    }
}

impl UdpFullStack for Fake {
    fn bind(&mut self, handle: &mut Handle, local_port: u16) -> Result<(), Failure> {
        self.call(false).map_err(|_| Failure(self.calls))?;
        if self.deaf {
            return Err(Failure(self.calls));
        }
        self.sockets.insert(handle.0, Socket::Udp(Some(local_port)));
        Ok(())
    }

    fn send_to(
        &mut self,
        _handle: &mut Handle,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Failure> {
        self.call(true)?;
        if self.full {
            return Err(nb::Error::WouldBlock);
        }
        self.sent.push((remote, buffer.to_vec()));
        Ok(())
    }
}

impl Resolve for Fake {
    fn address_of(&mut self, name: &[u8]) -> nb::Result<IpAddr, LookupError> {
        self.looked_up.push(std::string::String::from_utf8_lossy(name).into());
        self.address
    }
}
