//! How many instructions a frame costs the board, and which part of it: `cargo bench --bench nic -- frames`.
//!
//! A board with its services has a NIC in memory, and one frame a turn, of one kind ([`kind`]). That is run under
//! valgrind's `callgrind`, which counts instructions in the turns that are measured and nowhere else, line by line; a
//! line's file says which part of the board it is of ([`stage`]). Nothing of it depends on what else the machine does.

mod kind;
mod profile;
mod stage;

use std::fs;
use std::process::{Command, ExitCode};

use rustix::process::getpid;
use serde_json::json;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::FRAME_SIZE;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, Board, BoardSockets, Firmware};

use self::kind::{Kind, Peer};
use self::profile::Profile;
use self::stage::Stage;
use crate::namespace::this_program;
use crate::options::Options;
use crate::role;
use crate::table::Table;
use crate::traffic::Memory;

/// Turns that are measured of each kind, and those before them, until each is as the last.
const TURNS: usize = 1000;
const BEFORE: usize = 500;

/// Time from one frame to the next, a full segment's at 100 Mbit/s.
const STEP: Duration = Duration::from_micros(125);

/// Bytes of each of the board's buffers.
const BUFFER: usize = u16::MAX as usize;

/// Measures all kinds.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let turns = if options.quick { 20 } else { TURNS };
    let mut heads = vec!["a turn with", "frames out", "instructions"];
    heads.extend(Stage::ALL.iter().map(|stage| stage.name()));
    let mut table = Table::new(&heads);
    let mut all = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| options.row(kind.name())) {
        let (sent, profile) = measure(kind, turns)?;
        if profile.total() == 0 {
            return Err(format!("callgrind has seen no turn with {}", kind.name()));
        }
        if !(options.quick || profile.has_lines()) {
            return Err("callgrind has seen no lines: the profile needs `debug = \"line-tables-only\"`, as \
                `release` has it in this repository"
                .to_owned());
        }
        let each = |count: u64| (count as f64 / turns as f64).round() as u64;
        if options.json {
            let stages = Stage::ALL.map(|stage| (stage.name(), json!(each(profile.of(stage)))));
            let stages: serde_json::Map<_, _> =
                stages.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
            all.push(json!({ "frame": kind.name(), "frames_out": sent as f64 / turns as f64,
                "instructions": each(profile.total()), "stages": stages }));
            continue;
        }
        let mut row = vec![kind.name().to_owned(), format!("{:.2}", sent as f64 / turns as f64)];
        row.push(each(profile.total()).to_string());
        row.extend(Stage::ALL.map(|stage| each(profile.of(stage)).to_string()));
        table.row(row);
    }
    if options.json {
        println!("{}", json!({ "turns": turns, "frames": all }));
    } else {
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// Frames of the board's in these turns, and their instructions.
fn measure(kind: Kind, turns: usize) -> Result<(u64, Profile), String> {
    let file = std::env::temp_dir().join(format!("tapboard-frames-{}", getpid().as_raw_nonzero()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--compress-strings=no"])
        .args(["--compress-pos=no", &format!("--toggle-collect=*{MEASURED}*")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(this_program()?)
        .args([role::WORD, role::FRAMES, kind.name(), &turns.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}; install it"))?;
    let text = fs::read_to_string(&file);
    let _ = fs::remove_file(&file);
    let said = String::from_utf8_lossy(&output.stdout);
    let sent = said.trim().parse();
    match (output.status.success(), sent, text) {
        (true, Ok(sent), Ok(text)) => Ok((sent, Profile::parse(&text))),
        _ => Err(format!(
            "{:?} under valgrind: {}\n{said}{}",
            kind.name(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// A NIC in memory: what arrives is lent, and what leaves is written to one place.
#[derive(Debug)]
pub(crate) struct Nic {
    arriving: Vec<u8>,
    /// It has not been taken yet.
    arrived: bool,
    /// The frame that has left last, which is of that length.
    room: Vec<u8>,
    len: usize,
    /// Frames that have left.
    sent: u64,
}

#[derive(Debug)]
pub(crate) struct Received<'n>(&'n [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

#[derive(Debug)]
pub(crate) struct Leaving<'n> {
    room: &'n mut [u8],
    len: &'n mut usize,
    sent: &'n mut u64,
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        *self.len = len;
        *self.sent += 1;
        f(&mut self.room[..len])
    }
}

impl Nic {
    fn lend(&mut self) -> (Received<'_>, Leaving<'_>) {
        let leaving = Leaving { room: &mut self.room, len: &mut self.len, sent: &mut self.sent };
        (Received(&self.arriving), leaving)
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Leaving<'_>)> {
        std::mem::take(&mut self.arrived).then(|| self.lend())
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(self.lend().1)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_SIZE;
        capabilities
    }
}

/// The board's hardware: none.
#[derive(Debug)]
struct Bare;

impl Board for Bare {
    fn set_led(&mut self, _: bool) {}

    fn led(&self) -> bool {
        false
    }

    fn temperature_mc(&mut self) -> i32 {
        23_500
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(0x5eed)
    }

    fn reset(&mut self) {}
}

/// A part of the name of what callgrind is to look at.
const MEASURED: &str = "measured_turn";

/// Nothing but the board's poll. Never inlined: callgrind finds it by its name.
#[inline(never)]
fn measured_turn(board: &mut Firmware<'_, Bare>, now: Instant, nic: &mut Nic) -> Option<Instant> {
    board.poll(now, nic)
}

/// Plays a board that is given that many frames of a kind, and tells how many it has sent meanwhile.
pub(crate) fn play(kind: &str, turns: usize) -> Result<(), String> {
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
    let kind = kind.ok_or("there is no such kind of frame")?;
    let (mut memory, mut sockets) = (Memory::<BUFFER>::new(), BoardSockets::new());
    let buffers = memory.buffers();
    let room = vec![0; FRAME_SIZE];
    let mut nic = Nic { arriving: Vec::new(), arrived: false, room, len: 0, sent: 0 };
    let services = ServiceConfig { name: heapless::String::new(), telemetry: None };
    let mut now = Instant::from_secs(1);
    let mut board = Firmware::new(&BOARD_NET, services, Bare, &mut nic, now, buffers, &mut sockets)
        .map_err(|error| error.to_string())?;
    let mut peer = Peer::new(kind);
    // Addresses are announced, and whatever is once.
    for _ in 0..20 {
        board.poll(now, &mut nic);
        now += Duration::from_secs(1);
    }
    let mut sent = 0;
    for turn in 0..BEFORE + turns {
        peer.hear(&nic.room[..std::mem::take(&mut nic.len)]);
        let frame = peer.next_frame(turn);
        (nic.arrived, nic.arriving) = (frame.is_some(), frame.unwrap_or_default());
        now += STEP;
        let before = nic.sent;
        if turn < BEFORE {
            board.poll(now, &mut nic);
        } else {
            measured_turn(&mut board, now, &mut nic);
            sent += nic.sent - before;
        }
    }
    if !peer.is_content() {
        return Err(format!("the board has not taken it: {peer:?}"));
    }
    role::say(&sent.to_string());
    Ok(())
}
