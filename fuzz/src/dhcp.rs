//! A board that asks for its addresses, and servers and routers that answer as they should, nearly so, or not at all.
//!
//! It fails as [`sockets`](super::sockets) does, and
//! - if an IPv4 address is used that is neither leased, in time, nor link-local, or an IPv6 one that it cannot have made;
//! - if the board says more than a few frames a second in the long run;
//! - if it has no address an hour after everybody has fallen silent.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress, EthernetFrame, EthernetProtocol, IpCidr, Ipv4Address,
};
use tapboard_firmware::config::DATAGRAM_SIZE;
use tapboard_firmware::netstat::Origin;
use tapboard_firmware::{BOARD_NET, BoardSockets, NetStack};

use super::alone::{Alone, Rules};
use super::frames::{Datagram, endpoint, fix_checksums};
use super::input::Input;
use super::memory::Memory;
use super::nic::Nic;
use super::router;

/// Frames a second in the long run: renewals at their fastest, probes, and questions for who is gone.
const FRAMES_PER_S: u64 = 6;
/// And at once, and for each frame that comes in.
const BURST: u64 = 200;
const FOR_EACH: u64 = 4;
/// How long an address is probed at the longest.
const PROBED: Duration = Duration::from_secs(8);
/// How long it takes to choose an address at the longest, with ten conflicts before it, seconds.
const SETTLED_S: u32 = 100;

/// What holds at any time.
fn check(stack: &NetStack<'_>, now: Instant) {
    let config = stack.config();
    let all = stack.interface().ip_addrs().iter().filter_map(|own| match own {
        IpCidr::Ipv6(own) => Some(own.address()),
        IpCidr::Ipv4(_) => None,
    });
    for own in all.filter(|own| config.slaac() && !own.is_unicast_link_local()) {
        let [first, .., a, b, c, d] = own.segments();
        let made = (a, b, c, d) == (0, 0x5eff, 0xfe00, 1);
        assert!(made && !own.is_multicast() && first & 0xffc0 != 0xfe80, "{own}");
    }
    let gateway = config.ipv6_gateway();
    assert!(!config.slaac() || gateway.is_none_or(|router| router.is_unicast_link_local()));
    let Some(own) = config.ipv4() else {
        assert!(stack.lease().is_none());
        return;
    };
    match stack.ipv4_origin() {
        Some(Origin::Dhcp) => {
            let lease = stack.lease().expect("an address in use is leased");
            assert!(now < lease.expires && lease.address == own, "{own}: {lease:?}");
        }
        Some(Origin::LinkLocal) => assert!(own.address().is_link_local(), "{own}"),
        origin => assert_eq!((origin, config.dhcp()), (Some(Origin::Static), false)),
    }
}

/// The board and who answers it.
struct World<'a> {
    board: Alone<'a>,
}

impl World<'_> {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0..=6 => self.answer(input),
            16..=20 => self.board.give(router::advertisement(input)),
            21 | 22 => self.board.give(router::neighbor(input)),
            7..=9 => {
                let times = [1, 10, 1000, 3000, 9000, 20_000, 70_000, 600_000, 4_000_000];
                self.board.pass(Duration::from_millis(input.pick(&times)));
            }
            10 => {
                self.board.provoke();
                self.board.stack.link_up();
            }
            11 | 12 => self.speak_of_an_address(input),
            13 => {
                let noise = Datagram {
                    from: endpoint("192.0.2.2:67"),
                    to: endpoint("255.255.255.255:68"),
                    payload: input.take(300).to_vec(),
                };
                self.board.give(noise.frame());
            }
            14 => self.board.nic.room = input.one_in(2).then(|| input.below(3)),
            _ => {
                let config = *self.board.stack.config();
                let config = match input.below(8) {
                    0 => config.with_ipv4(BOARD_NET.ipv4().expect("it has one")),
                    1 => config.without_ipv4(),
                    2 => config.without_ipv6(),
                    3 => config.with_ipv6(BOARD_NET.ipv6().expect("it has one")),
                    _ => config.with_dhcp().with_slaac(),
                };
                // It announces its addresses and asks anew.
                self.board.provoke();
                self.board.stack.reconfigure(&config);
            }
        }
        self.board.turn();
    }

    /// A server's answer to one of the last messages.
    fn answer(&mut self, input: &mut Input<'_>) {
        let number = input.below(self.board.heard.len().max(1));
        let Some(message) = self.board.heard.get(self.board.heard.len().wrapping_sub(1 + number))
        else {
            return;
        };
        let packet =
            DhcpPacket::new_checked(&message.payload[..]).expect("its own message is whole");
        let request = DhcpRepr::parse(&packet).expect("and sound");
        let usual = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            _ => DhcpMessageType::Ack,
        };
        let kinds = [DhcpMessageType::Nak, DhcpMessageType::Offer, DhcpMessageType::Ack];
        let message_type = if input.one_in(4) { input.pick(&kinds) } else { usual };
        let wanted = request
            .requested_ip
            .filter(|_| !input.one_in(8))
            .or_else(|| Some(request.client_ip).filter(|address| !address.is_unspecified()));
        let server = Ipv4Address::new(192, 0, 2, input.pick(&[2, 2, 2, 3]));
        let lease = input.pick(&[3600, 60, 0, 19, 20, u32::MAX, 86_400, 120]);
        let times = [input.pick(&[0, 1, 10, u32::MAX]), input.pick(&[1, 15, 40, u32::MAX])];
        let times = times.map(u32::to_be_bytes);
        let (routers, further) = (input.pick(&[0, 0, 0, 8]), input.pick(&[0, 0, 0, 40]));
        let (routers, further) = (input.take(routers), input.take(further));
        let [t1, t2] = &times;
        let mut options = vec![
            DhcpOption { kind: 58, data: t1 },
            DhcpOption { kind: 59, data: t2 },
            DhcpOption { kind: 3, data: routers },
            DhcpOption { kind: input.byte(), data: further },
        ];
        // More often none than all.
        options.truncate(input.pick(&[0, 0, 0, 1, 2, 3, 4]));
        let masks = [0xffff_ff00, 0xffff_ff00, 0xffff_ff00, 0, u32::MAX, 0xff00_ff00, 0xffff_fffc];
        let random = |input: &mut Input<'_>| Ipv4Address::from_bits(input.long());
        let address = wanted.unwrap_or(Ipv4Address::new(192, 0, 2, 50 + input.byte() % 4));
        let strange = [input.one_in(16), input.one_in(16), input.one_in(16)];
        let answer = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id ^ u32::from(strange[0]),
            secs: 0,
            client_hardware_address: if strange[1] {
                EthernetAddress([2; 6])
            } else {
                request.client_hardware_address
            },
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: if strange[2] { random(input) } else { address },
            server_ip: server,
            router: input.one_in(2).then_some(server),
            subnet_mask: (!input.one_in(16)).then(|| Ipv4Address::from_bits(input.pick(&masks))),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: (!input.one_in(16)).then_some(server),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: (!input.one_in(8)).then_some(lease),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &options,
        };
        let mut payload = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut payload[..])).expect("it has room");
        if input.one_in(8) {
            let at = usize::from(input.word()) % payload.len();
            payload[at] = input.byte();
        }
        if input.one_in(16) {
            payload.truncate(usize::from(input.word()) % payload.len());
        }
        let to = if input.one_in(2) { address } else { Ipv4Address::BROADCAST };
        let from = if input.one_in(16) { random(input) } else { server };
        let datagram = Datagram { from: (from, 67).into(), to: (to, 68).into(), payload };
        let mut frame = datagram.frame();
        if input.one_in(16) {
            let at = usize::from(input.word()) % frame.len();
            frame[at] ^= 1 << input.below(8);
            if input.one_in(2) {
                fix_checksums(&mut frame);
            }
        }
        self.board.give(frame);
    }

    /// ARP about an address that the board has, wants, or may choose: an announcement or a probe.
    fn speak_of_an_address(&mut self, input: &mut Input<'_>) {
        let own = self.board.stack.config().ipv4().map(|own| own.address());
        let last = 50 + input.byte() % 4;
        let address = own.filter(|_| !input.one_in(2)).unwrap_or(Ipv4Address::new(192, 0, 2, last));
        let owner = if input.one_in(2) { address } else { Ipv4Address::UNSPECIFIED };
        let mac = EthernetAddress([2, 0, 0x5e, 0, 0, input.pick(&[9, 9, 1])]);
        let arp = ArpRepr::EthernetIpv4 {
            operation: if input.one_in(2) { ArpOperation::Reply } else { ArpOperation::Request },
            source_hardware_addr: mac,
            source_protocol_addr: owner,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        let mut frame = vec![0; 14 + arp.buffer_len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.set_src_addr(mac);
        ethernet.set_dst_addr(EthernetAddress::BROADCAST);
        ethernet.set_ethertype(EthernetProtocol::Arp);
        arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
        self.board.give(frame);
    }
}

/// Runs a program. Returns whether the board had a lease at some time.
///
/// # Panics
/// As the module's documentation says.
#[must_use]
pub fn run(program: &[u8]) -> bool {
    let mut input = Input::new(program);
    let mut memory = Memory::<2048, DATAGRAM_SIZE>::new();
    let mut sockets = BoardSockets::new();
    let mut nic = Nic::new(input.below(8));
    let now = Instant::from_millis(i64::from(input.word()));
    let config = BOARD_NET.with_dhcp().with_slaac().with_hostname("board");
    let entropy = u64::from(input.byte());
    let stack = NetStack::new(&config, &mut nic, now, entropy, memory.buffers(), &mut sockets);
    let hears = |datagram: &Datagram| datagram.to.port == 67;
    let rules = Rules { frames: [FRAMES_PER_S, BURST, FOR_EACH], hears, check };
    let mut world = World { board: Alone::new(stack, nic, now, rules) };
    let mut leased = false;
    if !input.one_in(4) {
        // Behind the last byte of a program, all is as it should be.
        for _ in 0..2 {
            world.answer(&mut Input::new(&[]));
            world.board.turn();
        }
        world.board.pass(PROBED);
        leased = world.board.stack.lease().is_some();
        assert!(leased, "no lease from a good server");
    }
    while !input.is_empty() {
        world.step(&mut input);
        leased |= world.board.stack.lease().is_some();
    }
    world.board.nic.room = None;
    world.board.stack.reconfigure(&config);
    world.board.turn();
    world.board.pass(Duration::from_secs(3600));
    // A long lease may have ended just now.
    for _ in 0..SETTLED_S {
        if world.board.stack.config().ipv4().is_some() {
            return leased;
        }
        world.board.pass(Duration::from_secs(1));
    }
    panic!("no address after an hour of silence");
}
