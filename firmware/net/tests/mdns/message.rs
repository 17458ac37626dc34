//! Messages of multicast DNS, read and made by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tapboard_net::smoltcp::phy::ChecksumCapabilities;
use tapboard_net::smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

#[cfg(feature = "ipv6")]
use tapboard_net::smoltcp::wire::Ipv6Packet;

use crate::common::mac;

pub(crate) const A: u16 = 1;
pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;
pub(crate) const NSEC: u16 = 47;
pub(crate) const ANY: u16 = 255;

/// A record, or a question, which has neither time nor data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// As text: an address, a name, `port name`, or the bytes.
    pub(crate) data: String,
}

/// A message, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) to_mac: EthernetAddress,
    pub(crate) from: (IpAddr, u16),
    pub(crate) to: (IpAddr, u16),
    pub(crate) hop_limit: u8,
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// Questions, answers, authorities, further records.
    pub(crate) sections: [Vec<Entry>; 4],
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The name at `at`, and where what follows it begins.
fn name(bytes: &[u8], mut at: usize) -> (String, usize) {
    let (mut labels, mut end) = (Vec::new(), None);
    loop {
        let len = usize::from(bytes[at]);
        match len {
            0 => return (labels.join("."), end.unwrap_or(at + 1)),
            0xc0.. => {
                end = end.or(Some(at + 2));
                at = usize::from(word(bytes, at) & 0x3fff);
            }
            _ => {
                labels.push(String::from_utf8(bytes[at + 1..=at + len].to_vec()).unwrap());
                at += 1 + len;
            }
        }
    }
}

fn std_address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(address) => address.into(),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.into(),
    }
}

impl Message {
    /// Reads a frame, if it is one from or to port 5353; what is in it must be sound.
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let (source, destination, hop_limit, payload): (IpAddress, IpAddress, _, _) = match ethernet
            .ethertype()
        {
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).unwrap();
                assert!(ip.verify_checksum());
                if ip.next_header() != IpProtocol::Udp {
                    return None;
                }
                (ip.src_addr().into(), ip.dst_addr().into(), ip.hop_limit(), ip.payload().to_vec())
            }
            #[cfg(feature = "ipv6")]
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(ethernet.payload()).unwrap();
                if ip.next_header() != IpProtocol::Udp {
                    return None;
                }
                (ip.src_addr().into(), ip.dst_addr().into(), ip.hop_limit(), ip.payload().to_vec())
            }
            _ => return None,
        };
        let udp = UdpPacket::new_checked(&payload[..]).unwrap();
        assert!(udp.verify_checksum(&source, &destination));
        if udp.src_port() != 5353 && udp.dst_port() != 5353 {
            return None;
        }
        let bytes = udp.payload();
        let mut at = 12;
        let sections = [0, 1, 2, 3].map(|section| {
            let entries = 0..word(bytes, 4 + 2 * section);
            let read = |_| {
                let (owner, next) = name(bytes, at);
                let (kind, class) = (word(bytes, next), word(bytes, next + 2));
                at = next + 4;
                let (mut ttl, mut data) = (0, String::new());
                if section > 0 {
                    ttl = u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2));
                    let (begin, len) = (at + 6, usize::from(word(bytes, at + 4)));
                    at = begin + len;
                    let raw = &bytes[begin..at];
                    data = match kind {
                        A => Ipv4Addr::from(<[u8; 4]>::try_from(raw).unwrap()).to_string(),
                        AAAA => Ipv6Addr::from(<[u8; 16]>::try_from(raw).unwrap()).to_string(),
                        PTR => name(bytes, begin).0,
                        SRV => format!("{} {}", word(raw, 4), name(bytes, begin + 6).0),
                        NSEC => {
                            let (next, map) = name(bytes, begin);
                            format!("{next} {:02x?}", &bytes[map..at])
                        }
                        _ => format!("{raw:02x?}"),
                    };
                }
                Entry { name: owner, kind, class, ttl, data }
            };
            entries.map(read).collect()
        });
        assert_eq!(at, bytes.len(), "nothing is behind the last record");
        Some(Self {
            to_mac: ethernet.dst_addr(),
            from: (std_address(source), udp.src_port()),
            to: (std_address(destination), udp.dst_port()),
            hop_limit,
            id: word(bytes, 0),
            flags: word(bytes, 2),
            sections,
        })
    }

    /// The records of a section, as `name type data`.
    pub(crate) fn said(&self, section: usize) -> Vec<String> {
        let text = |entry: &Entry| format!("{} {} {}", entry.name, entry.kind, entry.data);
        let mut said: Vec<_> = self.sections[section].iter().map(text).collect();
        said.sort();
        said
    }
}

/// A name in a message, without pointers.
pub(crate) fn spelled(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// A question.
pub(crate) fn question(name: &str, kind: u16, class: u16) -> Vec<u8> {
    [&spelled(name)[..], &kind.to_be_bytes(), &class.to_be_bytes()].concat()
}

/// A record.
pub(crate) fn record(name: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    [&question(name, kind, 0x8001)[..], &ttl.to_be_bytes(), &len.to_be_bytes(), data].concat()
}

/// A message of these entries, of which each has its section.
pub(crate) fn message(id: u16, flags: u16, entries: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [id, flags, 0, 0, 0, 0].map(u16::to_be_bytes).concat();
    for (section, entry) in entries {
        bytes[5 + 2 * section] += 1;
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// A frame with such a message, from 192.0.2.`last` to `to`.
pub(crate) fn frame(last: u8, port: u16, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    frame_from(Ipv4Addr::new(192, 0, 2, last), last, port, to, payload)
}

pub(crate) fn frame_from(
    from: Ipv4Addr,
    last: u8,
    port: u16,
    to: Ipv4Addr,
    payload: &[u8],
) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let mut frame = vec![0; 14 + 20 + 8 + payload.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_src_addr(mac(last));
    let group = EthernetAddress([1, 0, 0x5e, 0, 0, 0xfb]);
    ethernet.set_dst_addr(if to.is_multicast() { group } else { mac(to.octets()[3]) });
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 255,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    UdpRepr { src_port: port, dst_port: 5353 }.emit(
        &mut UdpPacket::new_unchecked(&mut frame[34..]),
        &from.into(),
        &to.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &checksums,
    );
    frame
}
