use core::net::Ipv4Addr;
use std::string::ToString;

use super::*;

#[test]
fn a_row_lines_up_with_the_heading() {
    let row = Row {
        protocol: Protocol::Tcp,
        receive_queue: 1,
        send_queue: 22,
        local_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        local_port: 7,
        remote: Some("192.0.2.2:49152".parse().unwrap()),
        state: "ESTABLISHED",
    };
    let line = row.to_string();
    for (heading, value) in
        [("Local", "192.0.2.1:7"), ("Remote", "192.0.2.2:49152"), ("State", "ESTABLISHED")]
    {
        assert_eq!(Row::HEADING.find(heading), line.find(value), "{line}");
    }
    let listener = Row { local_address: None, remote: None, state: "LISTEN", ..row };
    assert!(listener.to_string().contains(" *:7  "), "{listener}");
}

#[test]
#[cfg(feature = "ipv6")]
fn addresses_are_written_as_core_does() {
    use core::net::Ipv6Addr;

    let mut rng = crate::rng::Rng::new(1);
    for address in 0..=u8::MAX {
        let zeros = |index: u32| address >> index & 1 == 0;
        let segment = |index| if zeros(index as u32) { 0 } else { rng.next_u64() as u16 };
        let address = IpAddr::V6(Ipv6Addr::from(core::array::from_fn::<u16, 8, _>(segment)));
        // Nobody has the address of IPv4 that core finds in this one.
        if !address.to_string().contains('.') {
            assert_eq!(Plain(&address).to_string(), address.to_string());
        }
    }
    let address = IpAddr::V4(Ipv4Addr::new(1, 20, 255, 0));
    assert_eq!(Plain(&address).to_string(), address.to_string());
}

#[test]
fn facts_are_read_as_a_list() {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for (fact, line) in [
        (Fact::Mac([2, 0, 0x5e, 0, 0, 10]), "mac      02:00:5e:00:00:0a"),
        (Fact::Address(address, 24, Origin::Static), "address  192.0.2.1/24 static"),
        (Fact::Gateway(address), "gateway  192.0.2.1"),
        (Fact::Dns(address), "dns      192.0.2.1"),
        (Fact::Lease(address, 60), "lease    60 s left, of 192.0.2.1"),
    ] {
        assert_eq!(fact.to_string(), line);
    }
}

#[test]
fn counters_are_listed_in_field_order_and_end() {
    let counters = Counters { polls: 3, stalls: 9, ..Counters::default() };
    assert_eq!(counters.get(0), Some(("polls", 3)));
    let last = (0..).map_while(|index| counters.get(index)).last();
    assert_eq!(last, Some(("stalls", 9)));
}
