//! `SipHash`-2-4 (Aumasson and Bernstein, 2012), written for size: one round, and loops around it.

/// Rounds for each eight bytes, and at the end.
const PER_BLOCK: u8 = 2;
const AT_END: u8 = 4;

/// The hash of `input` under a key.
pub(super) fn siphash([first, second]: [u64; 2], input: &[u8]) -> u64 {
    let mut state = [
        first ^ u64::from_be_bytes(*b"somepseu"),
        second ^ u64::from_be_bytes(*b"dorandom"),
        first ^ u64::from_be_bytes(*b"lygenera"),
        second ^ u64::from_be_bytes(*b"tedbytes"),
    ];
    let mut rest = input;
    loop {
        let (bytes, behind) = rest.split_at(rest.len().min(8));
        let mut block = [0; 8];
        block[..bytes.len()].copy_from_slice(bytes);
        let last = bytes.len() < 8;
        if last {
            block[7] = input.len() as u8;
        }
        let block = u64::from_le_bytes(block);
        state[3] ^= block;
        mix(&mut state, PER_BLOCK);
        state[0] ^= block;
        if last {
            break;
        }
        rest = behind;
    }
    state[2] ^= 0xff;
    mix(&mut state, AT_END);
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(never)]
fn mix(state: &mut [u64; 4], rounds: u8) {
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
    use std::vec::Vec;

    use siphasher::sip::SipHasher24;

    use super::*;

    #[test]
    fn the_paper_s_example_comes_out() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(key, &input), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn it_is_what_others_make_of_it_at_each_length() {
        let mut rng = crate::rng::Rng::new(1);
        for len in 0..300 {
            let key = [rng.next_u64(), rng.next_u64()];
            let input: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            let theirs = SipHasher24::new_with_keys(key[0], key[1]).hash(&input);
            assert_eq!(siphash(key, &input), theirs, "{len} bytes");
        }
    }
}
