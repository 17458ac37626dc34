//! SYN cookies (RFC 4987 3.6): a connection request is answered without a slot, and when the peer acknowledges that, all
//! that is needed of its SYN is in the number which it gives back.
//!
//! That number is what only we can compute of the two ends, of the peer's own number and of the time; and in seven bits of
//! it, combined with the rest so that it looks as random as any, what the SYN said: one of four segment sizes, the window
//! scale, and whether SACK is permitted. Who has not seen it guesses one in 2^23. Cost: seven blocks of `SipHash`, and up to
//! four times as many to take one back.

use core::num::{NonZeroU8, NonZeroU16};

use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

use super::held::{Held, clock};
use super::isn::{ENDS, input};
use crate::frame::{FourTuple, Segment};
use crate::limits::COOKIE_SHIFT;
use crate::secret::Secret;

/// Segment sizes that a cookie can tell: what everybody takes, and those of common links with IPv6 and IPv4.
const SIZES: [u16; 4] = [536, 1220, 1440, 1460];

/// Bits for the segment size, for the window scale, of which no host has more than 14, and for SACK. A scale is one more
/// than it is.
const SCALE_SHIFT: u32 = 2;
const SCALE: u32 = 15;
const SACK: u32 = 1 << 6;
const OPTIONS: u32 = SACK | (SACK - 1);
/// They are the first bits, so that no number soon behind a cookie is one: what acknowledges some of our text, too, is no
/// handshake's end.
const BITS: u32 = OPTIONS.count_ones();

impl Secret {
    /// The number with which a SYN is answered. `None`: its segments are so short that this cannot tell.
    pub(crate) fn cookie(&self, syn: &Held, now: Instant) -> Option<TcpSeqNumber> {
        let most = syn.max_seg_size.map_or(SIZES[0], NonZeroU16::get);
        let size = SIZES.iter().rposition(|&size| size <= most)? as u32;
        let scale = u32::from(syn.window_scale.map_or(0, NonZeroU8::get)) << SCALE_SHIFT;
        let options = size | scale | if syn.sack_permitted { SACK } else { 0 };
        let cookie = self.veil(&syn.ends, syn.seq_number, epoch(now)) ^ options.rotate_right(BITS);
        Some(TcpSeqNumber(cookie.cast_signed()))
    }

    /// The SYN that was answered with the cookie which `segment` acknowledges, be it by a probe of whether we live, whose number
    /// is one less (RFC 9293 3.8.4). `None`: it is none of ours, or too old.
    #[inline(never)]
    pub(crate) fn syn_of(&self, segment: &Segment<'_>, now: Instant) -> Option<Held> {
        let ends = segment.received_on();
        let cookie = (segment.ack? - 1).0.cast_unsigned();
        let (mut seq, mut age) = (segment.seq - 1, 0);
        let options = loop {
            let veil = self.veil(&ends, seq, epoch(now).wrapping_sub(age));
            let options = (cookie ^ veil).rotate_left(BITS);
            if options <= OPTIONS {
                break options;
            }
            if age == 0 {
                age = 1;
            } else if seq != segment.seq {
                (seq, age) = (segment.seq, 0);
            } else {
                return None;
            }
        };
        Some(Held {
            at: clock(now),
            seq_number: seq,
            ends,
            window_len: segment.window,
            max_seg_size: NonZeroU16::new(SIZES[options as usize % SIZES.len()]),
            window_scale: NonZeroU8::new((options >> SCALE_SHIFT & SCALE) as u8),
            sack_permitted: options & SACK != 0,
            repeats: 0,
        })
    }

    /// What nobody else knows of a request, in this part of time.
    fn veil(&self, ends: &FourTuple, seq: TcpSeqNumber, epoch: u32) -> u32 {
        let mut input = input(ends);
        input[ENDS..ENDS + 4].copy_from_slice(&seq.0.to_be_bytes());
        input[ENDS + 4..].copy_from_slice(&epoch.to_be_bytes());
        self.hash(&input) as u32
    }
}

const fn epoch(now: Instant) -> u32 {
    (now.total_micros() >> COOKIE_SHIFT) as u32
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use smoltcp::time::Duration;
    use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, TcpControl};

    use super::super::isn::randomness::check_random;
    use super::*;
    use crate::limits::COOKIE;
    use crate::rng::Rng;
    use crate::workaround::inject::{InjectedSegment, bare};

    const SEQ: TcpSeqNumber = TcpSeqNumber(-3);

    fn ends(host: u8, port: u16) -> FourTuple {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        FourTuple { local: end(1, 7), remote: end(host, port) }
    }

    fn syn(ends: FourTuple, size: u16, scale: Option<u8>, sack: bool) -> Held {
        Held {
            at: 0,
            seq_number: SEQ,
            ends,
            window_len: 500,
            max_seg_size: NonZeroU16::new(size),
            window_scale: scale.and_then(|scale| NonZeroU8::new(scale + 1)),
            sack_permitted: sack,
            repeats: 0,
        }
    }

    /// The SYN for which `cookie` is given back, behind the number `seq`.
    fn back(
        secret: &Secret,
        ends: FourTuple,
        seq: TcpSeqNumber,
        cookie: TcpSeqNumber,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let ack = bare(TcpControl::None, &ends, seq + 1, Some(cookie + 1), 500);
        let ack = InjectedSegment::new(&ack, &ends);
        let syn = secret.syn_of(&ack.segment().unwrap(), now)?;
        Some(syn.write().bytes().to_vec())
    }

    #[test]
    fn what_a_syn_said_comes_back() {
        let secret = Secret::new(1);
        let ends = ends(2, 1000);
        let now = Instant::from_secs(1000);
        let sizes = [
            (0, 536),
            (536, 536),
            (1219, 536),
            (1220, 1220),
            (1452, 1440),
            (1460, 1460),
            (u16::MAX, 1460),
        ];
        for (size, told) in sizes {
            for scale in (0..=14).map(Some).chain([None]) {
                for sack in [false, true] {
                    let cookie = secret.cookie(&syn(ends, size, scale, sack), now).unwrap();
                    let again = back(&secret, ends, SEQ, cookie, now).unwrap();
                    assert_eq!(again, syn(ends, told, scale, sack).write().bytes());
                }
            }
        }
        assert_eq!(secret.cookie(&syn(ends, 535, None, false), now), None);
    }

    #[test]
    fn a_cookie_is_good_for_the_same_ends_and_number_for_a_while() {
        let secret = Secret::new(2);
        let one = ends(2, 1000);
        let sent = Instant::from_secs(3000);
        let cookie = secret.cookie(&syn(one, 1460, Some(7), true), sent).unwrap();
        let good = |ends, seq, now| back(&secret, ends, seq, cookie, now).is_some();
        assert!(good(one, SEQ, sent) && good(one, SEQ, sent + COOKIE));
        assert!(!good(one, SEQ, sent + COOKIE * 2) && !good(one, SEQ, sent - COOKIE));
        // A probe of whether we live is as good.
        assert!(good(one, SEQ - 1, sent) && good(one, SEQ - 1, sent + COOKIE));
        assert!(!good(one, SEQ + 1, sent) && !good(one, SEQ - 2, sent));
        let swapped = FourTuple { local: one.remote, remote: one.local };
        for other in [ends(3, 1000), ends(2, 1001), swapped] {
            assert!(!good(other, SEQ, sent));
        }
        assert!(back(&Secret::new(3), one, SEQ, cookie, sent).is_none());
    }

    /// Whoever it is of and whenever: the numbers that wrap, both ends of each part of time.
    #[test]
    fn all_that_fits_into_a_cookie_comes_back_for_all_ends_and_times() {
        let secret = Secret::new(6);
        let mut rng = Rng::new(1);
        let part = COOKIE.total_micros().cast_signed();
        for begin in [0, 1, 2, 1 << 20] {
            for at in [0, 1, part / 2, part - 1] {
                let sent = Instant::from_micros(begin * part + at);
                for seq in [0, 1, -1, -2, i32::MAX, i32::MIN].map(TcpSeqNumber) {
                    for ends in any_ends(&mut rng) {
                        let (size, scale) = (SIZES[rng.below(4) as usize], rng.below(16) as u8);
                        let scale = (scale < 15).then_some(scale);
                        let said =
                            Held { seq_number: seq, ..syn(ends, size, scale, rng.below(2) > 0) };
                        let cookie = secret.cookie(&said, sent).unwrap();
                        // Until the part after this one is over, and not a microsecond more.
                        let end = (begin + 2) * part;
                        for (now, good) in [
                            (sent.total_micros(), true),
                            ((begin + 1) * part - 1, true),
                            (end - 1, true),
                            (end, false),
                            (begin * part - 1, false),
                        ] {
                            let now = Instant::from_micros(now);
                            let again = back(&secret, ends, seq, cookie, now);
                            let wanted = good.then(|| said.write().bytes().to_vec());
                            assert_eq!(again, wanted, "{ends:?} {seq} from {sent} at {now}");
                        }
                    }
                }
            }
        }
    }

    /// A flipped bit in what identifies a connection makes it another's. One in the highest seven of the cookie tells of other
    /// options, which its owner may well have named; any other is one guess, good with a probability of 2^-23.
    #[test]
    fn with_any_bit_flipped_it_is_refused_or_says_something_else_of_its_owner() {
        let secret = Secret::new(7);
        let mut rng = Rng::new(2);
        let now = Instant::from_secs(1000);
        for round in 0..16 {
            let seq = TcpSeqNumber(rng.next_u64() as i32);
            for ends in any_ends(&mut rng) {
                let said = Held { seq_number: seq, ..syn(ends, 1460, Some(7), round % 2 > 0) };
                let cookie = secret.cookie(&said, now).unwrap();
                assert!(back(&secret, ends, seq, cookie, now).is_some());
                for bit in 0..32 {
                    let other = TcpSeqNumber(cookie.0 ^ (1 << bit));
                    let told = back(&secret, ends, seq, other, now);
                    assert_eq!(told.is_some(), bit >= 32 - BITS, "bit {bit}");
                    let itself = said.write();
                    assert!(told.is_none_or(|told| told != itself.bytes()));
                    // The number before the right one is a probe's.
                    let other = TcpSeqNumber(seq.0 ^ (1 << bit));
                    let good = back(&secret, ends, other, cookie, now).is_some();
                    assert_eq!(good, other + 1 == seq, "bit {bit} of the number");
                }
                for bit in 0..16 {
                    let mut others = [ends; 2];
                    others[0].local.port ^= 1 << bit;
                    others[1].remote.port ^= 1 << bit;
                    for other in
                        others.into_iter().filter(|it| it.local.port.min(it.remote.port) > 0)
                    {
                        assert!(back(&secret, other, seq, cookie, now).is_none(), "{other:?}");
                    }
                }
                for other in with_addresses_changed(&ends) {
                    assert!(back(&secret, other, seq, cookie, now).is_none(), "{other:?}");
                }
            }
        }
    }

    /// A pair of ends for each protocol there is.
    fn any_ends(rng: &mut Rng) -> Vec<FourTuple> {
        let mut octets = || rng.next_u64().to_be_bytes();
        let v4 = |first: u8, octets: [u8; 8]| {
            IpAddress::Ipv4(Ipv4Address::new(first, octets[0], octets[1], octets[2]))
        };
        let ports = octets();
        let addresses = [
            (v4(192, octets()), v4(10, octets())),
            #[cfg(feature = "ipv6")]
            {
                let mut v6 = || {
                    let mut all = [0x20; 16];
                    all[1..9].copy_from_slice(&octets());
                    IpAddress::Ipv6(all.into())
                };
                (v6(), v6())
            },
        ];
        let ports = [1, 3].map(|at| u16::from_be_bytes([ports[at] | 1, ports[at + 1]]));
        let pair = |(local, remote)| FourTuple {
            local: IpEndpoint::new(local, ports[0]),
            remote: IpEndpoint::new(remote, ports[1]),
        };
        addresses.into_iter().map(pair).collect()
    }

    /// The same with each bit of its addresses flipped.
    fn with_addresses_changed(ends: &FourTuple) -> Vec<FourTuple> {
        let flipped = |address: IpAddress, bit: usize| {
            let flip = |bytes: &mut [u8]| bytes[bit / 8] ^= 1 << (bit % 8);
            match address {
                IpAddress::Ipv4(address) => {
                    let mut bytes = address.octets();
                    flip(&mut bytes);
                    IpAddress::Ipv4(bytes.into())
                }
                #[cfg(feature = "ipv6")]
                IpAddress::Ipv6(address) => {
                    let mut bytes = address.octets();
                    flip(&mut bytes);
                    IpAddress::Ipv6(bytes.into())
                }
            }
        };
        let bits = if matches!(ends.local.addr, IpAddress::Ipv4(_)) { 32 } else { 128 };
        let change = |bit| {
            let mut others = [*ends; 2];
            others[0].local.addr = flipped(ends.local.addr, bit);
            others[1].remote.addr = flipped(ends.remote.addr, bit);
            others
        };
        (0..bits).flat_map(change).collect()
    }

    #[test]
    fn what_acknowledges_text_too_gives_no_cookie_back() {
        let secret = Secret::new(6);
        let (ends, now) = (ends(2, 1000), Instant::from_secs(1000));
        let cookie = secret.cookie(&syn(ends, 1460, Some(7), true), now).unwrap();
        let good = |behind: usize| back(&secret, ends, SEQ, cookie + behind, now).is_some();
        assert_eq!((0..100_000).filter(|&behind| good(behind)).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn of_a_quarter_of_a_million_guesses_none_is_right() {
        let secret = Secret::new(4);
        let now = Instant::from_secs(5);
        // Spread over all numbers, of which one in 2^23 is good.
        let guesses = (0..1 << 18).map(|guess: i32| TcpSeqNumber(guess << 14));
        let right = |&guess: &_| back(&secret, ends(2, 1000), SEQ, guess, now).is_some();
        assert_eq!(guesses.filter(right).count(), 0);
    }

    #[test]
    fn cookies_look_as_random_as_other_numbers() {
        let secret = Secret::new(5);
        let mut cookies = Vec::new();
        for host in 2..18 {
            for port in 1..=12_500 {
                let now = Instant::ZERO + Duration::from_millis(port.into());
                let cookie = secret.cookie(&syn(ends(host, port), 1460, Some(7), true), now);
                cookies.push(cookie.unwrap().0.cast_unsigned());
            }
        }
        check_random(&cookies).unwrap();
    }
}
