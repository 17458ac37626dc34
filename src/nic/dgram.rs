//! Ethernet frames as UDP datagrams of 127.0.0.1: the wire to a board that runs in another process, its
//! guest, such as QEMU with `-netdev dgram`.
//!
//! **Contract.** Each datagram is one frame, without checksum, of 14 to 1514 bytes; any other is dropped. The
//! guest is who sends the first frame, and frames go to where its came from. Another takes its place once it has
//! been silent for [`HOLD`], as after a restart on another port; sooner, it would be a second guest on the same
//! wire, and its frames are dropped. While there is no guest, what is sent to it is lost, as on a cable that
//! leads nowhere. Nothing blocks. A driver registers the [`Dgram`] for reading, calls [`Dgram::ready`] on each
//! event, and before it sleeps asks [`Dgram::unread`].
//!
//! **Cost.** One system call and one copy a frame; two buffers of one frame. What waits is in the kernel's
//! receive buffers, the guest's and ours, which are bounded; it drops what exceeds them. What this end loses is
//! counted in [`DgramCounters`], with the reason.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::FRAME_SIZE;

use super::wire::ethernet_capabilities;

/// How long a guest must be silent before another takes its place.
pub const HOLD: Duration = Duration::from_secs(1);
/// An Ethernet header: the least that can be a frame, bytes.
const FRAME_LEN_MIN: usize = 14;
/// Datagrams that are no frames, dropped in a row before the driver looks at something else.
const DROPS: usize = 64;

/// Frames that passed, and those that were lost here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DgramCounters {
    /// From the guest.
    pub frames_in: u64,
    /// Bytes of these.
    pub bytes_in: u64,
    /// To the guest.
    pub frames_out: u64,
    /// Bytes of these.
    pub bytes_out: u64,
    /// Datagrams shorter than an Ethernet header or longer than a frame.
    pub dropped_in_size: u64,
    /// From another than the guest.
    pub dropped_in_stranger: u64,
    /// Reads that failed.
    pub errors_in: u64,
    /// Sent while there was no guest.
    pub dropped_out_absent: u64,
    /// Sent when the kernel had no room.
    pub dropped_out_no_room: u64,
    /// Sent, and refused by the kernel.
    pub dropped_out_error: u64,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    heard: Instant,
}

/// Everything but the buffers, which tokens borrow beside it.
#[derive(Debug)]
struct DgramSocket {
    socket: UdpSocket,
    guest: Option<Peer>,
    /// The kernel said there is something, and has not said yet that there is nothing more.
    readable: bool,
    counters: DgramCounters,
}

/// The NIC at our end of the wire.
#[derive(Debug)]
pub struct Dgram {
    port: DgramSocket,
    /// One byte longer than a frame, so that a longer datagram shows.
    inbox: Box<[u8; FRAME_SIZE + 1]>,
    outbox: Box<[u8; FRAME_SIZE]>,
}

impl Dgram {
    /// Takes that UDP port of 127.0.0.1.
    pub fn bind(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port).into())?;
        let counters = DgramCounters::default();
        Ok(Self {
            port: DgramSocket { socket, guest: None, readable: true, counters },
            inbox: Box::new([0; FRAME_SIZE + 1]),
            outbox: Box::new([0; FRAME_SIZE]),
        })
    }

    /// The address that the guest sends its frames to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.port.socket.local_addr()
    }

    /// Where the guest is, if one has been heard.
    #[must_use]
    pub fn guest(&self) -> Option<SocketAddr> {
        self.port.guest.map(|guest| guest.address)
    }

    /// Frames and losses so far.
    #[must_use]
    pub const fn counters(&self) -> DgramCounters {
        self.port.counters
    }

    /// Notes that the socket is readable.
    pub const fn ready(&mut self) {
        self.port.readable = true;
    }

    /// Whether there may be more to receive although no event will tell of it.
    #[must_use]
    pub const fn unread(&self) -> bool {
        self.port.readable
    }

    /// Lets `registry` tell of frames, under `token`.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.port.socket.register(registry, token, Interest::READABLE)
    }
}

impl DgramSocket {
    /// The length of the guest's next frame, which is in `buffer` then.
    fn receive(&mut self, buffer: &mut [u8], now: Instant) -> Option<usize> {
        for _ in 0..DROPS {
            if !self.readable {
                return None;
            }
            match self.socket.recv_from(buffer) {
                Ok((len, from)) if self.admits(len, from, now) => return Some(len),
                Ok(_) => {}
                Err(error) => self.failed(error.kind()),
            }
        }
        None
    }

    /// Notes that a read gave nothing, and whether another may.
    const fn failed(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::WouldBlock => self.readable = false,
            ErrorKind::Interrupted => {}
            // Where a frame of ours found no guest, some systems say so here. It tells nothing of what waits.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => {
                self.counters.errors_in += 1;
            }
            // The next datagram tells of itself; to ask sooner could be to ask for ever.
            _ => {
                self.counters.errors_in += 1;
                self.readable = false;
            }
        }
    }

    /// Whether a datagram is a frame of the guest's, who may have moved.
    fn admits(&mut self, len: usize, from: SocketAddr, now: Instant) -> bool {
        if !(FRAME_LEN_MIN..=FRAME_SIZE).contains(&len) {
            self.counters.dropped_in_size += 1;
            return false;
        }
        let taken =
            self.guest.is_some_and(|guest| guest.address != from && now < guest.heard + HOLD);
        if taken || !from.ip().is_loopback() {
            self.counters.dropped_in_stranger += 1;
            return false;
        }
        self.guest = Some(Peer { address: from, heard: now });
        self.counters.frames_in += 1;
        self.counters.bytes_in += len as u64;
        true
    }

    fn send(&mut self, frame: &[u8]) {
        let Some(guest) = self.guest else {
            self.counters.dropped_out_absent += 1;
            return;
        };
        let count = match self.socket.send_to(frame, guest.address) {
            Ok(_) => {
                self.counters.bytes_out += frame.len() as u64;
                &mut self.counters.frames_out
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                &mut self.counters.dropped_out_no_room
            }
            Err(_) => &mut self.counters.dropped_out_error,
        };
        *count += 1;
    }
}

impl Device for Dgram {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    /// The guest's next frame. The kernel gave it up: dropping the token drops the frame.
    fn receive(&mut self, now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let len = self.port.receive(&mut self.inbox[..], now)?;
        let tx = TxToken { port: &mut self.port, outbox: &mut self.outbox };
        Some((RxToken(&self.inbox[..len]), tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken { port: &mut self.port, outbox: &mut self.outbox })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        ethernet_capabilities()
    }
}

/// A frame of the guest.
#[derive(Debug)]
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for one frame to the guest.
#[derive(Debug)]
pub struct TxToken<'a> {
    port: &'a mut DgramSocket,
    outbox: &'a mut [u8; FRAME_SIZE],
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        assert!(len <= FRAME_SIZE, "a frame of {len} bytes does not fit this NIC");
        let frame = &mut self.outbox[..len];
        let result = f(frame);
        self.port.send(frame);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Kernel;

    use smoltcp::phy::{RxToken as _, TxToken as _};

    use super::*;
    use crate::ports::{free_port, local};

    const LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

    /// A NIC, and a guest on a port of its own that knows it.
    fn pair() -> (Dgram, Kernel) {
        let nic = Dgram::bind(0).unwrap();
        let guest = guest_of(&nic);
        (nic, guest)
    }

    fn guest_of(nic: &Dgram) -> Kernel {
        // A port that nobody else takes while the guest is away.
        let guest = Kernel::bind(local(free_port())).unwrap();
        guest.connect(nic.local_addr().unwrap()).unwrap();
        guest.set_read_timeout(Some(LIMIT)).unwrap();
        guest
    }

    /// What a driver does at an event: on 127.0.0.1, what was sent is there.
    fn receive(nic: &mut Dgram, now: Instant) -> Option<Vec<u8>> {
        nic.ready();
        let frame = nic.receive(now).map(|(rx, _)| rx.consume(<[u8]>::to_vec));
        assert!(frame.is_some() || !nic.unread(), "it would be asked for ever");
        frame
    }

    fn send(nic: &mut Dgram, frame: &[u8]) {
        let token = nic.transmit(Instant::ZERO).expect("it takes every frame");
        token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
    }

    fn arrived(guest: &Kernel) -> Vec<u8> {
        let mut buffer = [0; 2000];
        let count = guest.recv(&mut buffer).expect("a frame");
        buffer[..count].to_vec()
    }

    #[test]
    fn frames_of_every_size_pass_both_ways() {
        let (mut nic, guest) = pair();
        for len in [FRAME_LEN_MIN, 60, FRAME_SIZE] {
            guest.send(&vec![1; len]).unwrap();
            assert_eq!(receive(&mut nic, Instant::ZERO), Some(vec![1; len]));
            send(&mut nic, &vec![2; len]);
            assert_eq!(arrived(&guest), vec![2; len]);
        }
        assert_eq!(nic.guest(), guest.local_addr().ok());
        assert_eq!(receive(&mut nic, Instant::ZERO), None);
        let bytes = (FRAME_LEN_MIN + 60 + FRAME_SIZE) as u64;
        let passed = DgramCounters {
            frames_in: 3,
            bytes_in: bytes,
            frames_out: 3,
            bytes_out: bytes,
            ..DgramCounters::default()
        };
        assert_eq!(nic.counters(), passed);
    }

    #[test]
    fn what_is_no_frame_is_dropped_and_makes_nobody_the_guest() {
        let (mut nic, guest) = pair();
        for len in [0, FRAME_LEN_MIN - 1, FRAME_SIZE + 1, 9000] {
            guest.send(&vec![1; len]).unwrap();
        }
        assert_eq!(receive(&mut nic, Instant::ZERO), None);
        assert_eq!((nic.counters().dropped_in_size, nic.guest()), (4, None));
        guest.send(&[1; 60]).unwrap();
        assert_eq!(receive(&mut nic, Instant::ZERO), Some(vec![1; 60]));
    }

    #[test]
    fn a_flood_of_what_is_no_frame_does_not_hold_the_driver() {
        let (mut nic, guest) = pair();
        for _ in 0..=DROPS {
            guest.send(&[]).unwrap();
        }
        assert!(nic.receive(Instant::ZERO).is_none());
        let dropped = nic.counters().dropped_in_size;
        assert!(nic.unread() && dropped == DROPS as u64, "{dropped} at once");
        assert_eq!(receive(&mut nic, Instant::ZERO), None);
    }

    #[test]
    fn a_guest_that_restarts_on_another_port_is_followed() {
        let (mut nic, first) = pair();
        first.send(&[1; 60]).unwrap();
        assert!(receive(&mut nic, Instant::ZERO).is_some());
        drop(first);
        let second = guest_of(&nic);
        second.send(&[2; 60]).unwrap();
        assert_eq!(receive(&mut nic, Instant::ZERO + HOLD), Some(vec![2; 60]));
        send(&mut nic, &[3; 60]);
        assert_eq!(arrived(&second), [3; 60]);
    }

    #[test]
    fn a_second_guest_at_once_is_kept_out() {
        let (mut nic, first) = pair();
        let second = guest_of(&nic);
        first.send(&[1; 60]).unwrap();
        second.send(&[2; 60]).unwrap();
        assert_eq!(receive(&mut nic, Instant::ZERO), Some(vec![1; 60]));
        assert_eq!(receive(&mut nic, Instant::ZERO), None);
        assert_eq!((nic.counters().dropped_in_stranger, nic.guest()), (1, first.local_addr().ok()));
    }

    #[test]
    fn a_refusal_hides_no_frame_and_no_error_is_asked_for_in_a_loop() {
        let (mut nic, _guest) = pair();
        for (kind, readable, errors) in [
            (ErrorKind::ConnectionRefused, true, 1),
            (ErrorKind::ConnectionReset, true, 2),
            (ErrorKind::Interrupted, true, 2),
            (ErrorKind::OutOfMemory, false, 3),
            (ErrorKind::WouldBlock, false, 3),
        ] {
            nic.ready();
            nic.port.failed(kind);
            assert_eq!((nic.unread(), nic.counters().errors_in), (readable, errors), "{kind}");
        }
    }

    #[test]
    fn without_a_guest_frames_are_lost_and_it_may_come_late_or_go() {
        let (mut nic, guest) = pair();
        send(&mut nic, &[0; 60]);
        assert_eq!(nic.counters().dropped_out_absent, 1);
        guest.send(&[1; 60]).unwrap();
        assert!(receive(&mut nic, Instant::ZERO).is_some());
        let address = guest.local_addr().unwrap();
        drop(guest);
        send(&mut nic, &[2; 60]);
        assert_eq!(receive(&mut nic, Instant::ZERO), None);
        let again = Kernel::bind(address).unwrap();
        again.set_read_timeout(Some(LIMIT)).unwrap();
        send(&mut nic, &[3; 60]);
        assert_eq!(arrived(&again), [3; 60]);
    }
}
