//! Who boots when, and how often that counts.

use smoltcp::time::Duration;

use super::*;
use crate::fleet::options::Uplink;
use crate::link::LinkOptions;
use crate::nic::Offloads;
use crate::nic::wire::{Side, Wire};
use crate::run::{Profile, RunOptions};
use crate::settings::Telemetry;

const BOARDS: u32 = 4;

/// Boards 1 to 4, of which one gets power each quarter of a second.
fn fleet() -> Fleet {
    let options = FleetOptions {
        boards: BOARDS,
        first: 1,
        net: "198.18.0.0/15".parse().unwrap(),
        uplink: Uplink::None { time: Duration::from_secs(1) },
        listen: None,
        faults: LinkOptions::default(),
        run: RunOptions {
            profile: Profile::Mcu,
            telemetry: Telemetry::Off,
            settings: None,
            token: None,
            offloads: Offloads::NONE,
            pcap: None,
            ladder: false,
            dashboard: false,
            script: None,
            metrics: None,
            link: LinkOptions::default(),
        },
    };
    let config = |_| BoardConfig { profile: Profile::Mcu, telemetry: None, token: None };
    let others = |_, _| unreachable!("boards alone");
    Fleet::new(&options, config, 1, Instant::ZERO, std::iter::empty(), others)
}

/// Turns up to that time.
fn run(fleet: &mut Fleet, until: i64) {
    let mut wire = Wire::default();
    while fleet.now.total_millis() < until {
        let now = fleet.now + Duration::from_millis(10);
        fleet.turn(now, &mut wire.end(Side::Board));
    }
}

fn power(fleet: &mut Fleet, boards: &str, on: bool) {
    let boards = boards.parse().unwrap();
    let action = BoardsAction::Power(on);
    fleet.carry_out(&BoardsCommand { boards, action }).unwrap();
}

#[test]
fn power_on_again_before_a_boot_neither_counts_it_twice_nor_puts_it_off() {
    let mut fleet = fleet();
    run(&mut fleet, 400);
    assert_eq!((fleet.up(), fleet.boots.get()), (2, 2));
    power(&mut fleet, "all", true);
    run(&mut fleet, 600);
    assert_eq!((fleet.up(), fleet.boots.get()), (3, 3), "its time was half a second");
    power(&mut fleet, "all", true);
    run(&mut fleet, 2000);
    assert_eq!((fleet.up(), fleet.boots.get(), fleet.cuts), (4, 4, 0));
    assert!(fleet.tell().contains("4 boots, 0 power cuts"), "{}", fleet.tell());
}

#[test]
fn who_is_cut_off_before_its_boot_has_not_booted() {
    let mut fleet = fleet();
    run(&mut fleet, 400);
    power(&mut fleet, "3-4", false);
    run(&mut fleet, 2000);
    assert_eq!((fleet.up(), fleet.boots.get(), fleet.cuts), (2, 2, 0));
    power(&mut fleet, "1,3", false);
    power(&mut fleet, "1", true);
    run(&mut fleet, 4000);
    assert_eq!((fleet.up(), fleet.boots.get(), fleet.cuts), (2, 3, 1));
}
