//! How connections share a bottleneck: two of this stack and one of Reno, in virtual time.
//!
//! Three hosts send as fast as they can, for a minute, over one link of 10 Mbit/s with a drop-tail queue; acknowledgements
//! come back over one that is not limited, with 1 ms of jitter, so that the flows are not in step. The Reno flow is
//! smoltcp's own, or Reno with SACK: the engine of this stack, which halves its window at each loss. smoltcp's has no SACK
//! to send by, fills a hole a round trip, halves its window with each, and adds a segment to it with each acknowledgement,
//! where RFC 5681 3.1 has one a round trip. The receiver is bare smoltcp. Shares are Jain's index (Jain, Chiu and Hawe
//! 1984), 1 if all are equal and 1/3 if one has all. All combinations as a table:
//! `cargo test --test fairness -- --ignored --nocapture`.

mod common;

use std::rc::Rc;

use common::path::{Path, Poll};
use common::traffic::{self, Job, Memory, Progress, Use};
use smoltcp::socket::tcp::CongestionControl;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use tapboard::link::{Link, Setting};
use tapboard::nic::wire::{End, Side};
use tapboard::world::Outcome;
use tapboard_firmware::config::SUPERFRAME_DATA;
use tapboard_firmware::{BOARD_NET, BoardSockets, NetConfig};
use tapboard_net::planted::{Fault, plant};

/// Buffers of the profile `large`, as large as any can be.
const BUFFER: usize = SUPERFRAME_DATA;
const RATE: u64 = 10_000_000;
/// Bytes of a full frame, by which queues are counted.
const FRAME: usize = 1514;
const MINUTE: Instant = Instant::from_millis_const(60_000);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Ours,
    /// smoltcp's.
    Reno,
    /// With SACK.
    SackReno,
}
use Sender::{Ours, Reno, SackReno};

/// A bottleneck: the round trip without a queue, and the packets that fit into it.
#[derive(Clone, Copy, Debug)]
struct Bottleneck {
    rtt_ms: u64,
    packets: usize,
}

/// What came of a minute.
#[derive(Debug)]
struct Shares {
    /// Payload that was acknowledged, bytes.
    bytes: [u64; 3],
    /// The queue: its mean in each of six times ten seconds, and the part of the time in which no further frame would have
    /// fit, of its size and of the minute.
    queue: [f64; 6],
    full: f64,
}

impl Shares {
    /// Jain's index.
    fn index(&self) -> f64 {
        let sum: f64 = self.bytes.iter().map(|&bytes| bytes as f64).sum();
        let squares: f64 = self.bytes.iter().map(|&bytes| (bytes as f64).powi(2)).sum();
        sum * sum / (3.0 * squares)
    }

    /// How much of the rate was used, headers not counted.
    fn used(&self) -> f64 {
        self.bytes.iter().sum::<u64>() as f64 * 8.0 / (RATE as f64 * 60.0)
    }

    fn mean_queue(&self) -> f64 {
        self.queue.iter().sum::<f64>() / 6.0
    }
}

/// The host of that number.
fn net(number: u8) -> NetConfig {
    NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, number]))
        .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, number), 24))
}

/// The mean queue, as time goes on.
#[derive(Default)]
struct Queue {
    /// Byte-seconds in each ten seconds.
    area: [f64; 6],
    full: f64,
    last: (f64, f64),
}

impl Queue {
    fn note(&mut self, now: Instant, queued: usize, limit: usize) {
        let now = now.total_micros() as f64 / 1e6;
        let (then, before) = self.last;
        let mean = f64::midpoint(before, queued as f64);
        self.area[((then / 10.0) as usize).min(5)] += mean * (now - then);
        if mean + FRAME as f64 > limit as f64 {
            self.full += now - then;
        }
        self.last = (now, queued as f64);
    }
}

fn share(senders: [Sender; 3], Bottleneck { rtt_ms, packets }: Bottleneck, seed: u64) -> Shares {
    let limit = packets * FRAME;
    let mut link = Link::new(seed);
    link.set(None, Setting::Delay(Duration::from_micros(rtt_ms * 500)));
    link.set(Some(Side::Peer), Setting::Jitter(Duration::from_millis(1)));
    link.set(Some(Side::Board), Setting::Rate(Some(RATE)));
    link.set(Some(Side::Board), Setting::Queue(limit));
    let mut memories = [(); 3].map(|()| Memory::<BUFFER>::new());
    let mut sockets = [(); 3].map(|()| BoardSockets::new());
    let mut path = Path::new(link);
    let ports = [1009, 2009, 3009];
    path.join(Side::Board, BOARD_NET.mac(), |end: &mut End<'_>| {
        let uses = ports.map(|port| (Use::Serve(port), Progress::new()));
        let sizes = (seed, 4 * BUFFER);
        traffic::bare(&BOARD_NET, sizes, CongestionControl::None, uses.into(), end)
    });
    let progress: [Rc<Progress>; 3] = [(); 3].map(|()| Progress::new());
    let hosts = senders.into_iter().zip(ports).zip(&progress).zip(2..);
    for (((((sender, port), progress), number), memory), sockets) in
        hosts.zip(&mut memories).zip(&mut sockets)
    {
        let seed = seed * 16 + u64::from(number);
        let job = Job { net: net(number), port, send: u64::MAX };
        path.join(Side::Peer, job.net.mac(), |end: &mut End<'_>| -> Poll<'_> {
            match sender {
                Ours => traffic::client(memory, sockets, (job, seed), progress, end),
                SackReno => {
                    let mut poll = traffic::client(memory, sockets, (job, seed), progress, end);
                    Box::new(move |now, end| {
                        plant(Some(Fault::DelayUnheard));
                        let next = poll(now, end);
                        plant(None);
                        next
                    })
                }
                Reno => {
                    let uses = vec![(Use::Job(job), progress.clone())];
                    let size = (seed, BUFFER);
                    traffic::bare(&job.net, size, CongestionControl::Reno, uses, end)
                }
            }
        });
    }
    let mut queue = Queue::default();
    let end = path.run(MINUTE, |now, link| {
        queue.note(now, link.queued(Side::Board, now), limit);
        false
    });
    assert_eq!(end, Err(Outcome::Limit));
    assert!(progress.iter().all(|progress| !progress.failed.get()));
    Shares {
        bytes: progress.map(|progress| progress.acknowledged.get()),
        queue: queue.area.map(|area| area / 10.0 / limit as f64),
        full: queue.full / 60.0,
    }
}

/// That many seeds, the least fair one first.
fn runs<const SEEDS: usize>(senders: [Sender; 3], bottleneck: Bottleneck) -> [Shares; SEEDS] {
    let mut runs = std::array::from_fn(|index| share(senders, bottleneck, index as u64 + 1));
    runs.sort_by(|one: &Shares, other| one.index().total_cmp(&other.index()));
    runs
}

/// The least index of each seed: round trip, packets, index. Of sixty other seeds the least were 0.990, 0.991, 0.961, 0.988,
/// 0.982 and 0.918.
const LEAST_WITH_SACK: [(u64, usize, f64); 6] = [
    (20, 16, 0.97),
    (20, 32, 0.97),
    (50, 16, 0.94),
    (50, 32, 0.97),
    (50, 64, 0.97),
    (100, 16, 0.9),
];

/// Each seed, for what a median of few says is chance. Of sixty other seeds, where the queue holds two thirds of what is under
/// way without it, or more, one was below 0.9, at 0.897; with 16 packets and 20 ms, which have the windows smallest, 18 were,
/// from 0.837 on, at a mean of 0.908. It is always smoltcp's flow that has less.
#[test]
fn two_of_ours_and_one_reno_share_a_bottleneck_as_equals() {
    for (rtt_ms, packets, least) in [(20, 16, 0.85), (20, 32, 0.9), (50, 32, 0.9), (50, 64, 0.9)] {
        let bottleneck = Bottleneck { rtt_ms, packets };
        let runs: [Shares; 3] = runs([Ours, Ours, Reno], bottleneck);
        for shares in &runs {
            let index = shares.index();
            assert!(index >= least, "{bottleneck:?}: {index:.3} {shares:?}");
            assert!(shares.used() > 0.85, "{bottleneck:?}: {shares:?}");
            // Where it holds what is under way twice, a part of it is always used.
            assert!(shares.full < 0.1 && shares.mean_queue() < 0.85, "{bottleneck:?}: {shares:?}");
        }
    }
}

/// Reno with SACK has as much as ours where a queue holds what is under way without it; where it holds less, a loss takes
/// less from ours than from it, and more where the queue is too short to be seen.
#[test]
fn two_of_ours_and_one_reno_with_sack_share_a_bottleneck_as_equals() {
    for (rtt_ms, packets, least) in LEAST_WITH_SACK {
        let bottleneck = Bottleneck { rtt_ms, packets };
        let runs: [Shares; 3] = runs([Ours, Ours, SackReno], bottleneck);
        for shares in &runs {
            let index = shares.index();
            assert!(index >= least, "{bottleneck:?}: {index:.3} {shares:?}");
        }
    }
}

/// Whoever takes nothing from what is under way in recovery has more than a share.
#[test]
fn without_prr_no_bottleneck_is_shared() {
    plant(Some(Fault::NoPrr));
    let shares = share([Ours, Ours, Reno], Bottleneck { rtt_ms: 20, packets: 32 }, 1);
    plant(None);
    assert!(shares.index() < 0.9, "{shares:?}");
}

#[test]
#[ignore = "a table to look at, of three virtual hours"]
fn table() {
    println!(
        "| who | RTT, ms | queue, packets | Jain, median | worst | Mbit/s of each | rate used | queue used | \
         full | queue used in each ten seconds |"
    );
    println!("|---|--:|--:|--:|--:|---|--:|--:|--:|---|");
    for senders in [[Ours, Ours, Reno], [Ours, Ours, SackReno], [Ours; 3], [Reno; 3], [SackReno; 3]]
    {
        for rtt_ms in [20, 50, 100] {
            for packets in [16, 32, 64, 128] {
                let bottleneck = Bottleneck { rtt_ms, packets };
                row(senders, bottleneck);
            }
        }
    }
}

fn row(senders: [Sender; 3], bottleneck: Bottleneck) {
    let [worst, _, median, ..]: [Shares; 5] = runs(senders, bottleneck);
    let name = |sender| match sender {
        Ours => "ours",
        Reno => "Reno",
        SackReno => "Reno-SACK",
    };
    let names = senders.map(name).join(" ");
    let rates = median.bytes.map(|bytes| format!("{:.2}", bytes as f64 * 8.0 / 60e6)).join(" ");
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    println!(
        "| {names} | {} | {} | {:.3} | {:.3} | {rates} | {} | {} | {} | {} |",
        bottleneck.rtt_ms,
        bottleneck.packets,
        median.index(),
        worst.index(),
        percent(median.used()),
        percent(median.mean_queue()),
        percent(median.full),
        median.queue.map(percent).join(" "),
    );
}
