//! A bad cable in a `#[test]`, in virtual time: a transfer that has to survive it, for a hundred seeds. Run
//! as a program, it writes one such transfer to a capture.
//!
//! ```console
//! $ cargo test --example bad_cable
//! $ cargo run --example bad_cable -- lossy.pcapng
//! $ tapboard ladder lossy.pcapng
//! ```

use std::path::Path;

use embedded_nal::TcpClientStack;
use smoltcp::time::{Duration, Instant};
use tapboard::link::{Link, Setting};
use tapboard::testbed::{Testbed, TestbedMemory, at};
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::service::Service;
use tapboard_firmware::service::echo::{self, Echo};

/// What is wrong with the cable, as `tapboard` takes it: `--loss 10%` and so on.
const FAULTS: [(&str, &str); 2] = [("loss", "10%"), ("delay", "20ms")];

/// Sends `data` through the board's echo, a part at a time, and returns when all of it was back, unchanged.
fn transfer(seed: u64, data: &[u8], capture: Option<&Path>) -> Instant {
    let mut cable = Link::new(seed);
    for (name, value) in FAULTS {
        cable.set(None, Setting::parse(name, value).expect("a fault"));
    }
    // The code under test: here the firmware's echo service. Any function that uses the stack will do.
    let mut echo = Echo::new();
    let mut memory = TestbedMemory::default();
    let mut net = Testbed::new(&mut memory, cable, |now, board| echo.poll(now, board, &mut ()));
    if let Some(path) = capture {
        net.capture(path).unwrap_or_else(|error| panic!("{error}"));
    }

    let mut socket = net.host.socket().expect("a handle");
    net.until(|host| host.connect(&mut socket, at(echo::PORT))).expect("a connection");
    let mut buffer = [0; 1024];
    for part in data.chunks(500) {
        net.send_all(&mut socket, part).expect("room");
        let mut back = Vec::new();
        while back.len() < part.len() {
            let count =
                net.until(|host| host.receive(&mut socket, &mut buffer)).expect("an answer");
            back.extend_from_slice(&buffer[..count]);
        }
        assert!(back == part, "seed {seed}: changed on the way\n{}", net.netstat());
    }
    let done = net.now();
    net.host.close(socket).expect("an open handle");
    net.pass(Duration::from_secs(30));
    assert_eq!(net.board.free_slots(), TCP_SLOTS, "seed {seed}: a slot is lost\n{}", net.netstat());
    done
}

fn main() {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "lossy.pcapng".into());
    let done = transfer(28, &[b'x'; 1500], Some(Path::new(&path)));
    println!("1500 bytes came back whole after {done} of virtual time; see {}", path.display());
}

#[cfg(test)]
mod tests {
    use super::transfer;

    #[test]
    fn every_byte_comes_back_whatever_the_cable_loses() {
        let data: Vec<u8> = (0..5000_u32).map(|at| (at * 7 / 5) as u8).collect();
        for seed in 0..100 {
            transfer(seed, &data, None);
        }
    }

    #[test]
    fn a_seed_is_the_same_story_again() {
        let when = |seed| transfer(seed, &[b'x'; 1500], None);
        assert_eq!(when(3), when(3));
        assert!((0..20).any(|seed| when(seed) != when(3)), "the seed decides nothing");
    }
}
