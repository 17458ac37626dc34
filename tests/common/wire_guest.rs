//! A host of the test's own on the wire of `tapboard user --guest`: smoltcp behind a UDP socket.

use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{AnySocket, icmp, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use tapboard::clock::RealClock;

use super::process::PATIENCE;

/// Longest wait for a frame.
const NAP: Duration = Duration::from_millis(10);

pub(crate) const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

/// What is done to each frame before it leaves.
type Change = Box<dyn FnMut(&mut Vec<u8>)>;

/// The guest's end of the wire.
pub(crate) struct WireEnd {
    socket: UdpSocket,
    to: SocketAddr,
    /// All frames that have come.
    heard: Rc<RefCell<Vec<Vec<u8>>>>,
    change: Rc<RefCell<Change>>,
}

/// A frame that has come.
pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for &WireEnd {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        (self.change.borrow_mut())(&mut frame);
        // It may be lost, as on any cable.
        let _ = self.socket.send_to(&frame, self.to);
        result
    }
}

impl Device for WireEnd {
    type RxToken<'a> = Received;
    type TxToken<'a> = &'a Self;

    fn receive(&mut self, _now: Instant) -> Option<(Received, &Self)> {
        let mut frame = [0; 2000];
        let count = self.socket.recv(&mut frame).ok()?;
        let frame = frame[..count].to_vec();
        self.heard.borrow_mut().push(frame.clone());
        Some((Received(frame), self))
    }

    fn transmit(&mut self, _now: Instant) -> Option<&Self> {
        Some(self)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// The host.
pub(crate) struct WireGuest {
    end: WireEnd,
    interface: Interface,
    sockets: SocketSet<'static>,
    clock: RealClock,
    pub(crate) heard: Rc<RefCell<Vec<Vec<u8>>>>,
    pub(crate) change: Rc<RefCell<Change>>,
}

impl WireGuest {
    /// One with these addresses, whose frames go to that UDP port.
    pub(crate) fn new(to: SocketAddr, addresses: &[&str]) -> Self {
        let socket = UdpSocket::bind((to.ip(), 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("not zero");
        let heard = Rc::new(RefCell::new(Vec::new()));
        let change: Rc<RefCell<Change>> = Rc::new(RefCell::new(Box::new(|_| ())));
        let mut end = WireEnd { socket, to, heard: Rc::clone(&heard), change: Rc::clone(&change) };
        let clock = RealClock::new();
        let config = Config::new(HardwareAddress::Ethernet(MAC));
        let mut interface = Interface::new(config, &mut end, clock.now());
        interface.update_ip_addrs(|own| {
            for address in addresses {
                let cidr: IpCidr = address.parse().expect("an address and a prefix");
                own.push(cidr).expect("few addresses");
            }
        });
        let sockets = SocketSet::new(Vec::new());
        Self { end, interface, sockets, clock, heard, change }
    }

    pub(crate) fn add<T: AnySocket<'static>>(&mut self, socket: T) -> SocketHandle {
        self.sockets.add(socket)
    }

    pub(crate) fn get<T: AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut T {
        self.sockets.get_mut(handle)
    }

    /// Sends a frame as it is.
    pub(crate) fn send_frame(&self, frame: &[u8]) {
        self.end.socket.send_to(frame, self.end.to).expect("it is sent");
    }

    /// Runs until `done`, or panics with `what` was not.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = self.clock.now() + PATIENCE.into();
        while !done(self) {
            let now = self.clock.now();
            assert!(now < deadline, "{what}: not within {PATIENCE:?}");
            self.end.socket.set_read_timeout(Some(NAP)).expect("not zero");
            self.interface.poll(now, &mut self.end, &mut self.sockets);
        }
    }

    /// Connects a TCP socket, from port 4000.
    pub(crate) fn connect(&mut self, to: (IpAddress, u16)) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let handle = self.add(tcp::Socket::new(buffer(), buffer()));
        self.start(handle, to);
        self.until("connected", |guest| guest.get::<tcp::Socket<'_>>(handle).may_send());
        handle
    }

    /// Has a TCP socket begin to connect.
    pub(crate) fn start(&mut self, handle: SocketHandle, to: (IpAddress, u16)) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), to, 4000).expect("it is new");
    }

    /// A UDP socket on a port of its own.
    pub(crate) fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8 * 1472]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).expect("it is new");
        self.add(socket)
    }

    /// Sends a datagram from it.
    pub(crate) fn send(&mut self, socket: SocketHandle, to: (IpAddress, u16), data: &[u8]) {
        self.get::<udp::Socket<'_>>(socket).send_slice(data, to).expect("there is room");
    }

    /// What comes next.
    pub(crate) fn receive(&mut self, socket: SocketHandle) -> Vec<u8> {
        let mut data = Vec::new();
        self.until("a datagram has come", |guest| {
            let received = guest.get::<udp::Socket<'_>>(socket).recv();
            received.map(|(bytes, _)| data = bytes.to_vec()).is_ok()
        });
        data
    }

    /// Whether an echo request to `to` is answered.
    pub(crate) fn ping(&mut self, to: IpAddress, ident: u16) {
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 256]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(ident)).expect("it is new");
        let kind = if matches!(to, IpAddress::Ipv4(_)) { 8 } else { 128 };
        let [high, low] = ident.to_be_bytes();
        let request = [kind, 0, 0, 0, high, low, 0, 1, b'h', b'e', b'r', b'e'];
        let handle = self.add(socket);
        self.get::<icmp::Socket<'_>>(handle).send_slice(&request, to).expect("there is room");
        let mut answer = Vec::new();
        self.until("an echo has come", |guest| {
            let received = guest.get::<icmp::Socket<'_>>(handle).recv();
            received.map(|(bytes, from)| answer = [bytes, &[u8::from(from == to)]].concat()).is_ok()
        });
        assert!(answer.ends_with(b"here\x01"), "{answer:?}");
    }
}
