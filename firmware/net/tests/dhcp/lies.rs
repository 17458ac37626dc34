//! Servers that do not do as they should.

use tapboard_net::smoltcp::wire::{DhcpMessageType, Ipv4Address};

use super::server::{Lies, Server};
use super::{address, client, pass, seconds};
use crate::common::{World, mac, v4};

/// How much a client says in ten minutes to a server with these lies, and which address it ends with.
fn talk(prepare: impl FnOnce(&mut Server)) -> (usize, Option<Ipv4Address>) {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    prepare(&mut server);
    world.add(&client(2));
    pass(&mut world, &mut [&mut server], seconds(600));
    (server.heard.len(), world.stack(0).ipv4())
}

fn lying(lies: Lies) -> (usize, Option<Ipv4Address>) {
    talk(|server| server.lies = lies)
}

#[test]
fn what_is_no_lease_is_not_taken_and_not_asked_for_all_the_time() {
    let none = Lies::default;
    let address = |address: [u8; 4]| Lies { address: Some(address.into()), ..none() };
    let mask = |mask: [u8; 4]| Lies { mask: Some(mask.into()), ..none() };
    for lies in [
        Lies { nak: true, ..none() },
        Lies { server: Some(v4(7)), ..none() },
        Lies { server: Some(v4(7)), nak: true, ..none() },
        Lies { server: Some(Ipv4Address::UNSPECIFIED), ..none() },
        Lies { xid: true, ..none() },
        Lies { client: Some(mac(3)), ..none() },
        Lies { corrupt: true, ..none() },
        address([192, 0, 2, 51]),
        address([0, 0, 0, 0]),
        address([255, 255, 255, 255]),
        address([224, 0, 0, 1]),
        address([127, 0, 0, 1]),
        mask([0, 0, 0, 0]),
        mask([255, 0, 255, 0]),
        // The network's own address, and that of all its hosts.
        Lies { offer: Some(v4(48)), mask: Some([255, 255, 255, 240].into()), ..none() },
        Lies { offer: Some(v4(63)), mask: Some([255, 255, 255, 240].into()), ..none() },
        Lies { offer: Some([127, 0, 0, 5].into()), ..none() },
        Lies { offer: Some([0, 0, 0, 5].into()), ..none() },
        Lies { offer: Some([240, 0, 0, 5].into()), ..none() },
        Lies { seconds: Some(0), ..none() },
        Lies { seconds: Some(19), ..none() },
    ] {
        let (said, own) = lying(lies.clone());
        assert!((4..=130).contains(&said), "{said} messages in 600 s: {lies:?}");
        let own = own.unwrap_or_else(|| panic!("one of its own choice: {lies:?}"));
        assert!(own.is_link_local(), "{own}: {lies:?}");
    }
}

#[test]
fn a_lease_of_no_time_is_none() {
    for lease in [0, 1, 19] {
        let (said, own) = talk(|server| server.seconds = lease);
        assert!((4..=30).contains(&said), "{said} messages in 600 s: {lease} s");
        assert!(own.is_some_and(|own| own.is_link_local()));
    }
    for lease in [20, u32::MAX] {
        let (_, own) = talk(|server| server.seconds = lease);
        assert_eq!(own, Some(v4(50)), "{lease}");
    }
}

#[test]
fn times_that_make_no_sense_do_not_make_it_busy() {
    for times in [(0, 1), (0, 0), (1, 2), (u32::MAX, 0), (3600, 3600)] {
        let (said, own) = talk(|server| server.times = Some(times));
        assert_eq!(own, Some(v4(50)), "{times:?}");
        assert!(said < 130, "{said} messages in 600 s: {times:?}");
    }
}

#[test]
fn only_its_server_ends_a_lease_and_only_when_asked() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    // Each ACK comes three times.
    server.lies.repeats = 2;
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    let lease = world.stack(0).lease().unwrap().clone();
    // A NAK to each message of the client that was ever seen, by the same server and by another one.
    let mut rogue = Server::new(&world, 7, 60);
    (rogue.lies.nak, rogue.seconds) = (true, 3600);
    pass(&mut world, &mut [&mut server, &mut rogue], seconds(1000));
    assert_eq!(world.stack(0).lease(), Some(&lease));
    // At the renewal the rogue hears nothing, but says no to whoever there is.
    let frames = server.port.take_sent();
    for frame in frames {
        let mut nak = frame.clone();
        // The kind of the message, and a checksum of none.
        let kind = 14 + 20 + 8 + 240 + 2;
        if nak.len() > kind && nak[kind] == 5 {
            nak[kind] = 6;
            nak[40..42].copy_from_slice(&[0, 0]);
            rogue.port.send(world.now, &nak);
        }
    }
    pass(&mut world, &mut [&mut server, &mut rogue], seconds(10));
    assert_eq!(world.stack(0).lease(), Some(&lease), "a late NAK is no answer");
    pass(&mut world, &mut [&mut server, &mut rogue], seconds(1000));
    let renewed = world.stack(0).lease().expect("renewed");
    assert!(renewed.expires > lease.expires && renewed.server == v4(1));
    assert_eq!(server.count(DhcpMessageType::Discover), 1);
}

#[test]
fn of_two_offers_the_first_is_taken_and_its_server_alone_is_heard() {
    let mut world = World::ethernet();
    let mut first = Server::new(&world, 1, 50);
    let mut second = Server::new(&world, 4, 80);
    // It says no to a request that was not for it.
    second.lies.nak = true;
    world.add(&client(2));
    let own = address(&mut world, &mut [&mut first, &mut second], 0);
    assert_eq!(own.address(), v4(50));
    assert_eq!(world.stack(0).lease().unwrap().server, v4(1));
}
