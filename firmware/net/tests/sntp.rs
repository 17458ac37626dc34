//! The time of day, in virtual time: from a server that answers, that is silent, that lies.

use crate::common::{World, config, v4};
use tapboard_net::netstat::TimeOfDay;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::{NetConfig, UdpSocket};

/// 2026-11-30 14:00:00 UTC, in seconds of NTP and since 1970.
const NTP: u64 = 4_004_805_600;
const UNIX: u64 = NTP - 2_208_988_800;

/// How long a server's clock has gone, and what it says instead of what it should.
#[derive(Clone, Copy)]
struct Server {
    index: usize,
    forge: fn(&mut Vec<u8>),
}

/// A question, and when it came.
type Asked = (Instant, Vec<u8>);

fn stamp(now: Instant) -> [u8; 8] {
    let micros = now.total_micros() as u64;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    ((NTP + micros / 1_000_000) << 32 | fraction).to_be_bytes()
}

impl Server {
    /// Answers what has come in.
    fn serve(self, world: &mut World, socket: &UdpSocket, asked: &mut Vec<Asked>) {
        let now = world.now;
        let mut buffer = [0; 100];
        while let Ok((len, from)) = world.stack(self.index).udp_receive(socket, &mut buffer) {
            assert_eq!((len, buffer[0]), (48, 0x23), "version 4, a client");
            assert_eq!(buffer[1..40], [0; 39], "it says nothing of itself");
            let mut answer = vec![0; 48];
            (answer[0], answer[1]) = (0x24, 2);
            answer[24..32].copy_from_slice(&buffer[40..48]);
            answer[32..40].copy_from_slice(&stamp(now));
            answer[40..48].copy_from_slice(&stamp(now));
            (self.forge)(&mut answer);
            if !answer.is_empty() {
                let _ = world.stack(self.index).udp_send_to(socket, from, &answer);
            }
            asked.push((now, buffer[40..48].to_vec()));
        }
    }
}

fn board() -> NetConfig {
    config(1).with_time_server(v4(2).into())
}

/// What a board knows after so long, and when it asked, of a server that says this.
fn after(
    time: Duration,
    delay: Duration,
    forge: fn(&mut Vec<u8>),
) -> (TimeOfDay, Vec<Asked>, Instant) {
    let mut world = World::ethernet();
    world.add(&board());
    world.add(&config(2));
    world.probe.set_delay(delay);
    let socket = world.stack(1).udp_bind(123).unwrap();
    let (server, mut asked) = (Server { index: 1, forge }, Vec::new());
    assert_eq!(world.stack(0).time_of_day(), TimeOfDay::Unknown);
    let end = world.now + time;
    let mut rounds = 0;
    while world.now < end {
        server.serve(&mut world, &socket, &mut asked);
        if world.poll_due() {
            rounds += 1;
            assert!(rounds < 1000, "busy");
            continue;
        }
        rounds = 0;
        world.now = world.next_event().filter(|at| *at <= end).unwrap_or(end);
    }
    let now = world.now;
    let node = &mut world.nodes[0];
    node.stack.poll(now, &mut node.port);
    (node.stack.time_of_day(), asked, now)
}

const fn honest(_: &mut Vec<u8>) {}

#[test]
fn the_time_is_known_soon_and_asked_for_every_seventeen_minutes() {
    let (time, asked, now) = after(Duration::from_secs(4000), Duration::ZERO, honest);
    let expected = Duration::from_secs(UNIX) + Duration::from_micros(now.total_micros() as u64);
    let TimeOfDay::Unix(time) = time else { panic!("{time:?}") };
    assert!(time.total_micros().abs_diff(expected.total_micros()) <= 2, "{time} {expected}");
    let waits: Vec<_> = asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).secs()).collect();
    assert_eq!(waits, [1024, 1024, 1024]);
    assert!(asked[0].0 <= Instant::from_secs(3));
    let mut nonces: Vec<_> = asked.iter().map(|(_, nonce)| nonce.clone()).collect();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);
}

#[test]
fn half_of_the_way_is_made_up_for_and_what_took_too_long_is_not_taken() {
    let (time, _, now) = after(Duration::from_secs(30), Duration::from_millis(400), honest);
    let expected = UNIX * 1_000_000 + now.total_micros() as u64;
    let TimeOfDay::Unix(time) = time else { panic!("{time:?}") };
    assert!(time.total_micros().abs_diff(expected) <= 2);
    let (time, asked, _) = after(Duration::from_secs(100), Duration::from_millis(1100), honest);
    assert_eq!(time, TimeOfDay::Unknown);
    assert!(asked.len() > 1);
}

#[test]
fn a_silent_server_is_asked_less_and_less() {
    let (time, asked, _) = after(Duration::from_secs(5000), Duration::ZERO, Vec::clear);
    assert_eq!(time, TimeOfDay::Unknown);
    let waits: Vec<_> = asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).secs()).collect();
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1024, 1024, 1024]);
}

#[test]
fn what_is_no_answer_or_of_no_use_is_not_taken() {
    for forge in [
        (|answer| answer[24] ^= 1) as fn(&mut Vec<u8>),
        |answer| answer[31] ^= 1,
        |answer| answer[0] = 0x23,
        |answer| answer[0] = 0x25,
        |answer| answer[0] = 0x04,
        |answer| answer[0] = 0x2c,
        |answer| answer[0] |= 0xc0,
        |answer| answer[1] = 16,
        |answer| answer[40..].fill(0),
        |answer| answer.truncate(47),
    ] {
        let (time, ..) = after(Duration::from_secs(100), Duration::ZERO, forge);
        assert_eq!(time, TimeOfDay::Unknown);
    }
    // A version of old, and more than the least.
    for forge in [(|answer| answer[0] = 0x1c) as fn(&mut Vec<u8>), |answer| answer.extend([0; 20])]
    {
        let (time, ..) = after(Duration::from_secs(100), Duration::ZERO, forge);
        assert!(matches!(time, TimeOfDay::Unix(_)));
    }
}

#[test]
fn who_wants_to_be_asked_no_more_is_not() {
    fn kiss(answer: &mut [u8], code: [u8; 4]) {
        answer[1] = 0;
        answer[12..16].copy_from_slice(&code);
    }
    let hour = Duration::from_secs(3600);
    for forge in
        [(|answer| kiss(answer, *b"DENY")) as fn(&mut Vec<u8>), |answer| kiss(answer, *b"RSTR")]
    {
        let (time, asked, _) = after(hour, Duration::ZERO, forge);
        assert_eq!((time, asked.len()), (TimeOfDay::Unknown, 1));
    }
    let (_, asked, _) = after(hour, Duration::ZERO, |answer| kiss(answer, *b"RATE"));
    assert_eq!(asked.len(), 4);
}

#[test]
fn nobody_else_is_heard() {
    let mut world = World::ethernet();
    world.add(&board());
    world.add(&config(2));
    world.add(&config(3));
    let asked = world.stack(1).udp_bind(123).unwrap();
    let elsewhere =
        [(1, world.stack(1).udp_bind(124).unwrap()), (2, world.stack(2).udp_bind(123).unwrap())];
    let mut buffer = [0; 100];
    let from = world.until(Duration::from_secs(10), |world| {
        Some(world.stack(1).udp_receive(&asked, &mut buffer).ok()?.1)
    });
    let mut answer = vec![0x24, 1];
    answer.resize(24, 0);
    answer.extend_from_slice(&buffer[40..48]);
    answer.extend_from_slice(&[stamp(world.now), stamp(world.now)].concat());
    for (index, socket) in &elsewhere {
        world.stack(*index).udp_send_to(socket, from, &answer).unwrap();
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(world.stack(0).time_of_day(), TimeOfDay::Unknown);
    world.stack(1).udp_send_to(&asked, from, &answer).unwrap();
    world.pass(Duration::from_millis(500));
    assert!(matches!(world.stack(0).time_of_day(), TimeOfDay::Unix(_)));
    // Once is enough.
    answer[40] ^= 0x40;
    let seconds = |world: &mut World| match world.stack(0).time_of_day() {
        TimeOfDay::Unix(time) => time.secs(),
        time => panic!("{time:?}"),
    };
    let before = seconds(&mut world);
    world.stack(1).udp_send_to(&asked, from, &answer).unwrap();
    world.pass(Duration::from_millis(500));
    assert!(seconds(&mut world) - before <= 2);
}

#[test]
fn without_a_server_nobody_is_asked_and_the_time_outlives_its_network() {
    let mut world = World::ethernet();
    world.add(&config(1));
    assert_eq!(world.stack(0).time_of_day(), TimeOfDay::NotAsked);
    world.pass(Duration::from_secs(100));
    assert!(world.nodes[0].port.take_sent().iter().all(|frame| frame[12..14] == [8, 6]));
}
