//! The whole firmware: its services, and telemetry, which connects.

use std::net::SocketAddr;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::{DATAGRAM_SIZE, EPHEMERAL_FIRST, SUPERFRAME_DATA, TCP_SLOTS};
use tapboard_firmware::netstat::{Count, Introspect, Protocol, Row};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, BoardSockets, Firmware};

use super::input::Input;
use super::memory::Memory;
use super::network::{Board, Network, netstat};
use super::nic::Nic;
use super::states::States;

/// After this long no connection is held any more whose peer says nothing: longer than the user timeout, and an orphan's
/// time and TIME-WAIT after it.
const SILENCE: Duration = Duration::from_secs(200);
/// How often smoltcp may ask in vain to be polled at once. Each costs 10 ms; more would be a busy loop.
const STALLS: Count = 20;

/// Hardware that does nothing, and has one number for the firmware.
#[derive(Debug)]
pub struct Hardware {
    led: bool,
    entropy: u64,
}

impl Hardware {
    /// Hardware whose boots are all the same for the same `entropy`.
    #[must_use]
    pub const fn new(entropy: u64) -> Self {
        Self { led: false, entropy }
    }
}

impl tapboard_firmware::Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        41_250
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.entropy)
    }

    /// The firmware goes on, as if it had been told too late.
    fn reset(&mut self) {}
}

impl Board for Firmware<'_, Hardware> {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        Firmware::poll(self, now, nic)
    }

    fn sockets(&self) -> &dyn Introspect {
        self.stack()
    }

    fn link_up(&mut self) {
        Firmware::link_up(self);
    }

    /// The services close by themselves.
    fn close(&mut self, _peer: SocketAddr) {}

    fn shutdown(&mut self) {
        Firmware::shutdown(self);
    }
}

/// Runs a program against a board with all services. Returns the states in which segments met its sockets.
///
/// # Panics
/// As [the crate's documentation](super) says.
#[must_use]
pub fn run(program: &[u8]) -> States {
    let mut input = Input::new(program);
    // The profiles `large` and `mcu`.
    if input.one_in(4) {
        drive::<SUPERFRAME_DATA, { 16 * 1024 }>(&mut input)
    } else {
        drive::<2048, DATAGRAM_SIZE>(&mut input)
    }
}

fn drive<const BUFFER: usize, const DATAGRAMS: usize>(input: &mut Input<'_>) -> States {
    let mut memory = Memory::<BUFFER, DATAGRAMS>::new();
    let mut sockets = BoardSockets::new();
    let mut network = Network::new(input);
    let remote: &str = input.pick(&["192.0.2.2:9000", "[2001:db8::2]:9000"]);
    let services = ServiceConfig {
        name: heapless::String::try_from("fuzzed").expect("a short name"),
        telemetry: remote.parse().ok().map(SocketAddr::into),
    };
    let hardware = Hardware::new(u64::from(input.byte()));
    let mut board = Firmware::new(
        &BOARD_NET,
        services,
        hardware,
        &mut network.nic,
        network.now,
        memory.buffers(),
        &mut sockets,
    )
    .expect("there is entropy");
    network.turn(&mut board);
    while !input.is_empty() {
        network.step(&mut board, input);
    }
    network.fall_silent();
    network.wait_for(&mut board, SILENCE);
    // All that may be left is telemetry's connection, or its request for one.
    let rows = (0..).map_while(|index| board.stack().row(index));
    let held: Vec<_> = rows.filter(is_connection).collect();
    let own = |row: &Row| row.local_port == 0 || row.local_port >= EPHEMERAL_FIRST;
    assert!(held.len() <= 1 && held.iter().all(own), "held in silence\n{}", netstat(&board));
    board.shutdown();
    network.wait_for(&mut board, Duration::from_secs(60));
    assert_eq!(board.stack().free_slots(), TCP_SLOTS, "leaked\n{}", netstat(&board));
    assert!(board.stack().counters().stalls < STALLS, "busy\n{}", netstat(&board));
    network.states
}

fn is_connection(row: &Row) -> bool {
    row.protocol == Protocol::Tcp && !matches!(row.state, "LISTEN" | "BOUND")
}
