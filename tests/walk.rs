//! The walk through a connection's life, as `tapboard loopback` prints it.

use std::io::{self, Write};

#[test]
fn every_step_happens_and_every_kind_of_segment_is_shown() {
    let mut out = Vec::new();
    tapboard::walk::run(&mut out).expect("every step holds");
    let text = String::from_utf8(out).unwrap();
    // In this order, each after the one before.
    let mut rest = text.as_str();
    for part in [
        "socket",
        "bind 7",
        "listen",
        "LISTEN",
        "connect 192.0.2.1:7",
        "ARP 192.0.2.1 is mine",
        "SYN seq=0 -->",
        "<-- SYN ACK seq=0 ack=1",
        "ACK seq=1 ack=1 -->",
        "accept",
        "a new socket",
        "LISTEN",
        "it carries no data",
        "send \"hello\"",
        "5 bytes -->",
        "receive",
        "send \"HELLO\"",
        "<-- PSH ACK",
        "receive",
        "close",
        "FIN ACK",
        "CLOSE-WAIT",
        "close",
        "<-- FIN ACK",
        "TIME-WAIT",
        "connect 192.0.2.1:4242",
        "<-- RST ACK",
        "refused",
        "UDP",
        "send \"ping\"",
        "UDP 4 bytes -->",
        "send_to \"pong\"",
        "<-- UDP 4 bytes",
        "receive",
        "steps happened.",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in what follows:\n{rest}"));
        rest = &rest[at + part.len()..];
    }
    // Numbered without a gap, and counted right.
    let steps = (1..100).take_while(|step| text.contains(&format!("[{step}]"))).count();
    assert!(text.contains(&format!("All {steps} steps happened.")), "{steps}: {text}");
    assert!(steps >= 30);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_and_a_full_disk_is_one() {
    struct Closed(io::ErrorKind);
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(tapboard::walk::run(Closed(io::ErrorKind::BrokenPipe)), Ok(()));
    let error = tapboard::walk::run(Closed(io::ErrorKind::StorageFull)).unwrap_err();
    assert!(error.contains("cannot print"), "{error}");
}
