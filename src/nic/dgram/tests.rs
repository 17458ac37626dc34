//! The wire to a guest, with a kernel's socket as the guest.

use std::net::UdpSocket as Kernel;

use super::*;
use crate::ports::{free_port, local};

const LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

/// A NIC, and a guest on a port of its own that knows it.
fn pair() -> (Dgram, Kernel) {
    let nic = Dgram::bind(0).unwrap();
    let guest = guest_of(&nic);
    (nic, guest)
}

fn udp(at: GuestAt) -> std::net::SocketAddr {
    match at {
        GuestAt::Udp(address) => address,
        #[cfg(unix)]
        GuestAt::Unix(path) => panic!("{}", path.display()),
    }
}

fn guest_of(nic: &Dgram) -> Kernel {
    // A port that nobody else takes while the guest is away.
    let guest = Kernel::bind(local(free_port())).unwrap();
    guest.connect(udp(nic.local_addr().unwrap())).unwrap();
    guest.set_read_timeout(Some(LIMIT)).unwrap();
    guest
}

/// What a driver does at an event: on 127.0.0.1, what was sent is there.
fn receive(nic: &mut Dgram, now: Instant) -> Option<Vec<u8>> {
    nic.ready();
    let frame = FrameSocket::receive(nic, now).map(<[u8]>::to_vec);
    assert!(frame.is_some() || !nic.unread(), "it would be asked for ever");
    frame
}

fn send(nic: &mut Dgram, frame: &[u8]) {
    FrameSocket::send(nic, frame);
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
    assert_eq!(nic.guest(), Some(&GuestAt::Udp(guest.local_addr().unwrap())));
    assert_eq!(receive(&mut nic, Instant::ZERO), None);
    let bytes = (FRAME_LEN_MIN + 60 + FRAME_SIZE) as u64;
    let passed = FrameCounters {
        frames_in: 3,
        bytes_in: bytes,
        frames_out: 3,
        bytes_out: bytes,
        ..FrameCounters::default()
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
    assert!(FrameSocket::receive(&mut nic, Instant::ZERO).is_none());
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
    let address = GuestAt::Udp(first.local_addr().unwrap());
    assert_eq!((nic.counters().dropped_in_stranger, nic.guest()), (1, Some(&address)));
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

/// A guest on a UNIX socket, as QEMU's `local.type=unix` is; one without a name cannot be answered.
#[cfg(unix)]
#[test]
fn a_unix_socket_carries_frames_and_its_name_goes_with_it() {
    use std::os::unix::net::UnixDatagram;

    let scratch = crate::scratch::Scratch::new();
    let (path, own) = (scratch.path("wire"), scratch.path("guest"));
    // One that a run has left which was killed, and a file that is somebody's.
    std::mem::forget(UnixDatagram::bind(&path).unwrap());
    assert!(Dgram::bind_unix(path.as_ref()).is_err(), "somebody is on it");
    let file = scratch.file("file", "mine");
    assert!(Dgram::bind_unix(file.as_ref()).is_err());
    std::fs::remove_file(&path).unwrap();
    drop(UnixDatagram::bind(&path).unwrap());
    let mut nic = Dgram::bind_unix(path.as_ref()).expect("what is left behind is replaced");
    let nameless = UnixDatagram::unbound().unwrap();
    nameless.send_to(&[1; 60], &path).unwrap();
    assert_eq!(receive(&mut nic, Instant::ZERO), None);
    assert_eq!((nic.counters().dropped_in_stranger, nic.guest()), (1, None));
    let guest = UnixDatagram::bind(&own).unwrap();
    guest.send_to(&[2; 60], &path).unwrap();
    assert_eq!(receive(&mut nic, Instant::ZERO), Some(vec![2; 60]));
    assert_eq!(nic.guest().map(ToString::to_string), Some(own));
    send(&mut nic, &[3; 1514]);
    let mut buffer = [0; 2000];
    assert_eq!(guest.recv(&mut buffer).unwrap(), 1514);
    assert_eq!(FrameSocket::changes(&nic), 1);
    drop(nic);
    assert!(!Path::new(&path).exists());
}
