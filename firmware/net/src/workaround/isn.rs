//! smoltcp uses an initial sequence number of our choice.
//!
//! smoltcp 0.14 (socket/tcp.rs:1063 and 1919, `random_seq_no`) takes it from the interface's generator (rand.rs, sPCG32),
//! whose state follows from three of its outputs. The generator cannot be replaced, but it can be seeded, and its step
//! can be gone back. So a connection request is shown to its socket, and `connect` is called, through an interface made for
//! that alone, whose seed makes the generator give the number wanted; the answer then goes out through the board's own.
//! `NetStack::check_isn` finds out at the first poll whether that comes true. Cost: an [`Interface`] of about 400 bytes on the call stack, once
//! a connection.

use smoltcp::iface::Interface;
use smoltcp::phy::DeviceCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, TcpSeqNumber};

use crate::ip_interface;

/// The generator's factor (rand.rs:18), its inverse modulo 2^64, and its summand (rand.rs:19).
const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
const INVERSE: u64 = inverse(FACTOR);
const SUMMAND: u64 = 0x7590_ef39;

/// The number that makes 1 with an odd `factor`, by Newton's iteration: each step doubles the bits that are right.
const fn inverse(factor: u64) -> u64 {
    let mut inverse = factor;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

/// The state before `state`.
const fn back(state: u64) -> u64 {
    state.wrapping_sub(SUMMAND).wrapping_mul(INVERSE)
}

/// The generator's output in `state` (rand.rs:24).
const fn output(state: u64) -> u32 {
    (state >> (29 - (state >> 61))) as u32
}

/// The seed whose second number is `isn`. The first is `ipv4_id` (iface/interface/mod.rs:254), which is drawn again while
/// it is zero: of the 2^29 states that give `isn`, one is taken behind which that does not happen.
pub(crate) const fn seed(isn: u32) -> u64 {
    let mut state = (isn as u64) << 29;
    loop {
        let first = back(state);
        let drawn = output(first);
        if (drawn ^ drawn >> 16) as u16 != 0 {
            return back(first);
        }
        // A different one in 65,536 each time: this ends.
        state += 1;
    }
}

/// An interface with the address `own`, whose next socket that takes a SYN, or connects, uses `isn`.
#[inline(never)]
pub(crate) fn interface(
    isn: TcpSeqNumber,
    own: IpAddress,
    capabilities: &DeviceCapabilities,
    now: Instant,
) -> Interface {
    ip_interface::host(own, capabilities, now, seed(isn.0.cast_unsigned()))
}

/// Whether the first state that would do is not good for `isn`.
#[cfg(test)]
pub(crate) const fn is_drawn_again(isn: u32) -> bool {
    back(back((isn as u64) << 29)) != seed(isn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// smoltcp's generator, as its documentation of it has it.
    struct Generator(u64);

    impl Generator {
        fn next(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(FACTOR).wrapping_add(SUMMAND);
            output(self.0)
        }
    }

    #[test]
    fn a_step_back_undoes_a_step() {
        assert_eq!(FACTOR.wrapping_mul(INVERSE), 1);
        for state in [0, 1, u64::MAX, 0xdead_beef_0000_0001] {
            assert_eq!(back(state).wrapping_mul(FACTOR).wrapping_add(SUMMAND), state);
        }
    }

    #[test]
    fn the_second_number_is_the_one_wanted_and_the_first_no_zero() {
        let mut rng = crate::rng::Rng::new(1);
        let mut drawn_again = 0;
        let fixed = [0, 1, 0xdead_beef, u32::MAX, 0x1234_5678, 1 << 31];
        for isn in fixed.into_iter().chain((0..400_000).map(|_| rng.next_u64() as u32)) {
            drawn_again += u32::from(is_drawn_again(isn));
            let mut generator = Generator(seed(isn));
            let first = generator.next();
            assert_ne!((first ^ first >> 16) as u16, 0, "{isn:#x}");
            assert_eq!(generator.next(), isn);
        }
        assert!(drawn_again > 0, "no number met the rare case");
    }
}
