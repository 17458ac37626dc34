//! A virtio network device, as a [`Fifo`].
//!
//! The device fills buffers that it was given, and sends others. A frame is copied out of its buffer, which goes
//! back at once: what the firmware reads is no longer the device's to change. Nothing is offloaded and nothing
//! merged, so each buffer is one frame behind a header of zeroes.
//!
//! The interrupt of a frame that was sent is asked for only while there is no room; that of a frame received, and of
//! the cable, always.

use core::fmt;

use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;
use virtio_drivers::Hal;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};

use super::{Fifo, Frame, HEADER, PAD};
use crate::virtio::{Error, Ring, Writer, begin};

const FEATURE_MAC: u64 = 1 << 5;
const FEATURE_STATUS: u64 = 1 << 16;

const QUEUE_RECEIVE: u16 = 0;
const QUEUE_TRANSMIT: u16 = 1;

/// The device's configuration: its address, and its status.
const CONFIG_MAC: usize = 0;
const CONFIG_STATUS: usize = 6;

const STATUS_LINK: u16 = 1 << 0;

/// What is before a frame: flags, segmentation, checksum, number of buffers.
const NET_HEADER: usize = 12;

/// What the device sees of a buffer.
const BUFFER: usize = NET_HEADER + FRAME_SIZE;
/// Buffers each way.
pub const BUFFERS: usize = 4;

/// A buffer for one frame and its header, aligned as a [`Frame`] is.
#[derive(Debug)]
#[repr(align(4))]
pub struct Buffer([u8; PAD + BUFFER]);

impl Buffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; PAD + BUFFER])
    }

    fn shared(&'static mut self) -> &'static mut [u8] {
        &mut self.0[PAD..]
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The device behind `T`.
pub struct VirtioNet<H: Hal, T: Transport> {
    transport: T,
    receive: Ring<H, BUFFERS>,
    transmit: Ring<H, BUFFERS>,
    /// Buffers to transmit that the device has not.
    free: [Option<&'static mut [u8]>; BUFFERS],
    /// Whether the device says if the cable is in.
    has_status: bool,
    /// Whether it was in when it was asked last.
    link: bool,
    link_came_up: bool,
}

impl<H: Hal, T: Transport> fmt::Debug for VirtioNet<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioNet").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<H: Hal, T: Transport> VirtioNet<H, T> {
    /// Resets and starts the device, whose address is `mac`. It receives multicast frames as well, which IPv6 needs.
    pub fn new(
        mut transport: T,
        mac: EthernetAddress,
        [receive_buffers, transmit_buffers]: &'static mut [[Buffer; BUFFERS]; 2],
    ) -> Result<Self, Error> {
        let features = begin(&mut transport, DeviceType::Network, FEATURE_MAC | FEATURE_STATUS)?;
        if features & FEATURE_MAC != 0 {
            let own: [u8; 6] = transport.read_config_space(CONFIG_MAC).unwrap_or_default();
            if own != mac.0 {
                return Err(Error::Address);
            }
        }
        let mut receive = Ring::new(&mut transport, QUEUE_RECEIVE, Writer::Device)?;
        let mut transmit = Ring::new(&mut transport, QUEUE_TRANSMIT, Writer::Driver)?;
        transport.finish_init();
        transmit.interrupt(false);
        for buffer in receive_buffers {
            receive.lend(&mut transport, buffer.shared(), BUFFER);
        }
        let free = transmit_buffers.each_mut().map(|buffer| Some(buffer.shared()));
        let mut net = Self {
            transport,
            receive,
            transmit,
            free,
            has_status: features & FEATURE_STATUS != 0,
            link: true,
            link_came_up: false,
        };
        net.link = net.link_is_up();
        Ok(net)
    }

    /// A device that does not say is always up.
    fn link_is_up(&self) -> bool {
        let status =
            self.has_status.then(|| self.transport.read_config_space::<u16>(CONFIG_STATUS));
        status.is_none_or(|status| status.is_ok_and(|status| status & STATUS_LINK != 0))
    }
}

impl<H: Hal, T: Transport> Drop for VirtioNet<H, T> {
    /// The pages of its rings are somebody else's next.
    fn drop(&mut self) {
        self.transport.set_status(DeviceStatus::empty());
    }
}

impl<H: Hal, T: Transport> Fifo for VirtioNet<H, T> {
    const FRAMES: usize = BUFFERS;

    fn received(&mut self) -> bool {
        self.receive.returned()
    }

    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize> {
        let (buffer, length) = self.receive.take()?;
        let data = buffer[..length].get(NET_HEADER..).filter(|data| data.len() >= HEADER);
        let length = data.map(|data| {
            frame.0[PAD..PAD + data.len()].copy_from_slice(data);
            data.len()
        });
        self.receive.lend(&mut self.transport, buffer, BUFFER);
        length
    }

    fn has_room(&mut self) -> bool {
        while let Some((buffer, _)) = self.transmit.take() {
            if let Some(place) = self.free.iter_mut().find(|place| place.is_none()) {
                *place = Some(buffer);
            }
        }
        self.free.iter().any(Option::is_some)
    }

    fn write_frame(&mut self, frame: &mut Frame, length: usize) {
        let Some(buffer) = self.free.iter_mut().find_map(Option::take) else { return };
        let (header, data) = buffer.split_at_mut(NET_HEADER);
        header.fill(0);
        data[..length].copy_from_slice(&frame.0[PAD..PAD + length]);
        self.transmit.lend(&mut self.transport, buffer, NET_HEADER + length);
    }

    fn clear_interrupt(&mut self) {
        let raised = self.transport.ack_interrupt();
        if raised.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT) {
            let link = self.link_is_up();
            self.link_came_up |= link && !self.link;
            self.link = link;
        }
    }

    fn link_came_up(&mut self) -> bool {
        core::mem::take(&mut self.link_came_up)
    }

    fn enable_interrupt(&mut self, room: bool) {
        self.transmit.interrupt(room);
    }
}

#[cfg(test)]
mod tests;
