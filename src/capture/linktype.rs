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
    /// Token Ring.
    pub const TOKEN_RING: Self = Self(6);
    /// ARCNET.
    pub const ARCNET: Self = Self(7);
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
    /// What `OpenBSD` shows of `IPsec`.
    pub const ENC: Self = Self(109);
    /// Linux cooked, version 1: any interface.
    pub const LINUX_SLL: Self = Self(113);
    /// What `OpenBSD`'s packet filter logs.
    pub const PFLOG: Self = Self(117);
    /// IEEE 802.11 behind a Prism header.
    pub const IEEE802_11_PRISM: Self = Self(119);
    /// IP over Fibre Channel (RFC 2625).
    pub const IP_OVER_FC: Self = Self(122);
    /// `SunATM`.
    pub const SUNATM: Self = Self(123);
    /// IEEE 802.11 behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// ARCNET, as Linux captures it.
    pub const ARCNET_LINUX: Self = Self(129);
    /// IP over IEEE 1394, as Apple captures it.
    pub const APPLE_IP_OVER_IEEE1394: Self = Self(138);
    /// DOCSIS.
    pub const DOCSIS: Self = Self(143);
    /// A private number, which Apple has used for `PKTAP`.
    pub const USER2: Self = Self(149);
    /// IEEE 802.11 behind an AVS header.
    pub const IEEE802_11_AVS: Self = Self(163);
    /// PPP with the direction in place of its address.
    pub const PPP_PPPD: Self = Self(166);
    /// Juniper's Ethernet.
    pub const JUNIPER_ETHER: Self = Self(178);
    /// Juniper's PPP.
    pub const JUNIPER_PPP: Self = Self(179);
    /// Juniper's Frame Relay.
    pub const JUNIPER_FRELAY: Self = Self(180);
    /// Juniper's HDLC.
    pub const JUNIPER_CHDLC: Self = Self(181);
    /// Any link behind a per-packet information header.
    pub const PPI: Self = Self(192);
    /// IEEE 802.15.4.
    pub const IEEE802_15_4: Self = Self(195);
    /// Endace's format.
    pub const ERF: Self = Self(197);
    /// PPP with a byte for the direction before it.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// Cisco's HDLC with a byte for the direction before it.
    pub const C_HDLC_WITH_DIR: Self = Self(205);
    /// Frame Relay with a byte for the direction before it.
    pub const FRELAY_WITH_DIR: Self = Self(206);
    /// MPLS labels.
    pub const MPLS: Self = Self(219);
    /// Solaris' IP.
    pub const IPNET: Self = Self(226);
    /// CAN, as Linux captures it.
    pub const CAN: Self = Self(227);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// IEEE 802.15.4 without its check sequence.
    pub const IEEE802_15_4_WITHOUT_FCS: Self = Self(230);
    /// What Linux's netfilter logs.
    pub const NFLOG: Self = Self(239);
    /// Ethernet behind a header of four bytes.
    pub const NETANALYZER: Self = Self(240);
    /// Likewise with the preamble.
    pub const NETANALYZER_TRANSPARENT: Self = Self(241);
    /// IP over InfiniBand.
    pub const IPOIB: Self = Self(242);
    /// What Wireshark has exported of a protocol.
    pub const EXPORTED_PDU: Self = Self(252);
    /// Linux' netlink, behind a cooked header.
    pub const NETLINK: Self = Self(253);
    /// Any link behind Apple's header.
    pub const PKTAP: Self = Self(258);
    /// Ethernet with its preamble, which may be preempted.
    pub const MPACKET: Self = Self(274);
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: Self = Self(276);
    /// Ethernet with the tag of Broadcom's switches.
    pub const BROADCOM: Self = Self(281);
    /// Ethernet behind that tag.
    pub const BROADCOM_PREPENDED: Self = Self(282);
    /// IEEE 802.15.4 behind a header with fields.
    pub const IEEE802_15_4_TAP: Self = Self(283);
    /// Ethernet with the tag of Marvell's switches.
    pub const DSA: Self = Self(284);
    /// Ethernet with their longer tag.
    pub const EDSA: Self = Self(285);
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
    (114, "LocalTalk"),
    (117, "OpenBSD pflog"),
    (119, "IEEE 802.11 with a Prism header"),
    (122, "IP over Fibre Channel"),
    (123, "SunATM"),
    (127, "IEEE 802.11 with radiotap"),
    (129, "ARCNET, Linux"),
    (130, "multilink PPP"),
    (131, "multilink Frame Relay"),
    (132, "ES PIC"),
    (133, "GGSN"),
    (134, "FRF.16"),
    (135, "ATM2"),
    (136, "services"),
    (137, "ATM1"),
    (138, "IP over IEEE 1394"),
    (139, "SS7 MTP2 with a pseudo-header"),
    (140, "SS7 MTP2"),
    (141, "SS7 MTP3"),
    (142, "SS7 SCCP"),
    (143, "DOCSIS"),
    (144, "Linux IrDA"),
    (163, "IEEE 802.11 with an AVS header"),
    (164, "monitor"),
    (165, "BACnet MS/TP"),
    (166, "PPP of pppd"),
    (167, "PPPoE"),
    (168, "PPPoE over ATM"),
    (177, "Linux LAPD"),
    (178, "Juniper Ethernet"),
    (179, "Juniper PPP"),
    (180, "Juniper Frame Relay"),
    (181, "Juniper HDLC"),
    (182, "FRF.16"),
    (183, "voice"),
    (186, "USB, FreeBSD"),
    (187, "Bluetooth HCI H4"),
    (189, "USB, Linux"),
    (192, "PPI"),
    (194, "ISM"),
    (195, "IEEE 802.15.4"),
    (196, "SITA"),
    (197, "ERF"),
    (199, "IPMB, Linux"),
    (200, "secure tunnel"),
    (201, "Bluetooth HCI H4 with a direction"),
    (204, "PPP with a direction"),
    (205, "Cisco HDLC with a direction"),
    (206, "Frame Relay with a direction"),
    (209, "IPMB, Linux"),
    (219, "MPLS"),
    (220, "USB, Linux, memory-mapped"),
    (221, "DECT"),
    (224, "Fibre Channel"),
    (226, "Solaris ipnet"),
    (227, "CAN, SocketCAN"),
    (228, "raw IPv4"),
    (229, "raw IPv6"),
    (230, "IEEE 802.15.4 without FCS"),
    (231, "D-Bus"),
    (235, "DVB-CI"),
    (237, "STANAG 5066"),
    (239, "Linux netfilter log"),
    (240, "Hilscher netANALYZER"),
    (241, "Hilscher netANALYZER, transparent"),
    (242, "IP over InfiniBand"),
    (247, "InfiniBand"),
    (248, "SCTP"),
    (249, "USBPcap"),
    (250, "RTAC serial"),
    (251, "Bluetooth LE"),
    (252, "Wireshark's exported PDUs"),
    (253, "Linux netlink"),
    (254, "Bluetooth Linux Monitor"),
    (255, "Bluetooth BR/EDR"),
    (256, "Bluetooth LE with a pseudo-header"),
    (258, "Apple PKTAP"),
    (262, "Z-Wave"),
    (266, "USB, macOS"),
    (271, "vsock"),
    (272, "Nordic BLE sniffer"),
    (274, "Ethernet mPackets"),
    (276, "Linux cooked v2"),
    (281, "Broadcom switch tags"),
    (282, "Broadcom switch tags, prepended"),
    (283, "IEEE 802.15.4 with TAP"),
    (284, "DSA"),
    (285, "EDSA"),
    (288, "USB 2.0"),
    (289, "ETW"),
];

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name);
        let name = name.or((147..=162).contains(&self.0).then_some("private use"));
        write!(f, "{} ({})", name.unwrap_or("link type"), self.0)
    }
}
