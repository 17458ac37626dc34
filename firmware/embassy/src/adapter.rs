//! A driver as a [`Device`].

use core::task::{Context, Waker};

use embassy_net_driver::{Checksum, Driver, HardwareAddress};
use tapboard_net::EthernetAddress;
use tapboard_net::smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use tapboard_net::smoltcp::time::Instant;

/// A driver, for as long as one poll takes: what it has no frame or no room for now, it wakes the task of `context` for.
#[derive(Debug)]
pub struct Adapter<'a, 'w, D> {
    driver: &'a mut D,
    context: &'a mut Context<'w>,
}

impl<'a, 'w, D: Driver> Adapter<'a, 'w, D> {
    /// `driver` under the waker of `context`.
    ///
    /// # Panics
    /// If the driver's frames are those of IEEE 802.15.4, which the stack does not speak.
    pub fn new(driver: &'a mut D, context: &'a mut Context<'w>) -> Self {
        let address = driver.hardware_address();
        assert!(
            matches!(address, HardwareAddress::Ethernet(_) | HardwareAddress::Ip),
            "frames of Ethernet, or packets of IP"
        );
        Self { driver, context }
    }

    /// Calls `call` with `driver`, which then wakes nobody: to make a stack for it, before the first poll.
    ///
    /// # Panics
    /// As [`Adapter::new`].
    pub fn with<R>(driver: &mut D, call: impl FnOnce(&mut Adapter<'_, '_, D>) -> R) -> R {
        call(&mut Adapter::new(driver, &mut Context::from_waker(Waker::noop())))
    }
}

/// The MAC address that a driver has; `None` for one whose packets are those of IP.
pub fn mac_address(driver: &impl Driver) -> Option<EthernetAddress> {
    match driver.hardware_address() {
        HardwareAddress::Ethernet(address) => Some(EthernetAddress(address)),
        _ => None,
    }
}

impl<D: Driver> Device for Adapter<'_, '_, D> {
    type RxToken<'t>
        = RxToken<D::RxToken<'t>>
    where
        Self: 't;
    type TxToken<'t>
        = TxToken<D::TxToken<'t>>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (frame, room) = self.driver.receive(self.context)?;
        Some((RxToken(frame), TxToken(room)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Self::TxToken<'_>> {
        self.driver.transmit(self.context).map(TxToken)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let theirs = self.driver.capabilities();
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = match self.driver.hardware_address() {
            HardwareAddress::Ip => Medium::Ip,
            _ => Medium::Ethernet,
        };
        capabilities.max_transmission_unit = theirs.max_transmission_unit;
        capabilities.max_burst_size = theirs.max_burst_size;
        capabilities.checksum.ipv4 = checksum(theirs.checksum.ipv4);
        capabilities.checksum.udp = checksum(theirs.checksum.udp);
        capabilities.checksum.tcp = checksum(theirs.checksum.tcp);
        capabilities.checksum.icmpv4 = checksum(theirs.checksum.icmpv4);
        #[cfg(feature = "ipv6")]
        {
            capabilities.checksum.icmpv6 = checksum(theirs.checksum.icmpv6);
        }
        capabilities
    }
}

/// Both say which of the two the stack has to do.
const fn checksum(theirs: Checksum) -> phy::Checksum {
    match theirs {
        Checksum::Both => phy::Checksum::Both,
        Checksum::Rx => phy::Checksum::Rx,
        Checksum::Tx => phy::Checksum::Tx,
        Checksum::None => phy::Checksum::None,
    }
}

/// A received frame.
#[derive(Debug)]
pub struct RxToken<T>(T);

impl<T: embassy_net_driver::RxToken> phy::RxToken for RxToken<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.0.consume(|frame| f(frame))
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct TxToken<T>(T);

impl<T: embassy_net_driver::TxToken> phy::TxToken for TxToken<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.consume(length, f)
    }
}

#[cfg(test)]
mod tests {
    use embassy_net_driver::{Capabilities, LinkState};

    use super::*;

    /// A driver that only tells about itself.
    struct Described(Capabilities, HardwareAddress);

    struct Never;

    impl embassy_net_driver::RxToken for Never {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: F) -> R {
            unreachable!("there is none")
        }
    }

    impl embassy_net_driver::TxToken for Never {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
            unreachable!("there is none")
        }
    }

    impl Driver for Described {
        type RxToken<'a> = Never;
        type TxToken<'a> = Never;

        fn receive(&mut self, _: &mut Context<'_>) -> Option<(Never, Never)> {
            None
        }

        fn transmit(&mut self, _: &mut Context<'_>) -> Option<Never> {
            None
        }

        fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
            LinkState::Up
        }

        fn capabilities(&self) -> Capabilities {
            self.0.clone()
        }

        fn hardware_address(&self) -> HardwareAddress {
            self.1
        }
    }

    const MAC: [u8; 6] = [2, 0, 0x5e, 1, 2, 3];

    #[test]
    fn what_a_driver_says_of_itself_the_stack_is_told() {
        let mut theirs = Capabilities::default();
        theirs.max_transmission_unit = 1492;
        theirs.max_burst_size = Some(3);
        theirs.checksum.ipv4 = Checksum::None;
        theirs.checksum.tcp = Checksum::Rx;
        theirs.checksum.udp = Checksum::Tx;
        let mut driver = Described(theirs, HardwareAddress::Ethernet(MAC));
        assert_eq!(mac_address(&driver), Some(EthernetAddress(MAC)));
        let ours = Adapter::with(&mut driver, |device| device.capabilities());
        assert_eq!(ours.medium, Medium::Ethernet);
        assert_eq!((ours.max_transmission_unit, ours.max_burst_size), (1492, Some(3)));
        let checksums =
            [ours.checksum.ipv4, ours.checksum.tcp, ours.checksum.udp, ours.checksum.icmpv4];
        assert!(matches!(
            checksums,
            [phy::Checksum::None, phy::Checksum::Rx, phy::Checksum::Tx, phy::Checksum::Both]
        ));
    }

    #[test]
    fn a_driver_of_packets_has_no_mac_address() {
        let mut driver = Described(Capabilities::default(), HardwareAddress::Ip);
        assert_eq!(mac_address(&driver), None);
        let medium = Adapter::with(&mut driver, |device| device.capabilities().medium);
        assert_eq!(medium, Medium::Ip);
    }

    #[test]
    #[should_panic(expected = "frames of Ethernet, or packets of IP")]
    fn a_driver_of_another_kind_is_refused() {
        let mut driver = Described(Capabilities::default(), HardwareAddress::Ieee802154([0; 8]));
        Adapter::with(&mut driver, |_| ());
    }
}
