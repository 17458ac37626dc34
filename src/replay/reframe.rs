//! A frame of the captured peer, as it is sent in the replay: to the board's port and address, with acknowledgements of
//! what the board says now, in segments that fit a frame.

use std::net::IpAddr;

use smoltcp::wire::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::actor::Actor;
use super::conversation::Protocol;
use super::packet::{ACK, ETHERNET_HEADER, FIN, PSH, Packet, TCP, Tcp, UDP, options, u32_at};
use super::recording::{Arp, Body};
use crate::link::Side;

/// The ends of a conversation in the replay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) peer_mac: EthernetAddress,
    pub(super) board_mac: EthernetAddress,
    pub(super) peer: IpAddr,
    pub(super) board: IpAddr,
}

/// The frames of that step, more than one if the captured one is longer than a frame can be.
pub(super) fn frames(actor: &Actor<'_>, step: usize, route: &Route) -> Vec<Vec<u8>> {
    let event = &actor.conversation.events[actor.conversation.script.steps[step].event];
    let packet = match &event.frame.body {
        Body::Arp(arp) => {
            let to = if arp.request { EthernetAddress::BROADCAST } else { route.board_mac };
            let frame = Arp { mac: route.peer_mac, ..*arp }.frame(to);
            return vec![frame; if event.frame.twice { 2 } else { 1 }];
        }
        Body::Ip(packet) => packet,
    };
    let mut packet = packet.clone();
    let group = packet.to.is_multicast();
    let error = packet.quoted();
    if !group {
        // A router's error is from the router.
        packet.to = route.board;
        if error.is_none() {
            packet.from = route.peer;
        }
    }
    if let Some(quoted) = error {
        requote(actor, &mut packet, &quoted, route);
    } else if matches!(packet.protocol, TCP | UDP) {
        packet.set_u16(2, actor.port);
    }
    if let Some(tcp) = packet.tcp() {
        renumber(actor, step, &mut packet, &tcp);
    }
    let to = match event.frame.to {
        Some(to) if group => to,
        _ => route.board_mac,
    };
    let frame = |packet: &Packet| packet.frame(route.peer_mac, to, event.frame.damaged);
    let parts = parts(packet);
    let mut frames: Vec<_> = parts.iter().map(frame).collect();
    if event.frame.twice {
        frames.extend(frames.clone());
    }
    frames
}

/// The frame of a segment that is for the board, with numbers that are right already.
pub(super) fn addressed(actor: &Actor<'_>, mut packet: Packet, route: &Route) -> Vec<u8> {
    (packet.from, packet.to) = (route.peer, route.board);
    packet.set_u16(2, actor.port);
    packet.frame(route.peer_mac, route.board_mac, false)
}

/// Acknowledges what the board has said now in place of what it had said then.
fn renumber(actor: &Actor<'_>, step: usize, packet: &mut Packet, tcp: &Tcp) {
    let (then, Some(now)) = (actor.conversation.script.isn[Side::Board.index()], actor.isn) else {
        return;
    };
    if tcp.has(ACK) {
        let ack = actor.acknowledgement(step, tcp.ack.wrapping_sub(then));
        packet.set_u32(8, now.wrapping_add(ack));
    }
    for (kind, range) in options(&packet.payload, tcp.header) {
        if kind != 5 {
            continue;
        }
        for at in range.step_by(4) {
            let Some(edge) = u32_at(&packet.payload, at) else { break };
            let edge = actor.acknowledgement(step, edge.wrapping_sub(then));
            packet.set_u32(at, now.wrapping_add(edge));
        }
    }
}

/// Makes an ICMP error one about what the board says now.
fn requote(actor: &Actor<'_>, packet: &mut Packet, quoted: &super::packet::Quoted, route: &Route) {
    let addresses = match (route.board, route.peer) {
        (IpAddr::V4(board), IpAddr::V4(peer)) => {
            (8 + 12, [&board.octets()[..], &peer.octets()].concat())
        }
        (IpAddr::V6(board), IpAddr::V6(peer)) => {
            (8 + 8, [&board.octets()[..], &peer.octets()].concat())
        }
        _ => return,
    };
    let (at, octets) = addresses;
    if let Some(bytes) = packet.payload.get_mut(at..at + octets.len()) {
        bytes.copy_from_slice(&octets);
    }
    packet.set_u16(quoted.at, actor.port);
    let then = actor.conversation.script.isn[Side::Board.index()];
    if let (Protocol::Tcp, Some(now)) = (actor.conversation.ends.protocol, actor.isn)
        && let Some(seq) = u32_at(&packet.payload, quoted.at + 4)
    {
        let place = actor.place(seq.wrapping_sub(then)).min(actor.said_end);
        packet.set_u32(quoted.at + 4, now.wrapping_add(place));
    }
}

/// A segment in parts that fit a frame, as the interface would have cut it.
fn parts(packet: Packet) -> Vec<Packet> {
    let room = FRAME_SIZE - ETHERNET_HEADER - packet.header.len();
    let Some(tcp) = packet.tcp().filter(|_| packet.payload.len() > room) else {
        return vec![packet];
    };
    let (header, data) = packet.payload.split_at(tcp.header);
    let chunks: Vec<_> = data.chunks(room - tcp.header).collect();
    let mut at = 0;
    let mut parts = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut part = Packet { payload: [header, chunk].concat(), ..packet.clone() };
        part.set_u32(4, tcp.seq.wrapping_add(at));
        if index + 1 < chunks.len() {
            part.payload[13] &= !(FIN | PSH);
        }
        at += chunk.len() as u32;
        parts.push(part);
    }
    parts
}
