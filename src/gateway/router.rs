//! The gateway as an IPv6 router: router advertisements (RFC 4861 6.2) with the wire's prefix, so that who wants an
//! address makes one (RFC 4862), and if names are allowed, with the gateway as their server (RFC 8106).
//!
//! It hears solicitations at the interface, before the stack, which takes no part in this. Nothing is advertised
//! before somebody has asked; from then on it is repeated at random times. To who has an address the answer goes at
//! once and alone. What goes to all comes no closer than [`MIN_DELAY`] after the last. Cost: a look at the first bytes
//! of each frame.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, Icmpv6Message, Icmpv6Packet,
    IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscPrefixInfoFlags, NdiscPrefixInformation,
    NdiscRepr, NdiscRouterFlags,
};
use tapboard_firmware::NetConfig;

use super::names::DOMAIN;
use crate::identity::{link_local, numbered_ipv6};

/// `MIN_DELAY_BETWEEN_RAS` (RFC 4861 10): how long after what went to all the next such may follow.
const MIN_DELAY: Duration = Duration::from_secs(3);
/// `MinRtrAdvInterval` and `MaxRtrAdvInterval` (RFC 4861 6.2.1), seconds.
const INTERVAL_S: [u64; 2] = [200, 600];
/// How long the gateway is a router without a further word: `AdvDefaultLifetime` is three intervals.
const LIFETIME: Duration = Duration::from_secs(3 * INTERVAL_S[1]);
/// How long addresses of the prefix are preferred, and valid (RFC 9096 3.2).
const PREFERRED: Duration = Duration::from_secs(2700);
const VALID: Duration = Duration::from_secs(5400);
/// The hop limit that shows that a packet comes from the link.
const HOP_LIMIT: u8 = 255;
/// Answers that can wait for room on the wire.
const QUEUE: usize = 8;

const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: EthernetAddress = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
const ETHERNET: usize = 14;
const IPV6: usize = 40;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

/// A solicitation's sender.
type Solicitor = (EthernetAddress, Ipv6Address);

/// What is to be advertised, and when.
#[derive(Debug)]
pub(super) struct Router {
    /// The gateway's addresses.
    own: NetConfig,
    /// The gateway is the server for names.
    names: bool,
    /// Who is to be answered alone.
    waiting: Vec<Solicitor>,
    /// When it is to be told to all.
    due: Option<Instant>,
    /// When it was last.
    last: Option<Instant>,
    /// How many advertisements were sent.
    pub(super) sent: u64,
}

impl Router {
    /// One that nobody has asked. `names`: the gateway answers questions for names.
    pub(super) const fn new(own: NetConfig, names: bool) -> Self {
        Self { own, names, waiting: Vec::new(), due: None, last: None, sent: 0 }
    }

    /// Looks at a frame that came in.
    fn hear(&mut self, frame: &[u8], now: Instant) {
        let Some((mac, source)) = solicitor(frame) else { return };
        if source.is_unspecified() {
            let earliest = self.last.map_or(now, |last| now.max(last + MIN_DELAY));
            self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
        } else if self.waiting.len() < QUEUE {
            self.waiting.push((mac, source));
        }
    }

    /// Sends what is due. Returns when there is more; `random` are bits for that.
    pub(super) fn poll<D: Device>(
        &mut self,
        now: Instant,
        random: impl FnOnce() -> u64,
        device: &mut D,
    ) -> Option<Instant> {
        let mut asked = false;
        while let Some(&(mac, to)) = self.waiting.first() {
            let Some(token) = device.transmit(now) else { return Some(now) };
            self.emit(token, (mac, to));
            self.waiting.remove(0);
            asked = true;
        }
        if self.due.is_some_and(|due| due <= now) {
            let Some(token) = device.transmit(now) else { return Some(now) };
            self.emit(token, (ALL_NODES_MAC, ALL_NODES));
            (self.last, self.due, asked) = (Some(now), None, true);
        }
        if asked && self.due.is_none() {
            let [min, max] = INTERVAL_S;
            self.due = Some(now + Duration::from_secs(min + random() % (max - min + 1)));
        }
        self.due
    }

    fn emit<T: TxToken>(&mut self, token: T, (mac, to): Solicitor) {
        let message = self.advertisement(to);
        let header = Ipv6Repr {
            src_addr: link_local(self.own.mac()),
            dst_addr: to,
            next_header: IpProtocol::Icmpv6,
            payload_len: message.len(),
            hop_limit: HOP_LIMIT,
        };
        token.consume(ETHERNET + IPV6 + message.len(), |bytes| {
            let mut frame = EthernetFrame::new_unchecked(&mut *bytes);
            frame.set_src_addr(self.own.mac());
            frame.set_dst_addr(mac);
            frame.set_ethertype(EthernetProtocol::Ipv6);
            header.emit(&mut Ipv6Packet::new_unchecked(&mut bytes[ETHERNET..]));
            bytes[ETHERNET + IPV6..].copy_from_slice(&message);
        });
        self.sent += 1;
    }

    /// The message (RFC 4861 4.2), with its checksum for `to`.
    fn advertisement(&self, to: Ipv6Address) -> Vec<u8> {
        let own = self.own.ipv6();
        let prefix = own.map(|own| NdiscPrefixInformation {
            prefix_len: own.prefix_len(),
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: VALID,
            preferred_lifetime: PREFERRED,
            prefix: numbered_ipv6(own, 0).address(),
        });
        let repr = NdiscRepr::RouterAdvert {
            hop_limit: 64,
            flags: NdiscRouterFlags::empty(),
            router_lifetime: LIFETIME,
            reachable_time: Duration::ZERO,
            retrans_time: Duration::ZERO,
            lladdr: Some(HardwareAddress::Ethernet(self.own.mac()).into()),
            mtu: None,
            prefix_info: prefix,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut Icmpv6Packet::new_unchecked(&mut bytes[..]));
        if let Some(own) = own.filter(|_| self.names) {
            bytes.extend(option(RDNSS, &own.address().octets()));
            let labels = DOMAIN.split('.').flat_map(|label| {
                [label.len() as u8].into_iter().chain(label.bytes()).collect::<Vec<_>>()
            });
            bytes.extend(option(DNSSL, &labels.chain([0]).collect::<Vec<_>>()));
        }
        let mut packet = Icmpv6Packet::new_unchecked(&mut bytes[..]);
        packet.fill_checksum(&link_local(self.own.mac()), &to);
        bytes
    }
}

/// An option of RFC 8106: a lifetime, and what it is about, in units of eight bytes.
fn option(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = (8 + content.len()).next_multiple_of(8);
    let lifetime = (LIFETIME.secs() as u32).to_be_bytes();
    let mut bytes = [&[kind, (len / 8) as u8, 0, 0], &lifetime[..], content].concat();
    bytes.resize(len, 0);
    bytes
}

/// Who sent a frame, if it is a sound router solicitation (RFC 4861 6.1.1).
fn solicitor(frame: &[u8]) -> Option<Solicitor> {
    // Nearly all frames are something else.
    if frame.get(ETHERNET + IPV6) != Some(&Icmpv6Message::RouterSolicit.into()) {
        return None;
    }
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv6 {
        return None;
    }
    let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
    let (source, destination) = (packet.src_addr(), packet.dst_addr());
    if packet.next_header() != IpProtocol::Icmpv6 || packet.hop_limit() != HOP_LIMIT {
        return None;
    }
    let message = Icmpv6Packet::new_checked(packet.payload()).ok()?;
    if message.msg_code() != 0 || !message.verify_checksum(&source, &destination) {
        return None;
    }
    if !sound(packet.payload().get(8..)?, source.is_unspecified()) {
        return None;
    }
    let mac = frame.src_addr();
    (mac.is_unicast() && !source.is_multicast()).then_some((mac, source))
}

/// Whether no option is empty or cut, nor the source's link-layer address if there may be none.
fn sound(mut options: &[u8], no_link_address: bool) -> bool {
    const SOURCE_LINK_ADDRESS: u8 = 1;
    while let [kind, units, ..] = *options {
        let len = 8 * usize::from(units);
        if len == 0 || len > options.len() || (no_link_address && kind == SOURCE_LINK_ADDRESS) {
            return false;
        }
        options = &options[len..];
    }
    options.is_empty()
}

/// A device at which a router hears what comes in.
#[derive(Debug)]
pub(super) struct Overheard<'r, D> {
    pub(super) device: D,
    pub(super) router: &'r mut Router,
}

impl<D: Device> Device for Overheard<'_, D> {
    type RxToken<'a>
        = OverheardToken<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, tx) = self.device.receive(now)?;
        Some((OverheardToken { rx, router: self.router, now }, tx))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.device.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame that a router hears.
#[derive(Debug)]
pub(super) struct OverheardToken<'a, T> {
    rx: T,
    router: &'a mut Router,
    now: Instant,
}

impl<T: RxToken> RxToken for OverheardToken<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let Self { rx, router, now } = self;
        rx.consume(|frame| {
            router.hear(frame, now);
            f(frame)
        })
    }

    fn meta(&self) -> PacketMeta {
        self.rx.meta()
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::RawHardwareAddress;
    use tapboard_firmware::PEER_NET;

    use super::*;
    use crate::nic::wire::{Side, Wire};

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);
    const OWN: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

    /// A solicitation, changed before its checksum is made.
    fn solicitation(from: Ipv6Address, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let lladdr = RawHardwareAddress::from(HardwareAddress::Ethernet(MAC));
        let lladdr = (!from.is_unspecified()).then_some(lladdr);
        let repr = NdiscRepr::RouterSolicit { lladdr };
        let mut message = vec![0; repr.buffer_len()];
        repr.emit(&mut Icmpv6Packet::new_unchecked(&mut message[..]));
        change(&mut message);
        Icmpv6Packet::new_unchecked(&mut message[..]).fill_checksum(&from, &ALL_ROUTERS);
        let header = Ipv6Repr {
            src_addr: from,
            dst_addr: ALL_ROUTERS,
            next_header: IpProtocol::Icmpv6,
            payload_len: message.len(),
            hop_limit: HOP_LIMIT,
        };
        let mut bytes = vec![0; ETHERNET + IPV6];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        frame.set_src_addr(MAC);
        frame.set_ethertype(EthernetProtocol::Ipv6);
        header.emit(&mut Ipv6Packet::new_unchecked(&mut bytes[ETHERNET..]));
        [bytes, message].concat()
    }

    /// The router on a wire.
    struct Bench {
        router: Router,
        wire: Wire,
    }

    impl Bench {
        fn new(names: bool) -> Self {
            Self { router: Router::new(PEER_NET, names), wire: Wire::default() }
        }

        /// When it has something to do next, and to whom it has sent until `now`.
        fn poll(&mut self, now: Instant) -> (Option<Instant>, Vec<EthernetAddress>) {
            let next = self.router.poll(now, || 0, &mut self.wire.end(Side::Peer));
            let sent = self.wire.in_flight(Side::Board).drain(..);
            let to = |frame: &[u8]| EthernetFrame::new_unchecked(frame).dst_addr();
            (next, sent.map(|sent| to(&sent.frame)).collect())
        }
    }

    fn at(seconds: i64) -> Instant {
        Instant::from_secs(seconds)
    }

    #[test]
    fn nobody_is_told_before_somebody_asks_and_then_again_and_again() {
        let mut bench = Bench::new(false);
        assert_eq!(bench.poll(at(0)), (None, vec![]));
        bench.router.hear(&solicitation(OWN, |_| ()), at(5));
        let min = i64::try_from(INTERVAL_S[0]).unwrap();
        assert_eq!(bench.poll(at(5)), (Some(at(5 + min)), vec![MAC]));
        assert_eq!(bench.poll(at(4 + min)), (Some(at(5 + min)), vec![]));
        let all = vec![ALL_NODES_MAC];
        assert_eq!(bench.poll(at(5 + min)), (Some(at(5 + 2 * min)), all.clone()));
        assert_eq!(bench.poll(at(5 + 2 * min)).1, all);
    }

    #[test]
    fn who_has_no_address_is_told_with_all_others_and_not_too_often() {
        let mut bench = Bench::new(false);
        let anybody = solicitation(Ipv6Address::UNSPECIFIED, |_| ());
        for _ in 0..9 {
            bench.router.hear(&anybody, at(1));
        }
        assert_eq!(bench.poll(at(1)).1, [ALL_NODES_MAC]);
        bench.router.hear(&anybody, at(2));
        assert_eq!(bench.poll(at(2)), (Some(at(4)), vec![]));
        assert_eq!(bench.poll(at(4)).1, [ALL_NODES_MAC]);
    }

    #[test]
    fn what_is_no_sound_solicitation_is_not_answered() {
        let good = solicitation(OWN, |_| ());
        assert_eq!(solicitor(&good), Some((MAC, OWN)));
        for len in 0..good.len() {
            assert_eq!(solicitor(&good[..len]), None, "{len}");
        }
        let changed = |at: usize| {
            let mut frame = good.clone();
            frame[at] ^= 1;
            frame
        };
        // From afar, with another checksum, of another kind, from a group.
        for place in [ETHERNET + 7, ETHERNET + IPV6 + 2, ETHERNET + IPV6, 6] {
            assert_eq!(solicitor(&changed(place)), None, "{place}");
        }
        assert_eq!(solicitor(&solicitation(OWN, |message| message[1] = 1)), None, "a code");
        assert_eq!(
            solicitor(&solicitation(OWN, |message| message[9] = 0)),
            None,
            "an empty option"
        );
        assert_eq!(solicitor(&solicitation(OWN, |message| message[9] = 2)), None, "a cut option");
        let anybody = Ipv6Address::UNSPECIFIED;
        let address = [1, 1, 2, 0, 0, 0, 0, 9];
        assert_eq!(solicitor(&solicitation(anybody, |message| message.extend(address))), None);
    }

    #[test]
    fn who_asks_too_much_is_not_remembered() {
        let mut bench = Bench::new(false);
        for _ in 0..100 {
            bench.router.hear(&solicitation(OWN, |_| ()), at(0));
        }
        assert_eq!(bench.poll(at(0)).1.len(), QUEUE);
    }

    #[test]
    fn a_server_for_names_is_told_of_if_there_is_one() {
        for names in [false, true] {
            let message = Router::new(PEER_NET, names).advertisement(OWN);
            let packet = Icmpv6Packet::new_checked(&message[..]).unwrap();
            assert!(packet.verify_checksum(&link_local(PEER_NET.mac()), &OWN));
            let NdiscRepr::RouterAdvert { router_lifetime, prefix_info: Some(prefix), .. } =
                NdiscRepr::parse(&packet).unwrap()
            else {
                panic!("{packet:?}")
            };
            assert_eq!(router_lifetime, LIFETIME);
            assert!(prefix.is_valid_prefix_info());
            assert_eq!((prefix.prefix.to_string().as_str(), prefix.prefix_len), ("2001:db8::", 64));
            let server = PEER_NET.ipv6().unwrap().address().octets();
            let has = |what: &[u8]| message.windows(what.len()).any(|part| part == what);
            assert_eq!(has(&[&[RDNSS, 3, 0, 0, 0, 0, 7, 8], &server[..]].concat()), names);
            assert_eq!(has(b"\x08tapboard\x08internal\x00"), names);
        }
    }
}
