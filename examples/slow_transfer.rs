//! A transfer that is slower than it should be, as a capture to be looked at: a host sends 200 kB to the board's
//! discard service over a cable with a narrow place, a short queue before it, and a little loss. In virtual time, so
//! that it is the same each time.
//!
//! ```console
//! $ cargo run --example slow_transfer -- slow.pcapng
//! $ tapboard ladder slow.pcapng --graph stevens --svg slow.svg
//! ```

use std::path::Path;

use embedded_nal::TcpClientStack;
use smoltcp::time::{Duration, Instant};
use tapboard::link::{Link, Setting};
use tapboard::testbed::{Testbed, TestbedMemory, at};
use tapboard_firmware::service::Service;
use tapboard_firmware::service::discard::{self, Discard};

/// The cable, as `tapboard` takes it: `--rate 4M` and so on.
const CABLE: [(&str, &str); 4] =
    [("rate", "4M"), ("queue", "24k"), ("delay", "25ms"), ("loss", "2%")];
const BYTES: usize = 200_000;

/// Sends it all, and returns when the board has acknowledged the last byte.
fn transfer(seed: u64, path: &Path) -> Instant {
    let mut cable = Link::new(seed);
    for (name, value) in CABLE {
        cable.set(None, Setting::parse(name, value).expect("a fault"));
    }
    let mut discard = Discard::new();
    let mut memory = TestbedMemory::large();
    let mut net = Testbed::new(&mut memory, cable, |now, board| discard.poll(now, board, &mut ()));
    net.capture(path).unwrap_or_else(|error| panic!("{error}"));
    let mut socket = net.host.socket().expect("a handle");
    net.until(|host| host.connect(&mut socket, at(discard::PORT))).expect("a connection");
    net.send_all(&mut socket, &vec![b'x'; BYTES]).expect("room");
    net.host.shutdown(&socket).expect("an open connection");
    // The board closes when it has read all, with a FIN of its own.
    net.until(|host| host.receive(&mut socket, &mut [0])).expect("the end");
    let done = net.now();
    net.host.close(socket).expect("an open handle");
    net.pass(Duration::from_secs(10));
    done
}

fn main() {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "slow.pcapng".into());
    let done = transfer(7, Path::new(&path));
    println!("{BYTES} bytes arrived after {done} of virtual time; see {}", path.display());
}
