//! What a dark cable does to a connection that goes on: nothing, but for the time. In virtual time; nobody is told that the
//! cable is back.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::path::{Path, Poll};
use common::traffic::{self, ECHO, Memory};
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use tapboard::link::{Link, Setting};
use tapboard::nic::wire::{End, Side};
use tapboard_firmware::config::SUPERFRAME_DATA;
use tapboard_firmware::{BOARD_NET, BoardSockets, NetStack, PEER_NET, TcpSocket};

const BYTES: u32 = 200_000;
/// One way.
const DELAY: Duration = Duration::from_millis(20);
/// The timeout at first, on a path like this one: the trip, and what its variation counts for at least.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How far the client is.
#[derive(Debug, Default)]
struct State {
    sent: u32,
    shut: bool,
    received: u32,
    /// When all had come, and the end.
    whole: Option<Instant>,
}

impl State {
    fn turn(&mut self, stack: &mut NetStack<'_>, socket: &mut TcpSocket, now: Instant) {
        match stack.tcp_connected(socket) {
            Ok(()) => {}
            Err(nb::Error::WouldBlock) => return,
            Err(error) => panic!("it does not connect: {error:?}"),
        }
        while self.sent < BYTES {
            let end = BYTES.min(self.sent + 1000);
            let data: Vec<u8> = (self.sent..end).map(byte).collect();
            match stack.tcp_send(socket, &data) {
                Ok(count) => self.sent += count as u32,
                Err(nb::Error::WouldBlock) => break,
                Err(error) => panic!("after {} bytes sent: {error:?}", self.sent),
            }
        }
        if self.sent == BYTES && !self.shut {
            stack.shutdown(socket).expect("it is connected");
            self.shut = true;
        }
        let mut data = [0; 1000];
        while self.whole.is_none() {
            match stack.tcp_receive(socket, &mut data) {
                Ok(0) => {
                    assert_eq!(self.received, BYTES, "the end comes early");
                    self.whole = Some(now);
                }
                Ok(count) => {
                    assert!(
                        (self.received..).zip(&data[..count]).all(|(at, &got)| got == byte(at))
                    );
                    self.received += count as u32;
                }
                Err(nb::Error::WouldBlock) => break,
                Err(error) => panic!("after {} bytes received: {error:?}", self.received),
            }
        }
    }
}

fn byte(at: u32) -> u8 {
    (at ^ (at >> 8)) as u8
}

/// An echo through a cable that is dark from then on, for so long. When it was whole, and how long after the dark the first
/// new byte, or the end, came.
fn echo<const SIZE: usize>(from: Instant, dark: Duration) -> (Instant, Duration) {
    let mut link = Link::new(1);
    link.set(None, Setting::Delay(DELAY));
    let (mut memory, mut sockets) = (Memory::<SIZE>::new(), BoardSockets::new());
    let (mut peer_memory, mut peer_sockets) = (Memory::<SIZE>::new(), BoardSockets::new());
    let state = Rc::new(RefCell::new(State::default()));
    let mut path = Path::new(link);
    path.join(Side::Board, BOARD_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
        traffic::board(&mut memory, &mut sockets, 1, end)
    });
    path.join(Side::Peer, PEER_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
        let buffers = peer_memory.buffers();
        let mut stack = NetStack::new(&PEER_NET, end, Instant::ZERO, 2, buffers, &mut peer_sockets);
        let remote = (BOARD_NET.ipv4_address(), ECHO).into();
        let mut socket = stack.tcp_connect(remote).expect("a slot is free");
        let state = state.clone();
        Box::new(move |now, end| {
            let next = stack.poll_with(now, end, |stack, now| {
                state.borrow_mut().turn(stack, &mut socket, now);
                None
            });
            // Nothing else wakes who puts the cable back.
            let switch = [from, from + dark].into_iter().find(|&at| at > now);
            next.into_iter().chain(switch).min()
        })
    });
    let back = from + dark;
    let (mut before, mut after) = (0, None);
    let whole = path.run(Instant::from_secs(1000), |now, link| {
        let state = state.borrow();
        link.set(None, Setting::Partition(now >= from && now < back));
        if now < back {
            before = state.received;
        } else if after.is_none() && (state.received > before || state.whole.is_some()) {
            after = Some(now - back);
        }
        state.whole.is_some()
    });
    let whole = whole.unwrap_or_else(|outcome| panic!("{outcome:?} with {:?}", state.borrow()));
    (whole, after.unwrap_or_default())
}

/// The wait after a timeout is twice as long as the one before it, and so at most as long as all before it together, but for
/// the first; none is longer than a minute (RFC 6298 2.5, 5.5).
fn all_goes_on<const SIZE: usize>() {
    let never = Instant::from_secs(1000);
    let (whole, _) = echo::<SIZE>(never, Duration::ZERO);
    let middle = Instant::from_micros(whole.total_micros() / 2);
    // The end, what is last, its acknowledgement, what has made room for it: each is under way in one of these.
    let ends = [3, 5, 7, 9, 11].map(|halves| whole - DELAY * halves / 2);
    for from in [middle].into_iter().chain(ends) {
        for seconds in [1, 5, 15, 30, 60, 90] {
            let dark = Duration::from_secs(seconds);
            let (late, waited) = echo::<SIZE>(from, dark);
            let most = (dark + TIMEOUT * 2).min(Duration::from_secs(61)) + DELAY * 2;
            assert!(waited <= most, "{dark} dark from {from} on: {waited}");
            assert!(late > from + dark, "it was over before: {late}");
        }
    }
}

#[test]
fn after_a_blackout_all_goes_on_within_one_backoff_interval() {
    all_goes_on::<2048>();
    all_goes_on::<SUPERFRAME_DATA>();
}
