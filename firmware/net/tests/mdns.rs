//! A name in the network, in virtual time: how it is found, told, and lost.

mod answers;
mod conflicts;
mod message;
mod phases;

use std::net::Ipv4Addr;

use crate::common::{World, config};
use message::{Message, frame, message};
use tapboard_net::NetConfig;
use tapboard_net::mdns::Service;
use tapboard_net::smoltcp::time::{Duration, Instant};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const RESPONSE: u16 = 0x8400;
const SERVICES: &[Service] =
    &[Service { kind: "_echo._tcp", port: 7 }, Service { kind: "_telnet._tcp", port: 23 }];

fn board(last: u8) -> NetConfig {
    config(last).with_hostname("Board").with_mdns(SERVICES)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What node `index` says from now on for so long, and when.
fn heard(world: &mut World, index: usize, time: Duration) -> Vec<(Instant, Message)> {
    let (end, mut said) = (world.now + time, Vec::new());
    let mut rounds = 0;
    loop {
        let any = world.poll_due();
        let frames = world.nodes[index].port.take_sent();
        said.extend(frames.iter().filter_map(|frame| Some((world.now, Message::parse(frame)?))));
        if any {
            rounds += 1;
            assert!(rounds < 1000, "busy at {}", world.now);
            continue;
        }
        rounds = 0;
        match world.next_event() {
            Some(at) if at <= end => world.now = world.now.max(at),
            _ => break,
        }
    }
    world.now = end;
    said
}

/// A board, 192.0.2.1, whose name is known.
fn settled() -> World {
    let mut world = World::ethernet();
    world.add(&board(1));
    heard(&mut world, 0, Duration::from_secs(10));
    assert_eq!(label(&mut world, 0).as_deref(), Some("board"));
    world
}

/// Says something to the group, or to whom it is for, from 192.0.2.9.
fn say(world: &World, port: u16, to: Ipv4Addr, bytes: &[u8]) {
    world.probe.send(world.now, &frame(9, port, to, bytes));
}

/// What is answered within a second to a question to the group.
fn asked(world: &mut World, entries: &[(usize, Vec<u8>)]) -> Vec<(Duration, Message)> {
    say(world, 5353, GROUP, &message(0, 0, entries));
    let start = world.now;
    heard(world, 0, ms(1000)).into_iter().map(|(at, message)| (at - start, message)).collect()
}

/// The name of node `index`, once it is known.
fn label(world: &mut World, index: usize) -> Option<String> {
    world.stack(index).mdns_label().map(|label| label.as_str().to_string())
}
