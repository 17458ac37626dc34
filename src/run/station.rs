//! What is at the board's end of the cable: the firmware in this process, or a guest in another.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use tapboard_firmware::netstat::{Counters, Introspect, Row};
use tapboard_firmware::{Board, Firmware};

use super::Traffic;
use crate::board::SimBoard;
use crate::output::{counted, say};

/// A station that the driver polls; see [`Driver::station`](super::Driver::station).
pub trait Station {
    /// Takes and sends what there is. Returns when to be polled again at the latest.
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant>;

    /// Notes that the source registered under [`STATION`](super::STATION) is ready.
    fn ready(&mut self) {}

    /// The cable has come in.
    fn link_up(&mut self) {}

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

    /// Whether the reset line was pulled: the station is to be polled no more.
    fn reset_requested(&self) -> bool {
        false
    }

    /// Prints the sockets, or says where they are to be seen.
    fn netstat(&self);

    /// Prints the counters.
    fn stats(&self);

    /// What passed since the start.
    fn traffic(&self) -> Traffic;

    /// What to print at the end.
    fn summary(&self) -> String;
}

impl Station for Firmware<'_, SimBoard> {
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        Firmware::poll(self, now, device)
    }

    fn link_up(&mut self) {
        Firmware::link_up(self);
    }

    fn shutdown(&mut self) {
        Firmware::shutdown(self);
    }

    fn idle(&self) -> bool {
        self.stack().idle()
    }

    fn abort(&mut self) {
        self.stack_mut().abort_all();
    }

    fn reset(&mut self) {
        self.board_mut().reset();
    }

    fn reset_requested(&self) -> bool {
        self.board().reset_requested()
    }

    fn netstat(&self) {
        say!("{}", Row::HEADING);
        for row in (0..).map_while(|index| self.stack().row(index)) {
            say!("{row}");
        }
    }

    fn stats(&self) {
        for (name, value) in (0..).map_while(|index| self.stack().counter(index)) {
            say!("{name:<20} {value}");
        }
    }

    fn traffic(&self) -> Traffic {
        let &Counters { frames_in, bytes_in, frames_out, bytes_out, .. } = self.stack().counters();
        Traffic { frames_in, bytes_in, frames_out, bytes_out }
    }

    fn summary(&self) -> String {
        let c = self.stack().counters();
        format!(
            "board: {} in, {} out; {} accepted, {} made; {} not answered at once, {} in",
            counted(c.frames_in, "frame"),
            c.frames_out,
            counted(c.passive_opens, "connection"),
            c.active_opens,
            counted(c.syn_unanswered, "SYN"),
            counted(c.resets_in, "reset")
        )
    }
}
