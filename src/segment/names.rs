//! Names of protocols by their numbers, as IANA and IEEE have them.

/// `EtherType`s that are named and not looked into.
const ETHERTYPES: &[(u16, &str)] = &[
    (0x0842, "Wake-on-LAN"),
    (0x2000, "CDP"),
    (0x22f3, "TRILL"),
    (0x4305, "B.A.T.M.A.N."),
    (0x6002, "DEC MOP"),
    (0x6003, "DECnet"),
    (0x6559, "Frame Relay"),
    (0x809b, "AppleTalk"),
    (0x80f3, "AppleTalk ARP"),
    (0x8137, "IPX"),
    (0x8808, "Ethernet flow control"),
    (0x8809, "Ethernet slow protocol"),
    (0x886f, "Microsoft NLB"),
    (0x888e, "EAPOL"),
    (0x8892, "PROFINET"),
    (0x8899, "Realtek"),
    (0x88a2, "ATA over Ethernet"),
    (0x88a4, "EtherCAT"),
    (0x88ab, "Ethernet Powerlink"),
    (0x88b5, "local experiment"),
    (0x88b6, "local experiment"),
    (0x88b7, "OUI-extended EtherType"),
    (0x88b8, "GOOSE"),
    (0x88ba, "IEC 61850 sampled values"),
    (0x88cd, "SERCOS III"),
    (0x88e1, "HomePlug AV"),
    (0x88e5, "MACsec"),
    (0x88e7, "PBB"),
    (0x88f5, "MVRP"),
    (0x88f6, "MMRP"),
    (0x88f7, "PTP"),
    (0x88f8, "NC-SI"),
    (0x8902, "Ethernet CFM"),
    (0x8903, "FabricPath"),
    (0x8906, "FCoE"),
    (0x8909, "Cisco metadata"),
    (0x8914, "FCoE initialization"),
    (0x8915, "RoCE"),
    (0x891d, "TTEthernet"),
    (0x8926, "VN-tag"),
    (0x892f, "HSR"),
    (0x893a, "IEEE 1905.1"),
    (0x893f, "E-tag"),
    (0x894f, "NSH"),
    (0x9000, "Ethernet loopback test"),
    (0xf1c1, "R-tag"),
];

pub(super) fn ethertype(number: u16) -> String {
    named(ETHERTYPES, number).unwrap_or_else(|| format!("EtherType 0x{number:04x}"))
}

const PPP: &[(u16, &str)] = &[
    (0x002d, "PPP, TCP header compressed"),
    (0x002f, "PPP, TCP header not compressed"),
    (0x003d, "PPP multilink"),
    (0x00fd, "PPP compressed"),
    (0x8021, "PPP IPCP"),
    (0x8057, "PPP IPV6CP"),
    (0x80fd, "PPP CCP"),
    (0xc021, "PPP LCP"),
    (0xc023, "PPP PAP"),
    (0xc025, "PPP link quality"),
    (0xc223, "PPP CHAP"),
    (0xc227, "PPP EAP"),
];

pub(super) fn ppp(number: u16) -> String {
    named(PPP, number).unwrap_or_else(|| format!("PPP protocol 0x{number:04x}"))
}

/// Cisco's protocols in SNAP, by number.
const CISCO: &[(u16, &str)] =
    &[(0x010b, "PVST+"), (0x0111, "UDLD"), (0x2000, "CDP"), (0x2003, "VTP"), (0x2004, "DTP")];

pub(super) fn snap(organization: [u8; 3], number: u16) -> String {
    let cisco = organization == [0, 0, 0x0c];
    cisco.then(|| named(CISCO, number)).flatten().unwrap_or_else(|| {
        let [a, b, c] = organization;
        format!("SNAP {a:02x}:{b:02x}:{c:02x} 0x{number:04x}")
    })
}

/// Protocols in LLC, by service access point.
const LLC: &[(u16, &str)] =
    &[(0x42, "STP"), (0xe0, "IPX"), (0xf0, "NetBIOS"), (0xfe, "OSI"), (0xff, "IPX")];

pub(super) fn llc(point: u8) -> String {
    named(LLC, point.into()).unwrap_or_else(|| format!("LLC 0x{point:02x}"))
}

const IP: &[(u16, &str)] = &[
    (0, "hop-by-hop options"),
    (1, "ICMP"),
    (2, "IGMP"),
    (4, "IPv4"),
    (6, "TCP"),
    (8, "EGP"),
    (9, "IGRP"),
    (17, "UDP"),
    (33, "DCCP"),
    (41, "IPv6"),
    (43, "routing header"),
    (44, "fragment header"),
    (46, "RSVP"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (58, "ICMPv6"),
    (59, "no next header"),
    (60, "destination options"),
    (88, "EIGRP"),
    (89, "OSPF"),
    (97, "EtherIP"),
    (103, "PIM"),
    (108, "IPComp"),
    (112, "VRRP"),
    (115, "L2TP"),
    (124, "IS-IS"),
    (132, "SCTP"),
    (135, "Mobility"),
    (136, "UDP-Lite"),
    (137, "MPLS"),
];

/// Shown for an IP packet that is not looked into.
pub(crate) fn ip(number: u8) -> String {
    named(IP, number.into()).unwrap_or_else(|| format!("IP protocol {number}"))
}

fn named(names: &[(u16, &str)], number: u16) -> Option<String> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_string())
}
