//! What the firmware asks of the hardware it runs on, and nothing more.
//!
//! A port to a new chip implements [`Board`] and a [`smoltcp::phy::Device`]; everything else in this
//! crate stays as it is.

pub use tapboard_net::EthernetAddress;

use crate::settings::Settings;

/// The hardware beside the network interface.
pub trait Board {
    /// Switches the user LED.
    fn set_led(&mut self, on: bool);

    /// Whether the user LED is lit.
    fn led(&self) -> bool;

    /// The chip's temperature in thousandths of a degree Celsius.
    fn temperature_mc(&mut self) -> i32;

    /// 64 fresh random bits, or `None` while the hardware has none to give.
    ///
    /// They seed the initial sequence numbers (RFC 6528), the ephemeral ports (RFC 6056) and the
    /// back-off jitter. Called once at boot; a board that answers `None` does not come up, because a
    /// guessable seed lets anyone who can send a frame forge a segment into a connection.
    fn entropy(&mut self) -> Option<u64>;

    /// The chip's own MAC address: from its unique number, or written at manufacture. `None`, unless a board says
    /// otherwise: it has none, or none was written.
    fn mac(&self) -> Option<EthernetAddress> {
        None
    }

    /// What a user chose about the board, with a place that keeps it over a reset. `None`, unless a board says
    /// otherwise: there is no such place.
    fn settings(&mut self) -> Option<&mut dyn Settings> {
        None
    }

    /// Restarts the board. On a chip this does not return; in a simulation it may, and whoever drives
    /// [`crate::Firmware::poll`] then drops the firmware and boots a new one.
    fn reset(&mut self);
}
