//! `SipHash`-2-4 (Aumasson, Bernstein: "`SipHash`: a fast short-input PRF", 2012): who does not know the key can tell
//! nothing of a hash from others.
//!
//! By itself and in loops, for it hashes once a connection: the crates unroll it, to 1.2 KiB on a Cortex-M3.

/// The hash of `input` under a key, which is the 16 bytes of the paper's, read as little-endian words.
pub(crate) fn hash([first, second]: [u64; 2], input: &[u8]) -> u64 {
    let mut state = [
        first ^ 0x736f_6d65_7073_6575,
        second ^ 0x646f_7261_6e64_6f6d,
        first ^ 0x6c79_6765_6e65_7261,
        second ^ 0x7465_6462_7974_6573,
    ];
    // The last block has less than eight bytes of the input, and its length behind them.
    for begin in (0..=input.len()).step_by(8) {
        let rest = &input[begin..];
        let mut block = [0, 0, 0, 0, 0, 0, 0, input.len() as u8];
        let len = rest.len().min(block.len());
        block[..len].copy_from_slice(&rest[..len]);
        let word = u64::from_le_bytes(block);
        state[3] ^= word;
        rounds(&mut state, 2);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    rounds(&mut state, 4);
    state.iter().fold(0, |hash, word| hash ^ word)
}

#[inline(never)]
fn rounds([v0, v1, v2, v3]: &mut [u64; 4], count: usize) {
    for _ in 0..count {
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32).wrapping_add(*v3);
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_papers_appendix() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: [u8; 15] = core::array::from_fn(|index| index as u8);
        assert_eq!(hash(key, &input), 0xa129_ca61_49be_45e5);
    }

    #[test]
    #[expect(deprecated, reason = "it is this function, and stays")]
    fn std_hashes_likewise_at_each_length() {
        use core::hash::{Hasher, SipHasher};

        let mut rng = crate::rng::Rng::new(1);
        let input: [u8; 300] = core::array::from_fn(|_| rng.next_u64() as u8);
        for len in 0..=input.len() {
            let key = [rng.next_u64(), rng.next_u64()];
            let mut reference = SipHasher::new_with_keys(key[0], key[1]);
            reference.write(&input[..len]);
            assert_eq!(hash(key, &input[..len]), reference.finish(), "{len} bytes");
        }
    }
}
