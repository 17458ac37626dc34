//! A board in another process at the board's end of the cable: its frames come and go through a socket.
//!
//! [`Guest`] passes frames between the guest's wire and the cable, at most `BURST` each way a turn; what is
//! more waits where it was. It knows nothing of what runs in the guest: that has a reset line, sockets and
//! counters of its own.

mod address;

use std::io;

use mio::Registry;
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant;

pub use self::address::GuestAddress;
use crate::local_socket::Listener;
use crate::nic::Stat;
use crate::nic::dgram::Dgram;
use crate::nic::frame_socket::FrameSocket;
use crate::nic::stream::FrameStream;
use crate::output::{counted, say};
use crate::run::{ENDPOINT, Endpoint};
use crate::snapshot::{BoardKind, BoardSnapshot, Traffic};

/// Frames each way a turn: as many of full size as a receive buffer of the kernel has room for, or so.
const BURST: usize = 64;

/// The guest, as the driver sees it.
#[derive(Debug)]
pub struct Guest {
    nic: Box<dyn FrameSocket>,
}

impl Guest {
    /// Waits for a guest there.
    pub fn open(at: &GuestAddress, registry: &Registry) -> Result<Self, String> {
        let nic = open(at, registry).map_err(|error| {
            let (where_, other) = (at.described(), at.other());
            format!(
                "cannot listen on {where_} for the guest: {error}\nchoose another, for both, with: --guest {other}"
            )
        })?;
        Ok(Self { nic })
    }

    /// Takes the guest's frames to the cable. Says whether it may have more.
    fn take<D: Device>(&mut self, now: Instant, cable: &mut D) -> bool {
        for _ in 0..BURST {
            // First of all room for it: the next frame can wait, one that was received cannot. Who makes room
            // has its turn before ours comes again.
            let Some(tx) = cable.transmit(now) else { break };
            let Some(frame) = self.nic.receive(now) else { break };
            tx.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
        }
        self.nic.unread()
    }

    /// Gives the guest what arrived on the cable. Says whether there may be more.
    fn give<D: Device>(&mut self, now: Instant, cable: &mut D) -> bool {
        for _ in 0..BURST {
            let Some((rx, _)) = cable.receive(now) else { return false };
            rx.consume(|frame| self.nic.send(frame));
        }
        true
    }
}

fn open(at: &GuestAddress, registry: &Registry) -> io::Result<Box<dyn FrameSocket>> {
    let listener = match at {
        GuestAddress::Udp(port) => return datagrams(Dgram::bind(*port)?, registry),
        #[cfg(unix)]
        GuestAddress::Unix(path) => return datagrams(Dgram::bind_unix(path)?, registry),
        #[cfg(not(unix))]
        GuestAddress::Unix(_) => {
            return Err(io::Error::other("there are no UNIX sockets on this system"));
        }
        GuestAddress::Tcp(port) => Listener::tcp(GuestAddress::tcp(*port))?,
        GuestAddress::UnixStream(path) => Listener::unix(path)?,
    };
    let stream = FrameStream::new(listener, at.to_string(), registry.try_clone()?, ENDPOINT)?;
    Ok(Box::new(stream))
}

fn datagrams(mut nic: Dgram, registry: &Registry) -> io::Result<Box<dyn FrameSocket>> {
    nic.register(registry, ENDPOINT)?;
    Ok(Box::new(nic))
}

impl Endpoint for Guest {
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        let before = self.nic.changes();
        let more = self.take(now, device) | self.give(now, device);
        if self.nic.changes() != before {
            match self.nic.guest() {
                Some(guest) => say!("guest: it is at {guest}"),
                None => say!("guest: it is gone"),
            }
        }
        if more { Some(now) } else { self.nic.retry_at() }
    }

    fn ready(&mut self) {
        self.nic.ready();
    }

    fn reset(&mut self) {
        say!("the board is a guest: `reset` in its own shell does it, or start it again");
    }

    /// What comes from the guest is in here and out there.
    fn snapshot(&self) -> BoardSnapshot {
        let c = self.nic.counters();
        BoardSnapshot {
            kind: BoardKind::Guest,
            traffic: Traffic {
                frames_in: c.frames_out,
                bytes_in: c.bytes_out,
                frames_out: c.frames_in,
                bytes_out: c.bytes_in,
            },
            counters: vec![
                Stat::count("frames_in", "Frames from the guest.", c.frames_in),
                Stat::count("bytes_in", "Bytes of the frames from the guest.", c.bytes_in),
                Stat::count("frames_out", "Frames to the guest.", c.frames_out),
                Stat::count("bytes_out", "Bytes of the frames to the guest.", c.bytes_out),
                Stat::count(
                    "dropped_in_size",
                    "What came and was shorter than an Ethernet header or longer than a frame.",
                    c.dropped_in_size,
                ),
                Stat::count(
                    "dropped_in_stranger",
                    "Datagrams, or connections, from another than the guest.",
                    c.dropped_in_stranger,
                ),
                Stat::count("errors_in", "Reads that failed.", c.errors_in),
                Stat::count(
                    "dropped_out_absent",
                    "Frames sent while there was no guest.",
                    c.dropped_out_absent,
                ),
                Stat::count(
                    "dropped_out_no_room",
                    "Frames sent when there was no room for more to wait.",
                    c.dropped_out_no_room,
                ),
                Stat::count(
                    "dropped_out_error",
                    "Frames sent, and refused by the kernel.",
                    c.dropped_out_error,
                ),
            ],
            sockets: Vec::new(),
            led: None,
            notes: vec![
                "these are of its wire; `stats` in its own shell shows the board's".to_owned(),
            ],
        }
    }

    fn summary(&self) -> String {
        let c = self.nic.counters();
        let lost = c.dropped_in_size
            + c.dropped_in_stranger
            + c.dropped_out_absent
            + c.dropped_out_no_room
            + c.dropped_out_error;
        let (from, to) = (counted(c.frames_in, "frame"), c.frames_out);
        format!("guest: {from} from it, {to} to it, {lost} lost at its wire")
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::nic::frame_socket::FrameCounters;
    use crate::nic::wire::{InFlight, QUEUE, Side, Wire};

    /// More than a turn takes.
    const MANY: usize = BURST + 4;

    fn pair() -> (Guest, UdpSocket, mio::Poll) {
        let poll = mio::Poll::new().unwrap();
        let nic = Dgram::bind(0).unwrap();
        let board = UdpSocket::bind("127.0.0.1:0").unwrap();
        board.connect(nic.local_addr().unwrap().to_string()).unwrap();
        let guest = Guest { nic: datagrams(nic, poll.registry()).unwrap() };
        board.set_nonblocking(true).unwrap();
        (guest, board, poll)
    }

    #[test]
    fn what_the_guest_sends_comes_a_burst_at_a_time() {
        let ((mut guest, board, _poll), mut wire) = (pair(), Wire::default());
        for _ in 0..MANY {
            board.send(&[1; 60]).unwrap();
        }
        let now = Instant::ZERO;
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), Some(now), "there is more");
        assert_eq!(wire.in_flight(Side::Peer).drain(..).count(), BURST);
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), None);
        assert_eq!(wire.in_flight(Side::Peer).drain(..).count(), MANY - BURST);
    }

    /// A wire whose client the system has no room for.
    #[derive(Debug)]
    struct Later(Instant);

    impl FrameSocket for Later {
        fn receive(&mut self, _now: Instant) -> Option<&[u8]> {
            None
        }

        fn send(&mut self, _frame: &[u8]) {}

        fn ready(&mut self) {}

        fn unread(&self) -> bool {
            false
        }

        fn retry_at(&self) -> Option<Instant> {
            Some(self.0)
        }

        fn guest(&self) -> Option<String> {
            None
        }

        fn changes(&self) -> u64 {
            0
        }

        fn counters(&self) -> FrameCounters {
            FrameCounters::default()
        }
    }

    #[test]
    fn a_wire_that_no_event_will_tell_of_is_asked_again() {
        let (mut wire, later) = (Wire::default(), Instant::from_millis(100));
        let mut guest = Guest { nic: Box::new(Later(later)) };
        assert_eq!(guest.poll(Instant::ZERO, &mut wire.end(Side::Board)), Some(later));
    }

    #[test]
    fn what_the_guest_sends_waits_for_room() {
        let ((mut guest, board, _poll), mut wire) = (pair(), Wire::default());
        let now = Instant::ZERO;
        for _ in 0..QUEUE - 1 {
            wire.in_flight(Side::Peer).push_back(InFlight { at: now, frame: vec![0; 60] });
        }
        for _ in 0..3 {
            board.send(&[1; 60]).unwrap();
        }
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), Some(now), "there is more");
        assert_eq!(wire.in_flight(Side::Peer).drain(..).count(), QUEUE);
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), None);
        assert_eq!(wire.in_flight(Side::Peer).drain(..).count(), 2);
    }

    #[test]
    fn what_the_cable_brings_goes_to_the_guest_a_burst_at_a_time() {
        let ((mut guest, board, _poll), mut wire) = (pair(), Wire::default());
        let now = Instant::ZERO;
        board.send(&[1; 60]).unwrap();
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), None);
        for _ in 0..MANY {
            wire.in_flight(Side::Board).push_back(InFlight { at: now, frame: vec![2; 60] });
        }
        let arrived = || std::iter::from_fn(|| board.recv(&mut [0; 60]).ok()).count();
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), Some(now), "there is more");
        assert_eq!(arrived(), BURST);
        assert_eq!(guest.poll(now, &mut wire.end(Side::Board)), None);
        assert_eq!(arrived(), MANY - BURST);
    }
}
