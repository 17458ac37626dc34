//! Worlds drawn from seeds: a slice of them, and that each is the same whenever it is run, from its seed or from a
//! file.

#[path = "common/scratch.rs"]
mod scratch;

#[path = "sim/planted.rs"]
mod planted;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use scratch::Scratch;
use serde_json::{Value, json};
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

#[test]
fn a_share_of_the_worlds_has_each_kind_of_nic_window_and_transfer() {
    let texts: Vec<String> = (0..400).map(|seed| WorldPlan::draw(seed, true).to_text()).collect();
    for (part, least, most) in [
        ("\"offload\": \"segmentation\"", 100, 240),
        ("\"offload\": \"checksums\"", 100, 240),
        ("\"mtu\": ", 100, 240),
        ("\"window\": 1}", 1, 40),
        ("\"bounded\": true", 10, 50),
    ] {
        let with = texts.iter().filter(|text| text.contains(part)).count();
        assert!((least..most).contains(&with), "{part}: {with} of 400");
    }
}

/// What slows it down is planted in its plan, where it explains nothing.
#[test]
fn a_transfer_that_is_slower_than_its_bound_fails() {
    let mut arena = Arena::new();
    let plans = (0..200).map(|seed| WorldPlan::draw(seed, true).to_text());
    let plans: Vec<String> = plans.filter(|text| text.contains("\"bounded\": true")).collect();
    assert!(plans.len() >= 5, "{} transfers", plans.len());
    for text in plans {
        let mut run =
            |text: &str| run(&WorldPlan::from_text(text).expect("a plan"), &mut arena, None);
        assert_eq!(run(&text).failure, None);
        let rate =
            r#"{"at": "3 s", "event": {"fault": {"node": 0, "to": "both", "set": "rate 64kbit"}}}"#;
        let (before, after) = text.split_once("\"events\": [").expect("the events");
        let comma = if after.starts_with(']') { "" } else { "," };
        let slow = run(&format!("{before}\"events\": [{rate}{comma}{after}"));
        let failure = slow.failure.expect("it is too slow");
        assert_eq!(failure.oracle, "goodput", "{}", failure.text);
    }
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

/// Shards, each with as many seeds.
const SHARDS: u64 = 10;
const SHARD_SEEDS: u64 = 5;

fn sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapboard"));
    command.arg("sim").args(arguments).stdin(Stdio::null());
    command
}

/// What a run ends with, and what it says of itself in JSON but for its speed.
fn findings(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = sim(arguments).arg("--json").output().expect("the program is built");
    let mut json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let json_map = json.as_object_mut().expect("an object");
    json_map.retain(|name, _| !["seconds", "threads"].contains(&name.as_str()));
    (output.status.code(), json)
}

/// As many processes as there are shards, one of which is killed and goes on from its record, find what one finds.
#[test]
fn shards_add_up_to_the_whole_and_a_killed_one_goes_on() {
    let scratch = Scratch::new();
    let seeds = format!("0..{}", SHARDS * SHARD_SEEDS);
    let path = |shard: u64| scratch.path(&format!("shard-{shard}.jsonl"));
    let words = |shard: u64| format!("{shard}/{SHARDS}");
    let run = |shard: u64| {
        sim(&[
            "--seeds",
            &seeds,
            "--threads",
            "1",
            "--shard",
            &words(shard),
            "--resume",
            &path(shard),
        ])
    };
    // This one has written a part of its record when it is killed.
    let killed = 3;
    let mut child = sim(&["--seeds", &seeds, "--threads", "1", "--shard", &words(killed)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built");
    let mut record = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    output.read_line(&mut record).expect("a line");
    child.kill().expect("it runs, or has ended");
    child.wait().expect("it was started here");
    output.read_to_string(&mut record).expect("text");
    let whole = record.lines().count() as u64;
    assert!((1..SHARD_SEEDS).contains(&whole), "{record}");
    record += concat!(r#"{"tapboard":""#, env!("CARGO_PKG_VERSION"), r#"","com"#);
    std::fs::write(path(killed), &record).expect("a file");

    for shard in (0..SHARDS).filter(|&shard| shard != killed) {
        let output = run(shard).output().expect("the program is built");
        assert!(output.status.success(), "{output:?}");
    }
    let files: Vec<String> = (0..SHARDS).map(path).collect();
    let merge: Vec<&str> =
        std::iter::once("--merge").chain(files.iter().map(String::as_str)).collect();
    let (status, part) = findings(&merge);
    let lacking = killed * SHARD_SEEDS + whole;
    assert_eq!(status, Some(2), "a part is missing: {part}");
    assert_eq!(part["missing"], json!([[lacking, (killed + 1) * SHARD_SEEDS]]));

    let output = run(killed).output().expect("the program is built");
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(path(killed)).expect("the record");
    // A block has one seed here: none was run twice, and the torn line is gone.
    assert_eq!(text.lines().count() as u64, SHARD_SEEDS, "{text}");
    let again = run(killed).output().expect("the program is built");
    assert!(again.status.success());
    assert_eq!(std::fs::read_to_string(path(killed)).expect("the record"), text);

    let (status, mut merged) = findings(&merge);
    for list in ["missing", "doubled"] {
        let list = merged.as_object_mut().and_then(|merged| merged.remove(list));
        assert_eq!(list, Some(json!([])));
    }
    assert_eq!((status, merged), findings(&["--seeds", &seeds]));
}

#[test]
fn a_record_of_other_worlds_is_not_gone_on_with() {
    let scratch = Scratch::new();
    let path = scratch.path("record.jsonl");
    let run = |arguments: &[&str]| {
        let output = sim(arguments).args(["--threads", "1", "--resume", &path]).output();
        let output = output.expect("the program is built");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["--seeds", "0..2"]).0, Some(0));
    for (arguments, said) in [
        (&["--seeds", "0..3"][..], "the seeds of one is --seeds 0..2, of the other --seeds 0..3"),
        (&["--seeds", "0..2", "--servers"], "of the other --faults on --servers"),
        (&["--seeds", "0..2", "--shard", "0/2"], "the shard of one is 0/1, of the other 0/2"),
    ] {
        let (status, text) = run(arguments);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(said) && text.contains("name another file"), "{text}");
    }
    // What is no record, or has a tail that is of none, stays as it is.
    let whole = std::fs::read_to_string(&path).expect("the record");
    for text in ["a diary without a newline", "{", &format!("{whole}{{\"tapboard\":\"9"), &whole] {
        let other = scratch.path("other.jsonl");
        std::fs::write(&other, text).expect("a file");
        let output = sim(&["--seeds", "0..2", "--resume", &other]).output();
        let output = output.expect("the program is built");
        let said = String::from_utf8_lossy(&output.stderr);
        let left = std::fs::read_to_string(&other).expect("it is there");
        if text == "{" || text == whole {
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert_eq!(left.lines().count(), whole.lines().count(), "{left}");
        } else {
            assert_eq!((output.status.code(), &*left), (Some(2), text), "{said}");
            assert!(said.contains("no line of this record"), "{said}");
        }
    }
    let file = std::fs::File::open(&path).expect("the record");
    file.lock().expect("nobody else has it");
    let (status, text) = run(&["--seeds", "0..2"]);
    assert!(status == Some(2) && text.contains("another process writes to the record"), "{text}");
}

/// The script behind a line of a recipe: what is further in, with its lines joined if they are `folded`.
fn script(recipe: &str, after: &str, folded: bool) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let at = recipe.lines().position(|line| line.trim() == after).expect("the script's line");
    let mut lines = recipe.lines().skip(at);
    let outer = depth(lines.next().expect("it was found"));
    let inner: Vec<&str> = lines.take_while(|line| depth(line) > outer).map(str::trim).collect();
    inner.join(if folded { " " } else { "\n" })
}

/// Each shell script of the recipes is run as its system would: a pod and a task of an array, and the job that merges.
#[test]
fn the_recipes_run_shards_that_add_up() {
    let scratch = Scratch::new();
    let directory = scratch.directory();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tapboard"), directory.join("tapboard"))
        .expect("a link");
    let run = |script: &str, variables: &[(&str, &str)]| {
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(directory).env("PATH", path);
        let output = command.envs(variables.iter().copied()).output().expect("a shell");
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let kubernetes = include_str!("../examples/shards/kubernetes.yaml");
    let pod = script(kubernetes, "- >-", true);
    run(
        &pod,
        &[("SEEDS", "0..4"), ("SHARDS", "2"), ("RECORDS", "."), ("JOB_COMPLETION_INDEX", "1")],
    );
    let slurm = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shards/slurm.sh");
    let task = [("SLURM_ARRAY_TASK_ID", "0"), ("SLURM_ARRAY_TASK_COUNT", "2")];
    run(slurm, &[&task[..], &[("SEEDS", "0..4"), ("RECORDS", ".")]].concat());
    let github = include_str!("../examples/shards/github.yml");
    // The first script that is more than a line is that of the shards, the last that of the merge.
    let shard = script(github, "- run: |", false);
    assert!(shard.contains("--shard \"${{ matrix.shard }}/$SHARDS\" --resume"), "{shard}");
    run(&shard.replace("${{ matrix.shard }}", "1"), &[("SEEDS", "0..4"), ("SHARDS", "2")]);
    let merge = github.rsplit_once("- run: |").expect("the merge's").1;
    let found = run(merge, &[]);
    assert!(found.starts_with("4 worlds, 0 failed: "), "{found}");
}
