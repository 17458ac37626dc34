//! Worlds drawn from seeds: a slice of them, and that each is the same whenever it is run, from its seed or from a
//! file.

use smoltcp::time::{Duration, Instant};
use tapboard::link::LinkEvents;
use tapboard::nic::wire::Side;
use tapboard::sim::{Arena, WorldPlan, WorldReport, run};

/// Seeds of the slice; `tapboard sim` runs as many as there is time for.
const SLICE: u64 = 200;

/// Runs a world with every frame, its time and what befell it in a hash (FNV-1a).
fn hashed(plan: &WorldPlan, arena: &mut Arena) -> (WorldReport, u64) {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    let mut observer = |now: Instant, node: usize, to: Side, frame: &[u8], events: &LinkEvents| {
        eat(&now.total_micros().to_be_bytes());
        eat(&[node as u8, u8::from(to == Side::Board)]);
        eat(frame);
        eat(events.to_string().as_bytes());
    };
    let report = run(plan, arena, Some(&mut observer));
    (report, hash)
}

/// The frozen plans, by the names of their files.
fn frozen() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans");
    let entries = std::fs::read_dir(directory).expect("the plans are there");
    let mut plans: Vec<_> = entries
        .map(|entry| entry.expect("it can be read"))
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).expect("a plan is text");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    plans.sort();
    plans
}

#[test]
fn a_slice_of_worlds_is_well() {
    let half = |seeds: std::ops::Range<u64>| {
        let mut arena = Arena::new();
        let mut seen = Duration::ZERO;
        for seed in seeds {
            let report = run(&WorldPlan::draw(seed, true), &mut arena, None);
            if let Some(failure) = report.failure {
                panic!("seed {seed}: {}: {}\n{}", failure.oracle, failure.text, failure.netstat);
            }
            seen += report.elapsed;
        }
        seen
    };
    let seen = std::thread::scope(|scope| {
        let halves = [0..SLICE / 2, SLICE / 2..SLICE].map(|seeds| scope.spawn(|| half(seeds)));
        halves.map(|half| half.join().expect("the panic says why"))
    });
    assert!(seen[0] + seen[1] > Duration::from_secs(60 * SLICE), "{seen:?}");
}

/// DHCP servers and routers that vanish, lie and change; `tapboard sim --servers` runs as many as there is time for.
#[test]
fn a_slice_of_worlds_with_servers_is_well() {
    let mut arena = Arena::new();
    for seed in 0..SLICE {
        let report = run(&WorldPlan::draw_with_servers(seed, true), &mut arena, None);
        if let Some(failure) = report.failure {
            panic!("seed {seed}: {}: {}\n{}", failure.oracle, failure.text, failure.netstat);
        }
    }
}

/// What each of these found is in tests/plans/README.md.
#[test]
fn worlds_that_found_faults_are_well() {
    let mut arena = Arena::new();
    let plans = frozen();
    assert!(plans.len() >= 5, "{plans:?}");
    for (name, text) in plans {
        let plan = WorldPlan::from_text(&text).unwrap_or_else(|what| panic!("{name}, {what}"));
        assert_eq!(plan.to_text(), text, "{name} is as --write-plan writes it");
        let report = run(&plan, &mut arena, None);
        assert_eq!(report.failure, None, "{name}");
        assert!(report.frames > 100, "{name}: {report:?}");
    }
}

#[test]
fn a_plan_from_a_file_gives_the_same_frames_as_its_seed() {
    let mut arena = Arena::new();
    for seed in 100..140 {
        let plan = WorldPlan::draw(seed, seed % 4 != 0);
        let read = WorldPlan::from_text(&plan.to_text()).expect("it was just written");
        assert_eq!(read, plan);
        assert_eq!(hashed(&read, &mut arena), hashed(&plan, &mut arena), "seed {seed}");
    }
}

#[test]
fn an_edited_plan_is_another_world() {
    let mut arena = Arena::new();
    let text = WorldPlan::draw(100, true).to_text();
    let plan = |text: &str| WorldPlan::from_text(text).expect("it is a plan");
    let (_, before) = hashed(&plan(&text), &mut arena);
    let edited = text.replacen("\"echo\": {\"bytes\": ", "\"echo\": {\"bytes\": 1", 1);
    assert_ne!(edited, text, "there is an echo client");
    assert_ne!(hashed(&plan(&edited), &mut arena).1, before);
}

#[test]
fn without_faults_worlds_are_well_too() {
    let mut arena = Arena::new();
    for seed in 0..20 {
        let report = run(&WorldPlan::draw(seed, false), &mut arena, None);
        assert_eq!(report.failure, None);
    }
}

#[test]
fn a_seed_gives_the_same_world_bit_for_bit_whatever_ran_before() {
    let mut arena = Arena::new();
    let first: Vec<_> =
        (0..50).map(|seed| hashed(&WorldPlan::draw(seed, true), &mut arena)).collect();
    let mut other = Arena::new();
    for seed in (0..50).rev() {
        let again = hashed(&WorldPlan::draw(seed, true), &mut other);
        assert_eq!(again, first[seed as usize], "seed {seed}");
    }
    let mut hashes: Vec<_> = first.iter().map(|(_, hash)| hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 50, "seeds make different worlds");
    assert!(first.iter().all(|(report, _)| report.frames > 0));
}

#[test]
fn an_idle_board_sleeps() {
    let mut arena = Arena::new();
    let hour = Duration::from_secs(3600);
    let silent = run(&WorldPlan::idle(false, hour), &mut arena, None);
    assert_eq!(silent.failure, None);
    // Each announces its three addresses, the IPv4 one twice.
    assert!(silent.frames == 8 && silent.polls < 100, "{silent:?}");
    let telling = run(&WorldPlan::idle(true, hour), &mut arena, None);
    assert_eq!(telling.failure, None);
    // A line and its acknowledgement a second; a poll for each, and one more for delayed acknowledgements.
    assert!((7200..7300).contains(&telling.frames), "{telling:?}");
    assert!(telling.polls < 5 * 3600, "{telling:?}");
}

#[test]
fn a_share_of_the_worlds_has_a_peer_on_bare_smoltcp() {
    let with = (0..400).filter(|&seed| WorldPlan::draw(seed, true).bare_peers() > 0).count();
    assert!((80..240).contains(&with), "{with} of 400");
}

/// Its listening sockets take the board's telemetry, and go on after a power-cycle and a swap of the host.
#[test]
fn a_host_on_bare_smoltcp_serves_the_boards_client() {
    let mut arena = Arena::new();
    let plan = WorldPlan::idle(true, Duration::from_secs(120)).to_text();
    let events = "\"events\": [
        {\"at\": \"20 s\", \"event\": {\"power_off\": {\"board\": 0}}},
        {\"at\": \"21 s\", \"event\": {\"power_on\": {\"board\": 0}}},
        {\"at\": \"50 s\", \"event\": {\"swap\": {\"peer\": 0}}}
    ]";
    let own = plan.replace("\"events\": []", events);
    let bare = own.replace("\"tapboard\"", "\"smoltcp\"");
    let [own, bare] = [own, bare].map(|text| {
        let plan = WorldPlan::from_text(&text).expect("it is a plan");
        let (report, hash) = hashed(&plan, &mut arena);
        assert_eq!(report.failure, None);
        // A line and its acknowledgement a second, but for half a minute in which a swapped host on bare smoltcp is silent:
        // it asks nobody for the board's MAC address.
        assert!(report.frames > 150, "{report:?}");
        hash
    });
    assert_ne!(own, bare, "another stack sends other frames");
}
