//! Initial sequence numbers by RFC 6528: `ISN = M + F(local address, local port, remote address, remote port, secret)`,
//! where `M` counts 4 us each and `F` is `SipHash`-2-4.
//!
//! Nobody can tell one from another without the secret, and those of one four-tuple grow, so that a segment of an
//! old connection is not taken for one of the next. smoltcp is given the number by [`crate::workaround::isn`]. Cost: five
//! blocks of `SipHash` a connection.

use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint, TcpSeqNumber};

use crate::frame::FourTuple;
use crate::secret::Secret;
use crate::seq::distance;

/// How far behind the last number of a connection in TIME-WAIT the next one of the same ends begins, should the timer not
/// be there yet: more than any window that was ever open.
const BEHIND_LAST: usize = 1 << 17;

impl Secret {
    /// The sequence number of our SYN on a connection that begins at `now`; it is later than `last`, the last number of
    /// an earlier connection between the same ends.
    pub(crate) fn isn(
        &self,
        ends: &FourTuple,
        now: Instant,
        last: Option<TcpSeqNumber>,
    ) -> TcpSeqNumber {
        // The timer wraps as sequence numbers do, every 4.8 hours.
        let timer = (now.total_micros() >> 2) as u32;
        let hash = self.hash(&input(ends)[..ENDS]) as u32;
        let isn = TcpSeqNumber(hash.wrapping_add(timer).cast_signed());
        match last {
            Some(last) if distance(isn, last) <= 0 => last + BEHIND_LAST,
            _ => isn,
        }
    }
}

/// Bytes of two ends.
pub(super) const ENDS: usize = 36;

/// The two ends, and room for eight bytes more.
#[cfg_attr(feature = "syn-cookies", inline(never))]
pub(super) fn input(ends: &FourTuple) -> [u8; ENDS + 8] {
    let mut input = [0; ENDS + 8];
    put(&mut input[..18], ends.local);
    put(&mut input[18..ENDS], ends.remote);
    input
}

/// Writes an address, an IPv4 one as IPv6 has it (RFC 4291 2.5.5.2), and a port.
fn put(to: &mut [u8], endpoint: IpEndpoint) {
    match endpoint.addr {
        IpAddress::Ipv4(address) => {
            to[10..12].fill(0xff);
            to[12..16].copy_from_slice(&address.octets());
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => to[..16].copy_from_slice(&address.octets()),
        // smoltcp's own features may be wider than ours when a workspace unifies them.
        #[allow(unreachable_patterns)]
        _ => {}
    }
    to[16..18].copy_from_slice(&endpoint.port.to_be_bytes());
}

#[cfg(test)]
pub(super) mod randomness;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use smoltcp::wire::Ipv4Address;

    use super::randomness::check_random;
    use super::*;
    use crate::rng::Rng;

    fn ends(host: u8, port: u16) -> FourTuple {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        FourTuple { local: end(1, 7), remote: end(host, port) }
    }

    #[test]
    fn every_part_of_the_four_tuple_counts_and_so_does_the_secret() {
        let secret = Secret::new(1);
        let isn = |ends: &FourTuple| secret.isn(ends, Instant::ZERO, None);
        let one = ends(2, 1000);
        let swapped = FourTuple { local: one.remote, remote: one.local };
        let mut other_port = one;
        other_port.local.port = 9;
        let mut other_host = one;
        other_host.local.addr = Ipv4Address::new(192, 0, 2, 9).into();
        for other in [ends(3, 1000), ends(2, 1001), other_port, other_host, swapped] {
            assert_ne!(isn(&one), isn(&other));
        }
        assert_eq!(isn(&one), isn(&ends(2, 1000)));
        assert_ne!(isn(&one), Secret::new(1 | 1 << 63).isn(&one, Instant::ZERO, None));
    }

    #[test]
    fn the_timer_goes_on_by_one_each_four_microseconds_and_wraps() {
        let secret = Secret::new(2);
        let at = |micros: i64| secret.isn(&ends(2, 1000), Instant::from_micros(micros), None);
        assert_eq!(at(3), at(0));
        assert_eq!(at(4), at(0) + 1);
        assert_eq!(distance(at(4_000_000), at(0)), 1_000_000);
        assert_eq!(at(4 << 32), at(0));
    }

    #[test]
    fn the_number_after_time_wait_is_later_than_the_last_one() {
        let secret = Secret::new(3);
        let ends = ends(2, 1000);
        let isn = secret.isn(&ends, Instant::ZERO, None);
        for ahead in [0, 1, 1 << 20, (1 << 31) - 1] {
            let last = isn + ahead;
            assert_eq!(secret.isn(&ends, Instant::ZERO, Some(last)), last + BEHIND_LAST);
        }
        let last = TcpSeqNumber(isn.0.wrapping_sub(1));
        assert_eq!(secret.isn(&ends, Instant::ZERO, Some(last)), isn);
    }

    #[test]
    fn a_million_numbers_across_four_tuples_look_random() {
        let secret = Secret::new(5);
        let mut numbers = Vec::new();
        for host in 2..18 {
            for port in 1..=62_500 {
                let now = Instant::from_micros(i64::from(port) * 1001);
                let timer = (now.total_micros() / 4) as u32;
                let isn = secret.isn(&ends(host, port), now, None).0.cast_unsigned();
                numbers.push(isn.wrapping_sub(timer));
            }
        }
        assert_eq!(numbers.len(), 1_000_000);
        check_random(&numbers).unwrap();
        // By chance, about 116 have come before.
        numbers.sort_unstable();
        numbers.dedup();
        assert!((40..250).contains(&(1_000_000 - numbers.len())));
    }

    #[test]
    fn the_check_finds_what_is_not_random() {
        let mut rng = Rng::new(1);
        let random: Vec<u32> = (0..200_000).map(|_| rng.next_u64() as u32).collect();
        check_random(&random).unwrap();
        let counter: Vec<u32> = (0..200_000).collect();
        check_random(&counter).unwrap_err();
        let biased: Vec<u32> =
            random.iter().map(|number| number | u32::from(number % 50 == 0) << 9).collect();
        check_random(&biased).unwrap_err();
        let repeated: Vec<u32> =
            random.chunks(8).flat_map(|few| [few, &few[7..]].concat()).collect();
        check_random(&repeated).unwrap_err();
    }
}
