//! `tapboard user --guest`: a board outside the process, on our wire. Here it is the firmware in the test's
//! own process, its NIC a socket as QEMU's `-netdev dgram` or `-netdev stream` is; `.ci/boards` does it with QEMU.

#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::ports::{free_port, local};
use common::process::{PATIENCE, Process, connect, echo, finished, pattern, readable};
use common::scratch::Scratch;
use common::user::{Forwards, Shell};
use smoltcp::time::Instant;
use tapboard::board::SimBoard;
use tapboard::capture::read;
use tapboard::clock::RealClock;
use tapboard::nic::wire::{InFlight, Side, Wire};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, BoardSockets, Firmware, McuStorage, PEER_NET};

/// The most that the guest sleeps, so that it sees soon that it is to end.
const NAP: Duration = Duration::from_millis(10);

/// A board in a thread of its own; its power is cut when this is dropped.
struct Guest {
    address: String,
    off: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Guest {
    /// A board whose frames go to that UDP port, from a free one.
    fn boot(to: u16) -> Self {
        let socket = UdpSocket::bind(local(0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound").to_string();
        socket.connect(local(to)).expect("a loopback address");
        Self::on(socket, address)
    }

    /// A board whose frames go through that socket of its own.
    fn on(mut carrier: impl Carrier + 'static, address: String) -> Self {
        let off = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&off);
        let thread = thread::spawn(move || superloop(&mut carrier, &flag));
        Self { address, off, thread: Some(thread) }
    }
}

/// A socket that carries frames.
trait Carrier: Send {
    /// Sends one. It may be lost, as on any cable.
    fn send_frame(&mut self, frame: &[u8]);

    /// Waits for one, for not longer than that; without a time, not at all.
    fn receive_frame(&mut self, wait: Option<Duration>) -> Option<Vec<u8>>;
}

macro_rules! datagrams {
    ($($socket:ty),+) => {$(
        impl Carrier for $socket {
            fn send_frame(&mut self, frame: &[u8]) {
                let _ = self.send(frame);
            }

            fn receive_frame(&mut self, wait: Option<Duration>) -> Option<Vec<u8>> {
                self.set_nonblocking(wait.is_none()).expect("a socket can do either");
                self.set_read_timeout(wait).expect("not zero");
                let mut frame = [0; 2000];
                self.recv(&mut frame).ok().map(|count| frame[..count].to_vec())
            }
        }
    )+};
}

datagrams!(UdpSocket, UnixDatagram);

/// A connection, in which each frame follows its length, and what was read of it.
struct Stream<S>(S, Vec<u8>);

macro_rules! streams {
    ($($socket:ty),+) => {$(
        impl Carrier for Stream<$socket> {
            fn send_frame(&mut self, frame: &[u8]) {
                self.0.set_nonblocking(false).expect("a socket can wait");
                let prefixed = [&(frame.len() as u32).to_be_bytes(), frame].concat();
                let _ = self.0.write_all(&prefixed);
            }

            fn receive_frame(&mut self, wait: Option<Duration>) -> Option<Vec<u8>> {
                self.0.set_nonblocking(wait.is_none()).expect("a socket can do either");
                self.0.set_read_timeout(wait).expect("not zero");
                let mut chunk = [0; 4096];
                loop {
                    if let Some((prefix, rest)) = self.1.split_first_chunk::<4>()
                        && let Some(frame) = rest.get(..u32::from_be_bytes(*prefix) as usize)
                    {
                        let frame = frame.to_vec();
                        self.1.drain(..4 + frame.len());
                        return Some(frame);
                    }
                    match self.0.read(&mut chunk) {
                        Ok(count @ 1..) => self.1.extend_from_slice(&chunk[..count]),
                        _ => return None,
                    }
                }
            }
        }
    )+};
}

streams!(TcpStream, UnixStream);

impl Drop for Guest {
    fn drop(&mut self) {
        self.off.store(true, Ordering::SeqCst);
        let ended = self.thread.take().expect("it is dropped once").join();
        assert!(ended.is_ok() || thread::panicking(), "the guest panicked");
    }
}

fn superloop(carrier: &mut impl Carrier, off: &AtomicBool) {
    let (clock, mut wire) = (RealClock::new(), Wire::default());
    let (mut storage, mut sockets) = (Box::<McuStorage>::default(), BoardSockets::new());
    // It speaks unasked, as the boards do: nobody else could tell where it is.
    let telemetry = Some(SocketAddr::from(([192, 0, 2, 2], 9000)).into());
    let services = ServiceConfig { name: "guest".try_into().expect("a short name"), telemetry };
    let mut board = Firmware::new(
        &BOARD_NET,
        services,
        SimBoard::new(),
        &mut wire.end(Side::Board),
        clock.now(),
        &mut *storage,
        &mut sockets,
    )
    .expect("there is entropy");
    while !off.load(Ordering::SeqCst) {
        let now = clock.now();
        let next = board.poll(now, &mut wire.end(Side::Board));
        for sent in wire.in_flight(Side::Peer).drain(..) {
            carrier.send_frame(&sent.frame);
        }
        receive(carrier, &mut wire, now, next);
    }
}

/// Waits for frames until `next`, but not for long, and takes those that are there.
fn receive(carrier: &mut impl Carrier, wire: &mut Wire, now: Instant, next: Option<Instant>) {
    let wait = match next {
        Some(next) if next > now => (next - now).into(),
        // Zero would be for ever.
        Some(_) => Duration::from_micros(1),
        None => NAP,
    };
    let mut wait = Some(wait.min(NAP));
    while let Some(frame) = carrier.receive_frame(wait.take()) {
        wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
    }
}

/// The wire, on ports of its own.
struct Host {
    process: Process,
    /// Where a guest sends its frames.
    wire: u16,
    echo: SocketAddr,
    shell: SocketAddr,
}

impl Host {
    fn up(options: &[&str]) -> Self {
        Self::at(free_port(), options)
    }

    fn at(wire: u16, options: &[&str]) -> Self {
        Self::of(&format!("udp:{wire}"), wire, options)
    }

    /// A wire on that socket.
    fn of(guest: &str, wire: u16, options: &[&str]) -> Self {
        let (forwards, allowed) = (Forwards::free(), free_port().to_string());
        let own = ["user", "--guest", guest, "--allow", &allowed];
        let process = Process::with_console(&forwards.arguments(&own, options));
        let Forwards { echo, shell, .. } = forwards;
        Self { process, wire, echo, shell }
    }

    /// Waits until the guest was heard.
    fn finds(&self, guest: &Guest) {
        self.process.prints(&format!("guest: it is at {}\n", guest.address));
    }
}

#[test]
fn a_guest_has_what_the_board_in_the_process_has_whichever_comes_first() {
    let wire = free_port();
    for guest_first in [false, true] {
        let early = guest_first.then(|| Guest::boot(wire));
        let mut host = Host::at(wire, &[]);
        let guest = early.unwrap_or_else(|| Guest::boot(wire));
        host.finds(&guest);
        let data = pattern(1, 1_000_000);
        assert!(echo(&connect(host.echo), &data).unwrap() == data, "not a byte more or less");
        assert!(Shell::new(connect(host.shell)).ask("netstat").contains("192.0.2.1:23 "));
        host.process.command("reset", "`reset` in its own shell");
        host.process.command("netstat", "`netstat` in its own shell");
        host.process.command("stats", "dropped_out_absent");
        host.process.command("quit", " lost at its wire\n");
        assert_eq!(host.process.exit(), Some(0));
    }
}

/// A board on each kind of socket, two one after the other.
#[test]
fn a_guest_may_be_on_a_socket_of_any_kind() {
    let scratch = Scratch::new();
    let (name, own) = (scratch.path("wire"), scratch.path("guest"));
    let port = free_port();
    let kinds: [(String, &str, &dyn Fn() -> Guest); 3] = [
        (format!("unix:{name}"), "the datagram socket", &|| {
            let _ = std::fs::remove_file(&own);
            let socket = UnixDatagram::bind(&own).expect("a free name");
            socket.connect(&name).expect("the wire is there");
            Guest::on(socket, own.clone())
        }),
        (format!("stream:{port}"), "TCP 127.0.0.1", &|| {
            let stream = TcpStream::connect(local(port)).expect("the wire is there");
            let address = stream.local_addr().expect("it is connected").to_string();
            Guest::on(Stream(stream, Vec::new()), address)
        }),
        (format!("stream:unix:{name}"), "the stream socket", &|| {
            let stream = UnixStream::connect(&name).expect("the wire is there");
            Guest::on(Stream(stream, Vec::new()), format!("stream:unix:{name}"))
        }),
    ];
    for (wire, described, boot) in kinds {
        let mut host = Host::of(&wire, port, &["--loss=1%", "--seed=1"]);
        assert!(host.process.output().contains(described), "{}", host.process.output());
        let data = pattern(1, 100_000);
        for _ in 0..2 {
            let guest = boot();
            host.finds(&guest);
            assert!(echo(&connect(host.echo), &data).unwrap() == data, "not a byte more or less");
            drop(guest);
            if wire.starts_with("stream") {
                host.process.prints("guest: it is gone\n");
            }
        }
        host.process.command("quit", " lost at its wire\n");
        assert_eq!(host.process.exit(), Some(0));
        assert!(!std::path::Path::new(&name).exists(), "its name is left behind");
    }
}

#[test]
fn a_guest_whose_cable_is_pulled_during_an_echo_loses_nothing_and_the_capture_says_so() {
    let scratch = Scratch::new();
    let file = scratch.path("guest.pcapng");
    // So slow that the cable is pulled long before the end, however fast the machine and slow the test.
    let mut host = Host::up(&["--rate=400kbit", "--ladder", "--pcap", &file]);
    let guest = Guest::boot(host.wire);
    host.finds(&guest);
    let (client, data) = (connect(host.echo), pattern(2, 1_000_000));
    thread::scope(|scope| {
        let transfer = scope.spawn(|| echo(&client, &data).unwrap());
        // Some of it is through, and most is not.
        client.peek(&mut [0]).unwrap();
        host.process.command("unplug", "the cable is out");
        assert!(!transfer.is_finished());
        // Each end has sent in vain.
        host.process.prints_until(|ladder| {
            let since = ladder.split_once("the cable is out").expect("it was printed").1;
            since.contains("-x ") && since.contains(" x-")
        });
        host.process.command("heal\nplug", "the cable is in");
        assert!(transfer.join().unwrap() == data, "not a byte more or less");
    });
    let records: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
    let cut = |from: &[u8; 6]| {
        let cut = records.iter().filter(|record| record.notes == "dropped: the cable is out");
        cut.filter(|record| record.frame[6..12] == *from).count()
    };
    let [board, peer] = [BOARD_NET, PEER_NET].map(|net| cut(&net.mac().0));
    assert!(board > 0 && peer > 0, "of {} frames: {board} and {peer}", records.len());
}

#[test]
fn a_guest_that_restarts_on_another_port_is_found_again() {
    let host = Host::up(&[]);
    let guest = Guest::boot(host.wire);
    host.finds(&guest);
    drop(guest);
    let guest = Guest::boot(host.wire);
    host.finds(&guest);
    assert_eq!(echo(&connect(host.echo), b"again").unwrap(), b"again");
}

#[test]
fn what_is_no_frame_is_lost_on_the_wire_and_harms_nobody() {
    let mut host = Host::up(&[]);
    let guest = Guest::boot(host.wire);
    host.finds(&guest);
    let stranger = UdpSocket::bind(local(0)).unwrap();
    for len in [0, 1, 13, 1515, 60_000] {
        stranger.send_to(&vec![0xff; len], local(host.wire)).unwrap();
    }
    assert_eq!(echo(&connect(host.echo), b"well").unwrap(), b"well");
    host.process.command("stats", "dropped_in_size      5\n");
}

/// A client of a board that is not there, too.
#[test]
fn without_a_guest_the_wire_sleeps() {
    let host = Host::up(&[]);
    let mut client = connect(host.echo);
    client.write_all(b"is anybody there?").unwrap();
    let spent = host.process.wakeups(|| {
        assert!(!readable(&client, Duration::from_secs(3)), "nobody is there to answer");
    });
    assert!(spent.count <= 10 * spent.seconds, "{spent:?}");
    let guest = Guest::boot(host.wire);
    host.finds(&guest);
    assert!(readable(&client, PATIENCE), "the gateway still asks for the board");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_remedy() {
    let wire = UdpSocket::bind(local(0)).unwrap();
    let port = wire.local_addr().unwrap().port();
    let guest = format!("--guest=udp:{port}");
    let output = finished(&Forwards::free().arguments(&[&guest], &[]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let taken = format!("cannot listen on UDP 127.0.0.1:{port} for the guest: Address already");
    assert!(errors.contains(&taken) && errors.contains("with: --guest udp:"), "{errors}");
}
