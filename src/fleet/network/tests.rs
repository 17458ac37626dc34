//! Who runs when, and what arrives.

use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr};

use super::super::machine::next_turn;
use super::super::nic::QUEUE;
use super::*;
use crate::link::Setting;
use crate::nic::wire::{self, InFlight, Wire};

const SECOND: Instant = Instant::from_millis_const(1000);

fn mac(machine: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5e, 0, 0, machine])
}

fn frame(from: u8, to: EthernetAddress) -> Vec<u8> {
    let mut frame = vec![0; 60];
    let ethertype = EthernetProtocol::Unknown(0x88b5);
    let ethernet = EthernetRepr { src_addr: mac(from), dst_addr: to, ethertype };
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame
}

/// Machines that send back what they get, in the same words, and wake a second after each turn.
fn echoes(machines: u8) -> Network {
    let boot = |index: usize, mailbox: Rc<Mailbox>| {
        Running::new(async move {
            loop {
                if mailbox.ask.take() == Ask::Poll {
                    let now = mailbox.now.get();
                    let nic = &mut *mailbox.nic.borrow_mut();
                    if let Some((rx, tx)) = nic.receive(now) {
                        rx.consume(|got| {
                            tx.consume(got.len(), |sent| {
                                sent.copy_from_slice(&frame(index as u8, mac(9)));
                            });
                        });
                    }
                    mailbox.next.set(Some(now + Duration::from_secs(1)));
                }
                next_turn().await;
            }
        })
    };
    let links = (0..machines).map(|seed| Link::new(seed.into()));
    let mut network = Network::new(links, Box::new(boot));
    for machine in 0..machines {
        network.switch.add(machine.into(), mac(machine), []);
        network.power_on(machine.into(), Instant::ZERO, Instant::ZERO);
    }
    network
}

/// A turn; when the next is due, and the senders of what came out.
fn turn(network: &mut Network, now: Instant, sent: &[Vec<u8>]) -> (Option<Instant>, Vec<u8>) {
    let mut wire = Wire::default();
    let to_us = sent.iter().map(|frame| InFlight { at: now, frame: frame.clone() });
    wire.in_flight(Side::Board).extend(to_us);
    let next = network.turn(now, &mut wire.end(Side::Board));
    let out = wire.in_flight(Side::Peer).drain(..).map(|frame| frame.frame[11]).collect();
    (next, out)
}

#[test]
fn who_has_a_frame_or_whose_time_has_come_runs() {
    let mut network = echoes(3);
    let now = Instant::ZERO;
    assert_eq!(turn(&mut network, now, &[]), (Some(SECOND), vec![]));
    let half = Instant::from_millis(500);
    assert_eq!(turn(&mut network, half, &[frame(9, mac(1))]), (Some(SECOND), vec![1]));
    assert_eq!(turn(&mut network, SECOND, &[]), (Some(half + Duration::from_secs(1)), vec![]));
    let all = turn(&mut network, SECOND, &[frame(9, EthernetAddress::BROADCAST)]);
    assert_eq!(all, (Some(SECOND + Duration::from_secs(1)), vec![0, 1, 2]));
}

#[test]
fn deadlines_that_move_leave_nothing_behind() {
    let mut network = echoes(2);
    for micros in 0..1000 {
        turn(&mut network, Instant::from_micros(micros), &[frame(9, mac(0))]);
    }
    assert!(network.agenda.len() <= 4 * 2 + 1, "{} entries", network.agenda.len());
}

#[test]
fn a_power_cut_takes_what_was_there_and_hears_nothing() {
    let mut network = echoes(2);
    turn(&mut network, Instant::ZERO, &[]);
    // It takes one a turn.
    let three = vec![frame(9, mac(0)); 3];
    assert_eq!(turn(&mut network, Instant::ZERO, &three).1, [0]);
    network.power_off(0);
    assert_eq!((network.is_up(0), network.is_up(1)), (false, true));
    let both = [frame(9, mac(0)), frame(9, mac(1))];
    assert_eq!(turn(&mut network, SECOND, &both).1, [1]);
    let later = SECOND + Duration::from_secs(5);
    network.power_on(0, later, SECOND);
    assert_eq!(turn(&mut network, SECOND, &both).1, [1], "not yet");
    assert_eq!(turn(&mut network, later, &[]).1, [0; 0], "nothing was kept for it");
    assert_eq!(turn(&mut network, later, &both).1, [0, 1]);
}

#[test]
fn a_frame_takes_its_time_on_a_machines_own_cable() {
    let mut network = echoes(2);
    turn(&mut network, Instant::ZERO, &[]);
    network.link_mut(0).set(None, Setting::Delay(Duration::from_millis(40)));
    let at = |millis| Instant::from_millis(millis);
    let both = [frame(9, mac(0)), frame(9, mac(1))];
    assert_eq!(turn(&mut network, at(1), &both), (Some(at(41)), vec![1]));
    assert_eq!(turn(&mut network, at(41), &[]), (Some(at(81)), vec![]));
    assert_eq!(turn(&mut network, at(81), &[]).1, [0]);
}

#[test]
fn a_flood_holds_nobody_up_and_is_bounded() {
    let mut network = echoes(1);
    turn(&mut network, Instant::ZERO, &[]);
    let flood = vec![frame(9, mac(0)); 2 * QUEUE];
    let (next, _) = turn(&mut network, Instant::ZERO, &flood);
    assert_eq!(next, Some(Instant::ZERO), "there is more");
    assert_eq!(network.overrun(), QUEUE as u64);
}

#[test]
fn what_the_uplink_takes_in_part_is_not_lost() {
    let mut network = echoes(9);
    turn(&mut network, Instant::ZERO, &[]);
    let mut ask = |left: usize| {
        let mut wire = Wire::default();
        let asked = InFlight { at: Instant::ZERO, frame: frame(9, EthernetAddress::BROADCAST) };
        wire.in_flight(Side::Board).push_back(asked.clone());
        wire.in_flight(Side::Peer).extend(vec![asked; wire::QUEUE - left]);
        let next = network.turn(Instant::ZERO, &mut wire.end(Side::Board));
        let sent = wire.in_flight(Side::Peer).len() - (wire::QUEUE - left);
        let (_, rest) = turn(&mut network, Instant::ZERO, &[]);
        (next, sent, rest.len(), network.dropped)
    };
    assert_eq!(ask(5), (Some(Instant::ZERO), 5, 4, 0));
    // It leads nowhere.
    assert_eq!(ask(0), (Some(SECOND), 0, 0, 9));
}

#[test]
fn those_that_get_power_together_get_it_within_a_second_and_not_at_once() {
    let times: Vec<_> = (0..4).map(|index| spread(SECOND, index, 4).total_millis()).collect();
    assert_eq!(times, [1000, 1250, 1500, 1750]);
    assert_eq!(spread(SECOND, 0, 1), SECOND);
}
