//! `SipHash`-2-4 (Aumasson and Bernstein 2012) of bytes that are all there. The crates for it unroll their rounds, which
//! in 64-bit words on a 32-bit chip is 900 bytes more than a loop.

/// The hash of `input` under `key`.
#[inline(never)]
pub(super) fn siphash(key: [u64; 2], input: &[u8]) -> u64 {
    let [first, second] = key;
    let mut state = [
        first ^ 0x736f_6d65_7073_6575,
        second ^ 0x646f_7261_6e64_6f6d,
        first ^ 0x6c79_6765_6e65_7261,
        second ^ 0x7465_6462_7974_6573,
    ];
    let (blocks, rest) = input.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = input.len() as u8;
    for block in blocks.iter().chain([&last]) {
        let word = u64::from_le_bytes(*block);
        state[3] ^= word;
        mix(&mut state, 2);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    mix(&mut state, 4);
    state.into_iter().fold(0, |hash, word| hash ^ word)
}

/// So many of its rounds.
#[inline(never)]
fn mix(state: &mut [u64; 4], rounds: usize) {
    let [mut a, mut b, mut c, mut d] = *state;
    for _ in 0..rounds {
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
    }
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_its_authors_have() {
        // Key, input and output of the paper's appendix A, and of the authors' `vectors.h` by length.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: [u8; 63] = core::array::from_fn(|index| index as u8);
        for (len, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(siphash(key, &input[..len]), hash, "{len} bytes");
        }
    }
}
