//! Rows in real time: the kernel beyond a bad link, and the board on a TAP with the kernel's client.
//!
//! The kernel's congestion control and its largest window are set on the routes at both ends. A run is from the client's
//! connection until all has come, or, of what it sends, until the server has closed after it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tapboard::clock::RealClock;
use tapboard_host::bench::plan::Test;

use super::row::{Direction, Row};
use super::simulated::LIMIT;
use crate::namespace::run as command;
use crate::peer::{PREFIX, host_address, peer_address, tapboard_tap};
use crate::process::Process;
use crate::role;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Far {
    /// `tapboard tap`, and this congestion control at the client.
    Tap(&'static str),
    /// The kernel, with this congestion control at both ends.
    Kernel(&'static str),
}

impl Far {
    /// Runs in a subnet of its own; how long it takes, in seconds, `None` if longer than [`LIMIT`].
    pub(super) fn run(self, row: &Row, subnet: u8, seed: u32) -> Result<Option<f64>, String> {
        let _peer = self.start(row, subnet, &seed.to_string())?;
        seconds(row, subnet)
    }

    /// Starts it, with all that it needs, behind the link of that row.
    fn start(self, row: &Row, subnet: u8, seed: &str) -> Result<Vec<Process>, String> {
        let (tap, far) = (format!("lossy{subnet}"), format!("lossy{subnet}far"));
        let net = subnet.to_string();
        match self {
            Self::Tap(control) => {
                let ip = format!("{}/{PREFIX}", peer_address(subnet));
                // A network of its own too, or each board would warn of the others.
                let ip6 = format!("2001:db8:{}::1/64", subnet + 1);
                let mut options = vec!["--seed".to_owned(), seed.to_owned()];
                options.extend(["--ip6".to_owned(), ip6]);
                for (name, value) in row.settings() {
                    options.extend([format!("--{name}"), value]);
                }
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let mut process = tapboard_tap(&tap, &ip, row.buffer, &options)?;
                process.wait_for(role::UP)?;
                limit(&tap, subnet, host_address(subnet).address(), control)?;
                Ok(vec![process])
            }
            Self::Kernel(control) => {
                let mut kernel = Process::start_apart(role::KERNEL, &[&far, &net, control])?;
                kernel.wait_for(role::UP_APART)?;
                let faults = row.settings().map(|(name, value)| format!("{name}={value}"));
                let [delay, fault] = &faults;
                let mut bridge =
                    Process::start(role::BRIDGE, &[&tap, &far, &net, seed, delay, fault])?;
                bridge.wait_for(role::UP)?;
                limit(&tap, subnet, host_address(subnet).address(), control)?;
                command("ip", &format!("link set {far} netns {}", kernel.id()))?;
                kernel.release();
                kernel.wait_for(role::UP)?;
                Ok(vec![kernel, bridge])
            }
        }
    }
}

/// Has the kernel use that congestion control, and windows of 64 KiB at most, in a subnet.
pub(crate) fn limit(
    device: &str,
    subnet: u8,
    source: std::net::Ipv4Addr,
    control: &str,
) -> Result<(), String> {
    let net = host_address(subnet).network();
    command(
        "ip",
        &format!("route replace {net} dev {device} src {source} congctl {control} window 65535"),
    )
}

/// Moves the row's bytes; how long that took.
fn seconds(row: &Row, subnet: u8) -> Result<Option<f64>, String> {
    let test = match row.direction {
        Direction::From => Test::From,
        Direction::To => Test::To,
        Direction::Echo => Test::Duplex,
    };
    let address = SocketAddr::new(peer_address(subnet).into(), test.service().port);
    let cannot = |error: io::Error| format!("cannot connect to {address}: {error}");
    let mut stream =
        TcpStream::connect_timeout(&address, Duration::from_mins(1)).map_err(cannot)?;
    let clock = RealClock::new();
    let limit = Duration::from(LIMIT);
    let mut sending = stream.try_clone().map_err(cannot)?;
    stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_nodelay(true)).map_err(cannot)?;
    let bytes = row.bytes as usize;
    let data: Vec<u8> = (0..bytes).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
    let took = thread::scope(|scope| {
        if test != Test::From {
            scope.spawn(|| {
                // What fails here is seen by whoever reads.
                let _ = sending.write_all(&data);
                let _ = sending.shutdown(Shutdown::Write);
            });
        }
        let took = receive(&mut stream, &data, test, &clock);
        // So that the other thread comes to its end, too.
        let _ = stream.shutdown(Shutdown::Both);
        took
    })?;
    Ok((took < limit.as_secs_f64()).then_some(took))
}

/// Reads what is to come, and returns when it had, in seconds.
fn receive(
    stream: &mut TcpStream,
    data: &[u8],
    test: Test,
    clock: &RealClock,
) -> Result<f64, String> {
    let mut received = 0;
    let mut buffer = vec![0; 64 * 1024];
    let expected = if test == Test::To { 1 } else { data.len() };
    while received < expected {
        let seconds = || clock.now().total_micros() as f64 / 1e6;
        if seconds() >= LIMIT.secs() as f64 {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) if test == Test::To => break,
            Ok(0) => return Err(format!("it ended after {received} bytes")),
            Ok(count) if test == Test::To => return Err(format!("{count} bytes came of discard")),
            Ok(count) => {
                let end = (received + count).min(data.len());
                if test == Test::Duplex && buffer[..end - received] != data[received..end] {
                    return Err(format!("what came back is not what was sent, from {received} on"));
                }
                received = end;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // A signal, such as a stop from a terminal.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("after {received} bytes: {error}")),
        }
    }
    Ok(clock.now().total_micros() as f64 / 1e6)
}
