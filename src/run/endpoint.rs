//! What is at the board's end of the cable: the firmware in this process, a guest in another, or a fleet of boards.

use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use tapboard_firmware::mdns::Label;
use tapboard_firmware::netstat::{Counters, Introspect};
use tapboard_firmware::service::{Service, Services, Target};
use tapboard_firmware::{Board, Firmware, LookupError, NetStack};

use crate::board::SimBoard;
use crate::console::BoardsCommand;
use crate::nic::Stat;
use crate::output::{counted, say};
use crate::snapshot::{BoardKind, BoardSnapshot, Traffic, socket_snapshots};

/// An endpoint that the driver polls; see [`Driver::run_endpoint`](super::Driver::run_endpoint).
pub trait Endpoint {
    /// Takes and sends what there is. Returns when to be polled again at the latest.
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant>;

    /// Notes that the source registered under [`ENDPOINT`](super::ENDPOINT) is ready.
    fn ready(&mut self) {}

    /// The cable has come in.
    fn link_up(&mut self) {}

    /// The driver has slept for so long since the last poll.
    fn slept(&mut self, time: Duration) {
        let _ = time;
    }

    /// Closes every connection in order, and takes no new one.
    fn shutdown(&mut self) {}

    /// Whether nothing is left to close.
    fn idle(&self) -> bool {
        true
    }

    /// Resets what is left.
    fn abort(&mut self) {}

    /// Pulls the reset line, or says why that cannot be.
    fn reset(&mut self);

    /// Whether the reset line was pulled: the endpoint is to be polled no more.
    fn reset_requested(&self) -> bool {
        false
    }

    /// The commands that it has beside the console's own, a line each.
    fn help(&self) -> String {
        String::new()
    }

    /// Does something to some of its boards, if it is many.
    fn boards(&mut self, command: &BoardsCommand) {
        let _ = command;
        say!("here is one board, and no command names any; `tapboard fleet` has many");
    }

    /// What can be told of it now.
    fn snapshot(&self) -> BoardSnapshot;

    /// What to print at the end.
    fn summary(&self) -> String;
}

/// The stock services, whose shell has the commands `C` too, and the services `V` beside them.
pub(super) type Beside<'a, C, V> = (Services<NetStack<'a>, C>, V);

/// The firmware of one boot.
pub(super) struct Booted<'a, C, V> {
    pub(super) firmware: Firmware<'a, SimBoard, Beside<'a, C, V>>,
    /// Where telemetry goes, if the board connects to nobody else.
    pub(super) telemetry: Option<Target>,
    /// The IPv4 address that was told of last, where that is to be told.
    pub(super) told: Option<Ipv4Cidr>,
    /// Likewise the IPv6 address.
    pub(super) told_ipv6: Option<Ipv6Cidr>,
    /// The name in the network that was told of last.
    pub(super) label: Option<Label>,
    /// What was told last of telemetry's name.
    pub(super) trouble: Option<LookupError>,
}

impl<'a, C, V> Booted<'a, C, V>
where
    Beside<'a, C, V>: Service<NetStack<'a>, SimBoard>,
{
    /// Says which address DHCP has come to, or that there is none any more.
    fn tell_address(&mut self) {
        let stack = self.firmware.stack();
        let own = stack.config().ipv4();
        if !stack.config().dhcp() || own == self.told {
            return;
        }
        match (own, stack.lease()) {
            (Some(own), Some(lease)) => {
                say!("board: address {own}, leased by {}", lease.server);
            }
            (Some(own), None) => {
                say!("board: address {own}, its own choice: no DHCP server answers");
            }
            (None, _) => say!("board: no address any more"),
        }
        self.told = own;
    }

    /// Says which address has followed from what a router says, or that there is none any more.
    fn tell_ipv6(&mut self) {
        let config = self.firmware.stack().config();
        let own = config.ipv6();
        if !config.slaac() || own == self.told_ipv6 {
            return;
        }
        match (own, config.ipv6_gateway()) {
            (Some(own), Some(router)) => say!("board: address {own}, by router {router}"),
            (Some(own), None) => say!("board: address {own}, without a router"),
            (None, _) => say!("board: no IPv6 address any more but the link-local one"),
        }
        self.told_ipv6 = own;
    }

    /// Says under which name neighbours find the board.
    fn tell_label(&mut self) {
        let label = self.firmware.stack().mdns_label();
        if let Some(name) = label.filter(|_| label != self.label) {
            say!("board: found as {name}.local");
            self.label = label;
        }
    }

    /// Says why telemetry's name has no address.
    fn tell_trouble(&mut self) {
        let Some(telemetry) = self.firmware.services().0.telemetry() else { return };
        let trouble = telemetry.trouble();
        if trouble == self.trouble {
            return;
        }
        match trouble {
            Some(error) => say!("board: telemetry to {}: {error}", telemetry.target()),
            None => say!("board: telemetry to {}: its address is known now", telemetry.target()),
        }
        self.trouble = trouble;
    }

    /// What the counters owe to telemetry that nobody takes, if they do.
    fn unheard(&self) -> Option<String> {
        let to = self.telemetry.as_ref()?;
        let failed = self.firmware.stack().counters().failed_connects;
        (failed > 0).then(|| {
            format!(
                "telemetry: {} found nobody at {to}; a refused one counts among the resets in too",
                counted(failed, "connect"),
            )
        })
    }
}

impl<'a, C, V> Endpoint for Booted<'a, C, V>
where
    Beside<'a, C, V>: Service<NetStack<'a>, SimBoard>,
{
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        let next = self.firmware.poll(now, device);
        self.tell_address();
        self.tell_ipv6();
        self.tell_label();
        self.tell_trouble();
        next
    }

    fn link_up(&mut self) {
        self.firmware.link_up();
    }

    fn slept(&mut self, time: Duration) {
        self.firmware.slept(time);
    }

    fn shutdown(&mut self) {
        self.firmware.shutdown();
    }

    fn idle(&self) -> bool {
        self.firmware.stack().idle()
    }

    fn abort(&mut self) {
        self.firmware.stack_mut().abort_all();
    }

    fn reset(&mut self) {
        self.firmware.board_mut().reset();
    }

    fn reset_requested(&self) -> bool {
        self.firmware.board().reset_requested()
    }

    fn snapshot(&self) -> BoardSnapshot {
        let (stack, board) = (self.firmware.stack(), self.firmware.board());
        let &Counters { frames_in, bytes_in, frames_out, bytes_out, .. } = stack.counters();
        let counters = (0..).map_while(|index| {
            let (name, value) = stack.counter(index)?;
            Some(Stat::count(name, Counters::help(index)?, value))
        });
        BoardSnapshot {
            kind: BoardKind::Firmware,
            traffic: Traffic { frames_in, bytes_in, frames_out, bytes_out },
            counters: counters.collect(),
            sockets: socket_snapshots(stack),
            led: Some(board.led()),
            notes: self.unheard().into_iter().collect(),
        }
    }

    fn summary(&self) -> String {
        let c = self.firmware.stack().counters();
        format!(
            "board: {} in, {} out; {} accepted, {} made; {} not answered at once, {} in",
            counted(c.frames_in, "frame"),
            c.frames_out,
            counted(c.passive_opens, "connection"),
            c.active_opens,
            counted(c.syn_unanswered, "SYN"),
            counted(c.resets_in, "reset")
        ) + &self.unheard().map_or_else(String::new, |unheard| format!("\n{unheard}"))
    }
}
