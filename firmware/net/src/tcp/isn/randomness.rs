//! A check that finds what is not random in a sequence of numbers; for tests.

use std::format;
use std::string::String;

/// Pearson's chi-square of `counts` against equal shares.
fn chi_square(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    let share = f64::from(total) / counts.len() as f64;
    counts.iter().map(|&count| (f64::from(count) - share).powi(2) / share).sum()
}

/// How many of its standard deviations a chi-square of that many degrees of freedom is from its mean, by Wilson and
/// Hilferty's approximation.
fn deviations(chi_square: f64, freedom: usize) -> f64 {
    let part = 2.0 / (9.0 * freedom as f64);
    ((chi_square / freedom as f64).cbrt() - (1.0 - part)) / part.sqrt()
}

/// Numbers are random as far as this check goes: at most five deviations (one in 1.7 million by chance) in the
/// distribution of each of their four bytes, in each bit's share of ones, in how often each bit differs from the one before,
/// and in the correlation of each number with the next.
pub(crate) fn check_random(numbers: &[u32]) -> Result<(), String> {
    const LIMIT: f64 = 5.0;
    let count = numbers.len() as f64;
    for byte in 0..4 {
        let mut counts = [0_u32; 256];
        for number in numbers {
            counts[usize::from(number.to_be_bytes()[byte])] += 1;
        }
        let off = deviations(chi_square(&counts), 255);
        if off.abs() > LIMIT {
            return Err(format!("byte {byte}: {off:.1} deviations"));
        }
    }
    for bit in 0..32 {
        let ones = numbers.iter().filter(|&number| number >> bit & 1 == 1).count() as f64;
        let pairs = numbers.windows(2);
        let changes = pairs.filter(|pair| (pair[0] ^ pair[1]) >> bit & 1 == 1).count() as f64;
        for (what, seen, of) in [("ones", ones, count), ("changes", changes, count - 1.0)] {
            let off = (seen - of / 2.0) / (of / 4.0).sqrt();
            if off.abs() > LIMIT {
                return Err(format!("bit {bit}: {what} are {off:.1} deviations off"));
            }
        }
    }
    let mean = numbers.iter().copied().map(f64::from).sum::<f64>() / count;
    let variance: f64 = numbers.iter().map(|&number| (f64::from(number) - mean).powi(2)).sum();
    let pairs = numbers.windows(2);
    let covariance: f64 =
        pairs.map(|pair| (f64::from(pair[0]) - mean) * (f64::from(pair[1]) - mean)).sum();
    let off = covariance / variance * count.sqrt();
    if off.abs() > LIMIT {
        return Err(format!("serial correlation: {off:.1} deviations"));
    }
    Ok(())
}
