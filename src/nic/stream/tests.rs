//! The wire to a guest that connects, with a kernel's socket as the guest.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tapboard_firmware::config::FRAME_SIZE;

use super::super::frame_socket::FRAME_LEN_MIN;
use super::super::framing::{LEN_MAX, PREFIX};
use super::*;
use crate::ports::{free_port, local};

const NOW: Instant = Instant::ZERO;

/// The wire, what it is registered with, and where it is.
fn wire() -> (FrameStream, mio::Poll, u16) {
    let poll = mio::Poll::new().unwrap();
    let port = free_port();
    let listener = Listener::tcp(local(port)).unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let wire = FrameStream::new(listener, "stream:1".into(), registry, Token(1)).unwrap();
    (wire, poll, port)
}

fn guest(port: u16) -> TcpStream {
    let guest = TcpStream::connect(local(port)).unwrap();
    guest.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    guest.set_nodelay(true).unwrap();
    guest
}

fn prefixed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes(), frame].concat()
}

/// Waits, as a driver does, until there is a frame, or until `over` says that none will come.
fn wait(
    wire: &mut FrameStream,
    poll: &mut mio::Poll,
    over: impl Fn(&FrameStream) -> bool,
) -> Option<Vec<u8>> {
    let mut events = mio::Events::with_capacity(8);
    for _ in 0..1000 {
        if let Some(frame) = wire.receive(NOW) {
            return Some(frame.to_vec());
        }
        if over(wire) {
            return None;
        }
        if !wire.unread() {
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "nothing comes: {wire:?}");
            wire.ready();
        }
    }
    panic!("it is asked for ever: {wire:?}");
}

#[test]
fn frames_of_every_size_pass_both_ways_however_the_stream_is_cut() {
    let (mut wire, mut poll, port) = wire();
    wire.send(&[0; 60]);
    assert_eq!(wire.counters().dropped_out_absent, 1);
    let mut guest = guest(port);
    let sizes = [FRAME_LEN_MIN, 60, FRAME_SIZE, 15];
    let sent: Vec<u8> = sizes.iter().flat_map(|&len| prefixed(&vec![len as u8; len])).collect();
    let (first, rest) = sent.split_at(100);
    // Byte by byte, and the rest at once.
    for byte in first {
        guest.write_all(&[*byte]).unwrap();
    }
    guest.write_all(rest).unwrap();
    for len in sizes {
        assert_eq!(wait(&mut wire, &mut poll, |_| false), Some(vec![len as u8; len]));
    }
    assert_eq!(wire.guest(), guest.local_addr().ok().map(|address| address.to_string()));
    for len in sizes {
        wire.send(&vec![1; len]);
        let mut back = vec![0; 4 + len];
        guest.read_exact(&mut back).unwrap();
        assert!(back == prefixed(&vec![1; len]), "{len}");
    }
    let c = wire.counters();
    assert_eq!((c.frames_in, c.frames_out, c.bytes_in), (4, 4, 14 + 60 + 1514 + 15));
}

#[test]
fn what_is_no_frame_is_passed_over_and_what_is_no_length_ends_it() {
    let (mut wire, mut poll, port) = wire();
    let mut guest = guest(port);
    for len in [0, 13, 1515, LEN_MAX] {
        guest.write_all(&prefixed(&vec![1; len])).unwrap();
    }
    guest.write_all(&prefixed(&[2; 60])).unwrap();
    assert_eq!(wait(&mut wire, &mut poll, |_| false), Some(vec![2; 60]));
    assert_eq!(wire.counters().dropped_in_size, 4);
    // As a client of HTTP would begin.
    guest.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(wait(&mut wire, &mut poll, |wire| wire.guest().is_none()), None);
    assert_eq!((wire.counters().errors_in, wire.changes()), (1, 2));
    // Reset, for there is more than was read; or ended.
    assert!(matches!(guest.read(&mut [0; 9]), Ok(0) | Err(_)));
}

#[test]
fn a_second_guest_is_turned_away_until_the_first_has_gone() {
    let (mut wire, mut poll, port) = wire();
    let mut first = guest(port);
    first.write_all(&prefixed(&[1; 60])).unwrap();
    assert_eq!(wait(&mut wire, &mut poll, |_| false), Some(vec![1; 60]));
    let mut second = guest(port);
    assert_eq!(wait(&mut wire, &mut poll, |wire| wire.counters().dropped_in_stranger > 0), None);
    assert_eq!(second.read(&mut [0; 9]).unwrap(), 0);
    // Whole frames that it sent before it went count; half a one does not.
    first.write_all(&[&prefixed(&[2; 60])[..], &[0, 0, 0, 60, 3]].concat()).unwrap();
    drop(first);
    assert_eq!(wait(&mut wire, &mut poll, |_| false), Some(vec![2; 60]));
    assert_eq!(wait(&mut wire, &mut poll, |wire| wire.guest().is_none()), None);
    let mut third = guest(port);
    third.write_all(&prefixed(&[4; 60])).unwrap();
    assert_eq!(wait(&mut wire, &mut poll, |_| false), Some(vec![4; 60]));
    assert_eq!(wire.changes(), 3);
}

#[test]
fn many_strangers_are_turned_away_a_part_at_a_time() {
    let (mut wire, mut poll, port) = wire();
    let _first = guest(port);
    assert_eq!(wait(&mut wire, &mut poll, |wire| wire.guest().is_some()), None);
    let others: Vec<_> = (0..=STRANGERS).map(|_| guest(port)).collect();
    let turned_away = |wire: &FrameStream| wire.counters().dropped_in_stranger;
    wire.ready();
    assert_eq!(wire.receive(NOW), None);
    assert_eq!((turned_away(&wire), wire.unread()), (STRANGERS as u64, true));
    assert_eq!(wire.receive(NOW), None);
    assert_eq!((turned_away(&wire), wire.unread()), (others.len() as u64, false));
}

#[test]
fn who_does_not_read_loses_whole_frames_and_gets_the_others_later() {
    let (mut wire, mut poll, port) = wire();
    let mut guest = guest(port);
    assert_eq!(wait(&mut wire, &mut poll, |wire| wire.guest().is_some()), None);
    let frame = [5; FRAME_SIZE];
    // The kernel's buffers, and ours.
    while wire.counters().dropped_out_no_room == 0 {
        wire.send(&frame);
    }
    let sent = wire.counters().frames_out as usize;
    let reader = std::thread::spawn(move || {
        let mut back = vec![0; sent * (PREFIX + FRAME_SIZE)];
        guest.read_exact(&mut back).unwrap();
        back
    });
    let mut events = mio::Events::with_capacity(8);
    while !reader.is_finished() {
        poll.poll(&mut events, Some(Duration::from_millis(10))).unwrap();
        wire.ready();
    }
    let back = reader.join().unwrap();
    assert!(back.chunks(PREFIX + FRAME_SIZE).all(|chunk| chunk == prefixed(&frame)));
}
