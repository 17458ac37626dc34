//! What the console's commands, and the dashboard's, do to a running board.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration as StdDuration;

use smoltcp::time::Instant;
use tapboard_firmware::netstat::Row;

use super::endpoint::Endpoint;
use super::nic::Nic;
use super::session::Session;
use crate::capture::Capture;
use crate::console::{ConsoleCommand, Next, help};
use crate::identity::Identity;
use crate::ladder::{Ladder, Refused, Style};
use crate::link::{Link, LinkEvents, Side};
use crate::nic::impairment::{Impairment, Observer, Watch};
use crate::output::{counted, is_standard, leave_stdout, say};
use crate::snapshot::{BoardKind, BoardSnapshot, NicSnapshot, Snapshot, SocketSnapshot};

/// What a turn of the console came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsoleStep {
    /// It has nothing to say before that moment.
    Next(Option<Instant>),
    /// The run is to end in order.
    Quit,
}

/// Asks the console once and does what it says.
pub(super) fn turn<N: Nic, S: Endpoint>(
    session: &mut Session,
    endpoint: &mut S,
    nic: &mut N,
    (now, epoch): (Instant, StdDuration),
) -> ConsoleStep {
    let command = match session.next(now) {
        Next::Command(command) => command,
        Next::Bad(text) => {
            say!("{text}");
            return ConsoleStep::Next(Some(now));
        }
        Next::Forwarded => {
            session.console.forwarded(&nic.forwarded());
            return ConsoleStep::Next(Some(now));
        }
        Next::At(at) => return ConsoleStep::Next(Some(at)),
        Next::Idle | Next::Ended => return ConsoleStep::Next(None),
    };
    let impairment = &mut session.impairment;
    match command {
        ConsoleCommand::Help => {
            lines(&help());
            lines(&endpoint.help());
        }
        ConsoleCommand::Unplug | ConsoleCommand::Plug => {
            plug(command == ConsoleCommand::Plug, nic, impairment);
        }
        ConsoleCommand::Fault { to, setting } => {
            impairment.link_mut().set(to, setting);
            show(impairment);
            session.seed_shown = session.seed_shown || show_seed(impairment.link());
        }
        ConsoleCommand::Heal => {
            impairment.link_mut().heal();
            show(impairment);
        }
        ConsoleCommand::Link => {
            show(impairment);
            show_seed(impairment.link());
        }
        ConsoleCommand::Reset => endpoint.reset(),
        ConsoleCommand::Boards(command) => endpoint.boards(&command),
        ConsoleCommand::Netstat => netstat(&endpoint.snapshot()),
        ConsoleCommand::Stats => {
            let Snapshot { board, nic, .. } = session.snapshot(now, endpoint, nic);
            stats(&board, &nic);
            say!("{}", session.meter.look(now, board.traffic));
        }
        ConsoleCommand::Forward(command) => match nic.forward(command) {
            Ok(text) | Err(text) => lines(&text),
        },
        ConsoleCommand::CaptureStart(path) if is_standard(&path) => {
            say!(
                "standard output is a capture's from the start or not at all: --pcap -; here, name a file"
            );
        }
        ConsoleCommand::CaptureStart(path) => match capture(&path, epoch) {
            Ok(observer) => {
                impairment.watch(Watch::Capture, Some(observer));
                say!("every frame goes to {} now", path.display());
            }
            Err(error) => say!("{error}"),
        },
        ConsoleCommand::CaptureStop if impairment.watch(Watch::Capture, None) => {
            say!("the capture is closed");
        }
        ConsoleCommand::CaptureStop => say!("there is no capture; `capture start FILE` begins one"),
        ConsoleCommand::Quit => return ConsoleStep::Quit,
    }
    ConsoleStep::Next(Some(now))
}

/// Prints the sockets, or says where they are to be seen.
fn netstat(board: &BoardSnapshot) {
    match board.kind {
        BoardKind::Firmware => {}
        BoardKind::Guest => {
            say!("the board is a guest: `netstat` in its own shell shows its sockets");
            return;
        }
        BoardKind::Fleet => {
            say!("there are many boards: `netstat` in the shell of one of them shows its sockets");
            return;
        }
    }
    say!("{}", Row::HEADING);
    for SocketSnapshot { row, .. } in &board.sockets {
        say!("{row}");
    }
}

/// Prints the counters.
fn stats(board: &BoardSnapshot, nic: &NicSnapshot) {
    for line in board.lines() {
        say!("{line}");
    }
    for stat in &nic.stats {
        say!("{stat}");
    }
}

fn lines(text: &str) {
    for line in text.lines() {
        say!("{line}");
    }
}

fn show(impairment: &Impairment) {
    lines(&impairment.link().to_string());
}

/// Prints the seed if chance decides anything, for whoever wants the same again. Returns whether it does.
pub(super) fn show_seed(link: &Link) -> bool {
    let random = link.random();
    if random {
        say!(
            "chance decides what befalls which frame; the same again with: --seed {}",
            link.seed()
        );
    }
    random
}

fn plug<N: Nic>(plugged: bool, nic: &mut N, impairment: &mut Impairment) {
    if impairment.link().plugged() == plugged {
        say!("the cable is {} already", if plugged { "in" } else { "out" });
        return;
    }
    impairment.link_mut().plug(plugged);
    // Who reads that the cable is out finds it out.
    nic.plug(plugged);
    show(impairment);
    if let Some(more) = nic.unplugged().filter(|_| !plugged) {
        say!("{more}");
    }
}

struct CaptureObserver(Capture);

impl Observer for CaptureObserver {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        if let Err(error) = self.0.record(now, to.into(), frame, &events.to_string()) {
            say!("{error}");
        }
    }
}

/// A capture on standard output, and what to do when nobody reads it any more.
struct Stream<F> {
    capture: Capture,
    gone: F,
}

impl<F: FnMut()> Observer for Stream<F> {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        let left_out = self.capture.left_out();
        match self.capture.record(now, to.into(), frame, &events.to_string()) {
            Ok(()) if left_out == 0 && self.capture.left_out() > 0 => {
                log::warn!(
                    "who reads standard output is too slow: frames are left out of the capture"
                );
            }
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => (self.gone)(),
            Err(error) => say!("{error}"),
        }
    }
}

impl<F> Drop for Stream<F> {
    fn drop(&mut self) {
        let left_out = self.capture.left_out();
        if left_out > 0 {
            say!("left out of the capture: {}", counted(left_out, "frame"));
        }
    }
}

/// An observer that writes every frame to standard output, and calls `gone` when that has no reader any more.
/// From now on lines go to standard error.
pub(super) fn capture_to_stdout(
    epoch: StdDuration,
    gone: impl FnMut() + 'static,
) -> Result<Box<dyn Observer>, String> {
    leave_stdout();
    let capture = Capture::on_stdout("board", epoch, false).map_err(|error| error.to_string())?;
    Ok(Box::new(Stream { capture, gone }))
}

/// An observer that writes every frame to a file. `epoch` is the time of instant 0, since 1970.
pub(super) fn capture(path: &Path, epoch: StdDuration) -> Result<Box<dyn Observer>, String> {
    let capture = Capture::create(path, "board", epoch).map_err(|error| error.to_string())?;
    Ok(Box::new(CaptureObserver(capture)))
}

struct LadderObserver {
    ladder: Ladder,
    telemetry: Option<Refused>,
}

impl Observer for LadderObserver {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        let line =
            self.ladder.line(now, crate::capture::Direction::from(to), frame, &events.to_string());
        match &mut self.telemetry {
            None => lines(&line),
            Some(refused) => {
                refused.pass(frame, events.dropped(), line).iter().for_each(|line| lines(line));
            }
        }
    }
}

/// An observer that draws every frame of the board `identity`, but not each time that nobody listens for
/// `telemetry`.
pub(super) fn ladder(identity: &Identity, telemetry: Option<SocketAddr>) -> Box<dyn Observer> {
    let ladder = Ladder::new(Style::of_output()).of_board(identity.addresses());
    Box::new(LadderObserver { ladder, telemetry: telemetry.map(Refused::new) })
}
