use tapboard::sim::{Arena, run};
#[test]
fn dist() {
    let mut arena = Arena::new();
    let mut v = Vec::new();
    for seed in 0..300u64 {
        #[allow(clippy::disallowed_methods)]
        let t = std::time::Instant::now();
        let r = run(seed, true, &mut arena, None);
        v.push((r.frames, seed, r.polls, r.elapsed.total_millis(), t.elapsed().as_micros(), r.failure.is_some()));
    }
    v.sort();
    let total: u64 = v.iter().map(|x| x.0).sum();
    let us: u128 = v.iter().map(|x| x.4).sum();
    let polls: u64 = v.iter().map(|x| x.2).sum();
    println!("frames {total} polls {polls} us {us} -> {} frames/s", total as u128 * 1_000_000 / us);
    for x in v.iter().step_by(20) { println!("{x:?}"); }
    for x in v.iter().rev().take(12) { println!("{x:?}"); }
}
