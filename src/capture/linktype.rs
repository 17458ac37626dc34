//! Link types: what the frames of a capture begin with, by the registry's number and name.

use std::fmt;

/// A `LINKTYPE_` number of the registry (`draft-ietf-opsawg-pcaplinktype`). Shown as its name and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the protocol family in the byte order of who captured.
    pub const NULL: Self = Self(0);
    /// Ethernet, without preamble.
    pub const ETHERNET: Self = Self(1);
    /// SLIP behind a header of 16 bytes.
    pub const SLIP: Self = Self(8);
    /// PPP, perhaps in HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// FDDI.
    pub const FDDI: Self = Self(10);
    /// Raw IP, as some systems number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, as `OpenBSD` numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing, or Cisco's.
    pub const PPP_HDLC: Self = Self(50);
    /// `PPPoE`, from its header on.
    pub const PPP_ETHER: Self = Self(51);
    /// LLC over ATM (RFC 2684).
    pub const ATM_RFC1483: Self = Self(100);
    /// Raw IP, of the version that its first byte says.
    pub const RAW: Self = Self(101);
    /// Cisco's HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// IP over ATM (RFC 2225), with or without LLC.
    pub const ATM_CLIP: Self = Self(106);
    /// Frame Relay (RFC 2427).
    pub const FRELAY: Self = Self(107);
    /// `OpenBSD` loopback: the protocol family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked, version 1: any interface.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// IP over IEEE 1394, as Apple captures it.
    pub const APPLE_IP_OVER_IEEE1394: Self = Self(138);
    /// PPP with a byte for the direction before it.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// What Linux's netfilter logs.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// Those that are met and not drawn, and those above.
const NAMES: &[(u16, &str)] = &[
    (0, "BSD loopback"),
    (1, "Ethernet"),
    (3, "AX.25"),
    (6, "Token Ring"),
    (7, "ARCNET"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (12, "raw IP"),
    (14, "raw IP"),
    (50, "PPP in HDLC framing"),
    (51, "PPPoE"),
    (100, "ATM"),
    (101, "raw IP"),
    (104, "Cisco HDLC"),
    (105, "IEEE 802.11"),
    (106, "classical IP over ATM"),
    (107, "Frame Relay"),
    (108, "OpenBSD loopback"),
    (109, "OpenBSD IPsec"),
    (113, "Linux cooked v1"),
    (117, "OpenBSD pflog"),
    (119, "IEEE 802.11 with a Prism header"),
    (122, "IP over Fibre Channel"),
    (123, "SunATM"),
    (127, "IEEE 802.11 with radiotap"),
    (129, "ARCNET, Linux"),
    (137, "Juniper ATM1"),
    (138, "IP over IEEE 1394"),
    (139, "SS7 MTP2 with a pseudo-header"),
    (140, "SS7 MTP2"),
    (141, "SS7 MTP3"),
    (142, "SS7 SCCP"),
    (143, "DOCSIS"),
    (144, "Linux IrDA"),
    (163, "IEEE 802.11 with an AVS header"),
    (165, "BACnet MS/TP"),
    (177, "Linux LAPD"),
    (178, "Juniper Ethernet"),
    (187, "Bluetooth HCI H4"),
    (189, "USB, Linux"),
    (192, "PPI"),
    (195, "IEEE 802.15.4"),
    (197, "ERF"),
    (201, "Bluetooth HCI H4 with a direction"),
    (204, "PPP with a direction"),
    (220, "USB, Linux, memory-mapped"),
    (224, "Fibre Channel"),
    (226, "Solaris ipnet"),
    (227, "CAN, SocketCAN"),
    (228, "raw IPv4"),
    (229, "raw IPv6"),
    (230, "IEEE 802.15.4 without FCS"),
    (231, "D-Bus"),
    (239, "Linux netfilter log"),
    (240, "Hilscher netANALYZER"),
    (242, "IP over InfiniBand"),
    (247, "InfiniBand"),
    (248, "SCTP"),
    (249, "USBPcap"),
    (251, "Bluetooth LE"),
    (252, "Wireshark's exported PDUs"),
    (253, "Linux netlink"),
    (254, "Bluetooth Linux Monitor"),
    (256, "Bluetooth LE with a pseudo-header"),
    (258, "Apple PKTAP"),
    (271, "vsock"),
    (272, "Nordic BLE sniffer"),
    (276, "Linux cooked v2"),
    (283, "IEEE 802.15.4 with TAP"),
    (288, "USB 2.0"),
];

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name);
        let name = name.or((147..=162).contains(&self.0).then_some("private use"));
        write!(f, "{} ({})", name.unwrap_or("link type"), self.0)
    }
}
