//! What reads bytes that anybody may have sent, each by itself, for the fuzzer. No part of the crate's interface.
//!
//! What is read is handed to [`black_box`], so that all of it is.

use core::hint::black_box;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::dhcp::Lease;
use crate::dhcp::message::Received;
use crate::dns::{Lookup, Name};
use crate::dns_message::{self, Header, Reader};
use crate::frame::membership::Query;
use crate::frame::quote::QuotedSegment;
#[cfg(feature = "redirects")]
use crate::frame::redirect::Redirect;
use crate::frame::{Content, Frame, Medium, Segment};
use crate::mdns::{Label, Records, Service};
use crate::sntp::Clock;

/// A frame with all that may be in it: headers, options, discovery, advertisements, redirects, errors about segments.
pub fn frame(bytes: &[u8]) {
    for medium in [Medium::Ethernet, Medium::Ip] {
        let Some(frame) = Frame::parse(bytes, medium) else { continue };
        black_box(&frame.link);
        match frame.content {
            Content::Packet(packet) => {
                black_box(Query::parse(&packet));
                black_box(QuotedSegment::parse(&packet, &ChecksumCapabilities::ignored()));
                #[cfg(feature = "redirects")]
                black_box(Redirect::parse_ipv4(&packet, &ChecksumCapabilities::ignored()));
                if let Some(segment) = Segment::parse(&packet) {
                    black_box((segment.is_sound(true), segment.window_scale()));
                    black_box((segment.repr(), segment.sack_ranges(), segment.sequence_len()));
                }
            }
            Content::Advertisement(advertisement) => {
                advertisement.advice().for_each(|advice| {
                    black_box(advice);
                });
            }
            content => {
                black_box(content);
            }
        }
    }
}

/// A DHCP server's message, and the lease that it would be.
pub fn dhcp(message: &[u8], mac: EthernetAddress) {
    let Some(received) = Received::parse(message, mac) else { return };
    let server = Ipv4Address::new(192, 0, 2, 2);
    black_box(Lease::granted(&received, server, server, Instant::ZERO));
}

/// The answer to the question of this number for the addresses, of both kinds, of `name`, as it is encoded.
pub fn dns(message: &[u8], id: u16, name: &[u8]) {
    let mut lookup = Lookup::new();
    (lookup.name, lookup.asking.id) = (Name::of_bytes(name), id);
    for kind in [dns_message::A, dns_message::AAAA] {
        lookup.asking.kind = kind;
        black_box(lookup.read(message));
    }
}

/// A message of multicast DNS to a host of this name and with these services and addresses.
pub fn mdns(message: &[u8], label: &[u8], services: &[Service], own: &[IpCidr]) {
    let records = Records::new(Label::of_bytes(label), services, own);
    let Some(Header { counts: [questions, answers, claims, _], .. }) = Header::read(message) else {
        return;
    };
    let mut reader = Reader::new(message);
    let mut wanted = None;
    for _ in 0..questions {
        let Some(question) = reader.question() else { return };
        let name = records.name(message, question.name);
        wanted = wanted.or(name.map(|name| records.answers(name, question.kind)));
    }
    let mut others = reader.clone();
    for _ in 0..answers {
        let Some(record) = others.record() else { break };
        black_box(records.find(message, &record));
    }
    if let Some(mut wanted) = wanted {
        records.leave_out(&mut wanted, &mut reader.clone(), answers);
        black_box(records.further(wanted));
    }
    black_box(records.gives_way(&mut others, claims));
}

/// A time server's answer to the question with this number.
pub fn sntp(message: &[u8], nonce: u64) {
    let mut clock = Clock::new(Instant::ZERO);
    clock.ask(IpAddress::v4(192, 0, 2, 2), 50_000, nonce, Instant::ZERO);
    clock.left(Instant::ZERO);
    black_box(clock.answer(message, Instant::from_millis(3)));
    black_box(clock.unix_micros(Instant::from_millis(3)));
}
