//! An attack on smoltcp's generator, sPCG32: its 64-bit state from three outputs in a row.
//!
//! An output is 32 bits of the state, which begin one to eight bits from its top, and say themselves where, but for the
//! bits above them: 255 ways to read one. Two states in a row lie on a lattice, for one is a multiple of the other and a
//! constant; the point of it that is next to two such readings is found in a reduced basis. The third output tells whether
//! it is the right one.

const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
const SUMMAND: u64 = 0x7590_ef39;
const MODULUS: i128 = 1 << 64;

/// A state and what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    fn next(self) -> Self {
        Self(self.0.wrapping_mul(FACTOR).wrapping_add(SUMMAND))
    }

    fn output(self) -> u32 {
        (self.0 >> (29 - (self.0 >> 61))) as u32
    }

    /// Goes on by one, and says what that gives.
    pub(crate) fn step(&mut self) -> u32 {
        *self = self.next();
        self.output()
    }
}

/// What a state can be that gave `output`: all of it but the lowest bits, and how many those are.
fn readings(output: u32) -> impl Iterator<Item = (u64, u32)> {
    (0..8_u32).flat_map(move |top| {
        let low = 29 - top;
        (0..1_u64 << top).map(move |high| {
            (u64::from(top) << 61 | high << (low + 32) | u64::from(output) << low, low)
        })
    })
}

/// Two short vectors that span all `(x, FACTOR * x)` modulo 2^64.
fn basis() -> [(i128, i128); 2] {
    let (mut a, mut b) = ((0, MODULUS), (1, i128::from(FACTOR)));
    // As Euclid does it, until both ends are of half the bits.
    while b.1 >= 1 << 32 {
        let quotient = a.1 / b.1;
        (a, b) = (b, (a.0 - quotient * b.0, a.1 - quotient * b.1));
    }
    let size = |v: (i128, i128)| v.0 * v.0 + v.1 * v.1;
    loop {
        if size(b) < size(a) {
            (a, b) = (b, a);
        }
        let quotient = divide(a.0 * b.0 + a.1 * b.1, size(a));
        if quotient == 0 {
            return [a, b];
        }
        b = (b.0 - quotient * a.0, b.1 - quotient * a.1);
    }
}

/// Rounded to the nearest.
fn divide(a: i128, b: i128) -> i128 {
    let (a, b) = if b < 0 { (-a, -b) } else { (a, b) };
    (a + b / 2).div_euclid(b)
}

/// The state that gives the third of these outputs in a row, if one does.
#[expect(clippy::many_single_char_names, reason = "the letters of lattices and congruences")]
pub(crate) fn solve(outputs: [u32; 3]) -> Option<State> {
    let [a, b] = basis();
    let determinant = a.0 * b.1 - a.1 * b.0;
    let second: Vec<_> = readings(outputs[1]).collect();
    for (first, first_low) in readings(outputs[0]) {
        for &(second, second_low) in &second {
            // How far the low bits of the first state take the second beyond what its high bits say.
            let gap = second.wrapping_sub(State(first).next().0);
            let (x, y) =
                (1_i128 << (first_low - 1), i128::from(gap) + (1_i128 << (second_low - 1)));
            let u = divide(x * b.1 - y * b.0, determinant);
            let v = divide(y * a.0 - x * a.1, determinant);
            for (i, j) in (-1..=1).flat_map(|i| (-1..=1).map(move |j| (u + i, v + j))) {
                let (x, y) = (i * a.0 + j * b.0, i * a.1 + j * b.1 - i128::from(gap));
                if (0..1 << first_low).contains(&x) && (0..1 << second_low).contains(&y) {
                    let third = State(second.wrapping_add(y as u64)).next();
                    if third.output() == outputs[2] {
                        return Some(third);
                    }
                }
            }
        }
    }
    None
}
