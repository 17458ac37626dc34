//! Fleets: boards that all answer and report, lose their power and come back, on one TAP, over a socket between two
//! processes, over VXLAN between two namespaces, and in virtual time.
//!
//! `FLEET_BOARDS=1000 cargo test --test two_boards fleet:: -- --include-ignored` is the size that a fleet is made for. Fewer
//! do for each push: the kernel counts the neighbours of all namespaces together, and 1024 are the most it has.

use std::collections::BTreeSet;
use std::env;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration as StdDuration;

use smoltcp::time::{Duration, Instant};
use socket2::{Domain, Protocol, Socket, Type};
use tapboard::clock::RealClock;
use tapboard_host::echo::{self, plan::EchoPlan};
use tapboard_host::output::Verdict;
use tapboard_host::serve::{self, ServeOptions};

use crate::common::netns::{self, sh};
use crate::common::process::{
    PATIENCE, Process, connect, echo as echo_back, finished, pattern, tapboard,
};
use crate::common::scratch::Scratch;

/// Boards on the TAP.
const BOARDS: u32 = 200;
/// Memory of a board at most, KiB.
const BOARD_KIB: u64 = 120;
/// How soon boards that get their power back have to report.
const BACK: Duration = Duration::from_secs(10);
/// A process that serves telemetry.
const SERVE: &str = "serve";

fn boards() -> u32 {
    env::var("FLEET_BOARDS").map_or(BOARDS, |boards| boards.parse().expect("a number of boards"))
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number)
}

/// Runs `body` in a namespace, and in a process beside it [`serve::run`].
fn beside_serve(test: &str, tools: &[(&str, &str)], body: impl FnOnce(&Process)) {
    netns::run(test, tools, || {
        if netns::stage() == SERVE {
            let silence = StdDuration::from_secs(10);
            let (listen, max_boards, count, json) = (None, 5000, None, true);
            let lines = false;
            let options = ServeOptions { listen, max_boards, silence, count, json, lines };
            let served = serve::run(&options);
            assert_eq!(served, Ok(Verdict::Passed));
            return;
        }
        sh("ip link set lo up");
        let mut command = Command::new(env::current_exe().expect("the test binary has a path"));
        command.args(["--exact", test, "--nocapture", "--include-ignored"]);
        command.env("TAPBOARD_STAGE", SERVE);
        let served = Process::spawn(command, None);
        served.prints("\"listening\"");
        body(&served);
    });
}

/// The names that have reported, or the boards that have told of themselves as `event`.
fn told(text: &str, event: Option<&str>) -> BTreeSet<String> {
    let event = event.map(|event| format!("\"event\":\"{event}\""));
    let lines = text.lines().filter(|line| match &event {
        Some(event) => line.contains(event),
        None => line.contains("\"seq\":"),
    });
    let name = |line: &str| {
        let (_, rest) = line.split_once("\"board\":\"")?;
        Some(rest.split('"').next()?.to_owned())
    };
    lines.filter_map(name).collect()
}

/// Every byte that is sent to each of these boards, one after the other, comes back.
fn each_echoes(numbers: RangeInclusive<u32>) {
    for number in numbers {
        let data = pattern(number, 5000);
        let stream = connect((address(number), 7).into());
        assert!(echo_back(&stream, &data).expect("an echo") == data, "board {number}");
    }
}

/// The same, of all at once, as `tapboard-host echo` has it; once in a process, for it takes over Ctrl-C.
fn all_echo(numbers: RangeInclusive<u32>) {
    let services = numbers.map(|number| vec![SocketAddr::from((address(number), 7))]).collect();
    let plan = EchoPlan {
        services,
        seed: 1,
        pings: 1,
        bytes: 5000,
        connect_timeout: PATIENCE,
        stall_timeout: PATIENCE,
    };
    assert!(matches!(echo::run(&plan, 1, 1000, false), Ok(Verdict::Passed)));
}

/// Each of these boards answers a ping.
fn all_answer_pings(numbers: RangeInclusive<u32>) {
    let socket = Socket::new(Domain::IPV4, Type::from(libc::SOCK_RAW), Some(Protocol::ICMPV4))
        .expect("root may");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket.set_recv_buffer_size(4 << 20).expect("the kernel takes what it can");
    let mut missing: BTreeSet<_> = numbers.map(address).collect();
    for board in &missing {
        // An echo request without data, whose checksum is its type's complement (RFC 792).
        let sent =
            socket.send_to(&[8, 0, 0xf7, 0xff, 0, 0, 0, 0], &SocketAddr::from((*board, 0)).into());
        assert_eq!(sent.expect("there is a route"), 8);
    }
    let mut buffer = [std::mem::MaybeUninit::uninit(); 100];
    while !missing.is_empty() {
        let (_, from) = socket.recv_from(&mut buffer).expect("all answer");
        if let Some(IpAddr::V4(from)) = from.as_socket().map(|from| from.ip()) {
            missing.remove(&from);
        }
    }
}

/// Processor time that a process has used, in clock ticks.
fn ticks(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).expect("it runs");
    // The name before them may have spaces.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

fn all_report(served: &Process, count: u32) {
    served.prints_until(|text| told(text, None).len() == count as usize);
}

#[test]
fn a_fleet_answers_reports_and_comes_back_after_a_power_cut() {
    let test = "fleet::a_fleet_answers_reports_and_comes_back_after_a_power_cut";
    beside_serve(test, &[], |served| {
        let count = boards();
        let one =
            Process::up(&["fleet", "--boards", "1", "--name", "tap1", "--net", "10.9.0.0/24"]);
        let alone = one.resident();
        drop(one);

        let mut fleet = Process::with_console(&["fleet", "--boards", &count.to_string()]);
        all_report(served, count);
        all_answer_pings(1..=count);
        all_echo(1..=count);
        let each = (fleet.resident() - alone) / u64::from(count - 1);
        assert!(each <= BOARD_KIB, "{each} KiB a board");

        // Idle but for telemetry, for as long as two more lines of each take.
        let lines = |text: &str| text.matches("\"seq\":").count();
        let (before, used, clock) = (lines(&served.output()), ticks(&fleet), RealClock::new());
        served.prints_until(|text| lines(text) >= before + 2 * count as usize);
        let (used, time) = (ticks(&fleet) - used, clock.now() - Instant::ZERO);
        let percent =
            used * 100 * 1000 / (rustix::param::clock_ticks_per_second() * time.total_millis());
        println!("{count} boards: {each} KiB each, {percent} % of a core");
        assert!(percent < 20, "{percent} % of a core");

        let cut = count * 3 / 10;
        fleet.command(&format!("power off 1-{cut}"), &format!("({cut} of {count}) have no power"));
        fleet.command("stats", &format!("{count} boards, {} up", count - cut));
        let clock = RealClock::new();
        fleet.command(&format!("power on 1-{cut}"), "get it within a second");
        served.prints_until(|text| told(text, Some("reboot")).len() == cut as usize);
        let back = clock.now() - Instant::ZERO;
        println!("{cut} boards back after {back}");
        assert!(back < BACK, "{back}");
        each_echoes(1..=cut);
        let later = (fleet.resident() - alone) / u64::from(count - 1);
        println!("{later} KiB a board later");
        assert!(
            later <= each + each / 8,
            "{later} KiB a board, {each} before: a boot is not freed"
        );

        fleet.command("power off 0", "there is no board 0; there are 1 to");
        fleet.command("quit", "power cuts");
        assert_eq!(fleet.exit(), Some(0));
        let sum = format!("{count} boards, {count} up; {} boots, {cut} power cuts", count + cut);
        assert!(fleet.output().contains(&sum), "{}", fleet.output());
        assert!(fleet.output().contains("tap0: 0 frames lost"), "{}", fleet.output());
        assert_eq!(fleet.errors(), "");
    });
}

#[test]
fn boards_have_cables_of_their_own() {
    netns::run("fleet::boards_have_cables_of_their_own", &[("ping", "iputils-ping")], || {
        sh("ip link set lo up");
        let mut fleet = Process::with_console(&["fleet", "--boards", "10", "--no-telemetry"]);
        let answers = |number| {
            let ping = format!("ping -q -c 1 -W 1 {}", address(number));
            netns::succeeds("sh", &["-c", &ping])
        };
        all_answer_pings(1..=10);
        fleet.command("unplug 3", "boards 3 (1 of 10) have their cable out");
        fleet.command("loss 4 100%", "boards 4 (1 of 10) have loss 100% on their cables");
        fleet.command("delay 5 out 100ms", "boards 5 (1 of 10) have delay 100 ms");
        assert_eq!([2, 3, 4].map(answers), [true, false, false]);
        let slow = sh(&format!("ping -c 1 -W 5 {}", address(5)));
        let time = slow.split("time=").nth(1).and_then(|rest| rest.split(' ').next());
        assert!(time.is_some_and(|ms| ms.parse::<f64>().unwrap() >= 100.0), "{slow}");
        fleet.command("plug all", "boards all (10 of 10) have their cable in");
        fleet.command("heal 30%", "(3 of 10) have healthy cables");
        fleet.command("heal 1-10", "boards 1-10 (10 of 10) have healthy cables");
        all_answer_pings(1..=10);
        fleet.command("help", "power off 1-300");
        // One pulls its own reset line.
        let mut shell = connect((address(7), 23).into());
        shell.write_all(b"reset\n").expect("the shell listens");
        let mut rest = Vec::new();
        let _ = shell.read_to_end(&mut rest);
        fleet.prints("board 7 resets itself");
        // It has booted again.
        each_echoes(7..=7);
        fleet.command("stats", "11 boots, 1 power cut;");
        // Its TAP's counters, and what becomes of that.
        fleet.prints("tap_frames_in");
        sh("ip link set tap0 down");
        // Who boots sends something, which the kernel refuses.
        fleet.command("reset 2", "boards 2 (1 of 10) are reset");
        fleet.complains("tap0 is down; bring it up with");
        sh("ip link set tap0 up");
        fleet.complains("tap0 is up again");
    });
}

/// What is to be had at port 9100.
fn metrics() -> String {
    let mut stream = connect((Ipv4Addr::LOCALHOST, 9100).into());
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9100\r\nConnection: close\r\n\r\n")
        .expect("it listens");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("UTF-8, and an end");
    text
}

/// Thirty boards have three gateways.
#[test]
fn a_fleet_behind_gateways_is_on_the_loopback_network() {
    const COUNT: u32 = 30;
    const CUT: u32 = 9;
    let test = "fleet::a_fleet_behind_gateways_is_on_the_loopback_network";
    beside_serve(test, &[], |served| {
        let local = |number| Ipv4Addr::from_bits(Ipv4Addr::new(127, 18, 0, 0).to_bits() + number);
        let answers = |number, port| {
            let stream = connect((local(number), port).into());
            let data = pattern(number, 5000);
            assert!(echo_back(&stream, &data).expect("an echo") == data, "board {number}");
        };
        let count = COUNT.to_string();
        let options = ["--gateway", "-p", "8007:7", "--metrics", "9100"];
        let mut fleet =
            Process::with_console(&[&["fleet", "--boards", &count][..], &options].concat());
        fleet.prints("127.18.0.1 to 127.18.0.30: 7009 discard, 7019 chargen, 7023 shell");
        all_report(served, COUNT);
        (1..=COUNT).for_each(|number| answers(number, 8007));
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        datagrams.set_read_timeout(Some(PATIENCE)).expect("not zero");
        datagrams.send_to(b"over UDP", (local(COUNT), 8007)).expect("loopback");
        let mut buffer = [0; 100];
        let (len, from) = datagrams.recv_from(&mut buffer).expect("an answer");
        assert_eq!((&buffer[..len], from), (&b"over UDP"[..], (local(COUNT), 8007).into()));
        // Each is itself.
        let mut shell = connect((local(17), 7023).into());
        shell.write_all(b"ip\n").expect("the shell listens");
        let mut said = String::new();
        while !said.contains("198.18.0.17/15") {
            let count = shell.read(&mut buffer).expect("it tells its address");
            assert!(count > 0, "{said}");
            said += &String::from_utf8_lossy(&buffer[..count]);
        }
        fleet.command(&format!("power off 1-{CUT}"), "(9 of 30) have no power");
        answers(CUT + 1, 8007);
        fleet.command(&format!("power on 1-{CUT}"), "get it within a second");
        // Each boot begins to count anew.
        let boots = (COUNT + CUT) as usize;
        served.prints_until(|text| text.matches("\"seq\":0,").count() == boots);
        (1..=CUT).for_each(|number| answers(number, 8007));
        // The cable that all share is the gateways'.
        fleet.command("unplug", "where they wait until it is in");
        let waits = connect((local(3), 8007).into());
        fleet.command("plug", "");
        assert_eq!(echo_back(&waits, b"after all").expect("an echo"), b"after all");
        fleet.command("forward 9007:7", "-p names them");
        fleet.command("stats", "gateway_forwards     150 of 192");
        let told = metrics();
        for line in [
            "tapboard_fleet_boards_up 30",
            "tapboard_fleet_boards_up_limit 30",
            "tapboard_fleet_boots_total 39",
            "tapboard_fleet_power_cuts_total 9",
            "tapboard_fleet_lost_frames_total 0",
            "tapboard_gateway_forwards 150",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in\n{told}");
        }
        drop((shell, waits));
        fleet.command("quit", "power cuts");
        assert_eq!(fleet.exit(), Some(0));
        assert!(fleet.output().contains("gateways: 3, "), "{}", fleet.output());
        let _taken = TcpListener::bind((local(2), 8007)).expect("it is free again");
        let refused = finished(&["fleet", "--boards", "2", "--gateway", "-p", "8007:7"]);
        let error = String::from_utf8(refused.stderr).expect("UTF-8");
        assert!(error.contains("cannot listen on 127.18.0.2:8007"), "{error}");
        assert!(error.contains("choose another port with: -p 9007:7"), "{error}");
        let refused =
            finished(&["fleet", "--boards", "2", "--gateway", "-p", "8107:7", "-p", "8107:9"]);
        let error = String::from_utf8(refused.stderr).expect("UTF-8");
        assert!(error.contains("move one of them with: -p 9107:9\n"), "{error}");
    });
}

#[test]
fn fleets_join_over_a_socket() {
    let test = "fleet::fleets_join_over_a_socket";
    beside_serve(test, &[], |served| {
        let scratch = Scratch::new();
        let at = format!("unix:{}", scratch.path("fleet.sock"));
        // Left by one that was killed.
        drop(UnixListener::bind(scratch.path("fleet.sock")).expect("a path of ours"));
        let mut first = Process::up(&["fleet", "--boards", "5", "--listen", &at]);
        let mut second = Process::up(&["fleet", "--boards", "5", "--first", "6", "--join", &at]);
        // Of whom nobody hears before it is asked for.
        let silent = ["--no-telemetry", "--join", &at];
        let third = [&["fleet", "--boards", "5", "--first", "11"][..], &silent].concat();
        let third = Process::up(&third);
        all_report(served, 10);
        all_answer_pings(1..=15);
        all_echo(1..=15);
        drop(third);
        first.prints("the process at trunk 2 is gone");
        each_echoes(1..=10);

        let taken = finished(&[
            "fleet",
            "--boards",
            "5",
            "--name",
            "tap7",
            "--net",
            "10.9.0.0/24",
            "--listen",
            &at,
        ]);
        let error = String::from_utf8(taken.stderr).expect("UTF-8");
        assert!(error.contains("another process does; join it with --join"), "{error}");
        first.signal("TERM");
        assert_eq!(first.exit(), Some(0));
        assert_eq!(second.exit(), Some(1));
        assert!(second.errors().contains("the fleet that this one had joined is gone"));
        let nobody = finished(&["fleet", "--join", &at]);
        let error = String::from_utf8(nobody.stderr).expect("UTF-8");
        assert!(
            error.contains("nobody listens there; start the first fleet with --listen"),
            "{error}"
        );
    });
}

#[test]
fn two_namespaces_joined_by_vxlan_have_one_fleet() {
    let test = "fleet::two_namespaces_joined_by_vxlan_have_one_fleet";
    beside_serve(test, &[("nsenter", "util-linux")], |served| {
        let mut holder = Command::new("unshare");
        holder.args(["-n", "sh", "-c", "echo ready; exec sleep 600"]);
        let holder = Process::spawn(holder, None);
        holder.prints("ready");
        let there = format!("nsenter --net=/proc/{}/ns/net", holder.id());
        let pid = holder.id();
        sh(&format!("ip link add va type veth peer name vb && ip link set vb netns {pid}"));
        for (within, veth, own, other) in [("", "va", 1, 2), (there.as_str(), "vb", 2, 1)] {
            let ip = format!("{within} ip");
            sh(&format!(
                "{ip} addr add 10.99.0.{own}/24 dev {veth} && {ip} link set {veth} up && \
                 {ip} link add vxlan7 type vxlan id 7 local 10.99.0.{own} remote 10.99.0.{other} dstport 4789 && \
                 {ip} link add br0 type bridge && {ip} link set br0 up && \
                 {ip} link set vxlan7 master br0 up && \
                 {ip} tuntap add tap0 mode tap && {ip} link set tap0 master br0 up"
            ));
        }
        sh("ip addr add 198.19.255.254/15 dev br0");
        let here = Process::up(&["fleet", "--boards", "5"]);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{pid}/ns/net"));
        command.arg(tapboard(&[]).get_program()).args(["fleet", "--boards", "5", "--first", "6"]);
        let beyond = Process::spawn(command, None);
        assert!(beyond.is_up(), "{}", beyond.errors());
        all_report(served, 10);
        all_answer_pings(1..=10);
        all_echo(1..=10);
        drop((here, beyond));
    });
}

/// What a fleet in virtual time prints, but for how long it took.
fn in_virtual_time(boards: u32, script: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let scratch = Scratch::new();
    let script = scratch.file("script", script);
    let boards = boards.to_string();
    let arguments = ["fleet", "--boards", &boards, "--virtual", "30s", "--script", &script];
    let output = finished(&[&arguments, options].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| !line.contains(" virtual s in "));
    let said = lines.collect::<Vec<_>>().join("\n");
    (output.status.code(), said, String::from_utf8(output.stderr).expect("UTF-8"))
}

const CUTS: &str =
    "@5s power off 30%\n@6s loss 1-10 30%\n@8s power on 30%\n@9s heal 1-10\n@10s reset 20";

#[test]
fn a_fleet_in_virtual_time_is_well_and_the_same_again() {
    let (code, said, errors) = in_virtual_time(100, CUTS, &["--seed", "7"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("fleet: 100 boards, 100 up; 131 boots, 31 power cuts"), "{said}");
    assert!(
        said.contains("reports from 100 boards") && said.contains("echoes from 100 boards"),
        "{said}"
    );
    assert_eq!(in_virtual_time(100, CUTS, &["--seed", "7"]).1, said);
    assert_ne!(in_virtual_time(100, CUTS, &["--seed", "8"]).1, said);
    // What is not well is said, and what has no power is not expected to be.
    let deaf = "@1s partition 3 in on\n@2s partition 5 out on\n@3s power off 7-9";
    let (code, said, errors) = in_virtual_time(20, deaf, &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("20 boards, 17 up"), "{said}");
}

/// Ten thousand boards take some ten seconds in release.
#[test]
#[ignore = "takes a minute"]
fn ten_thousand_boards_in_virtual_time_are_well() {
    let (code, said, errors) = in_virtual_time(10_000, CUTS, &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    assert!(
        said.contains("reports from 10000 boards") && said.contains("echoes from 10000 boards"),
        "{said}"
    );
}
