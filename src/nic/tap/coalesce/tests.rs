//! Whatever the firmware sends, what the kernel would make of the batches is the same frames, in the same
//! order, bit for bit; and where it pays, there are fewer batches than frames.

use tapboard_firmware::rng::Rng;

use super::super::incoming::Incoming;
use super::*;
use crate::nic::header_layout::{CWR, made::Made};

/// A coalescer, with a kernel that splits what it writes.
struct Road {
    coalescer: Coalescer,
    kernel: Incoming,
    batches: usize,
    frames: Vec<Vec<u8>>,
}

impl Road {
    fn new() -> Self {
        let (coalescer, kernel) = (Coalescer::new(Offloads::ALL), Incoming::new(Offloads::ALL));
        Self { coalescer, kernel, batches: 0, frames: Vec::new() }
    }

    fn send(&mut self, frame: &[u8]) {
        let Self { coalescer, kernel, batches, frames } = self;
        let fill = |space: &mut [u8]| {
            assert!(space.iter().all(|&byte| byte == 0), "bytes of an earlier frame");
            space.copy_from_slice(frame);
        };
        coalescer.frame(frame.len(), fill, |batch| {
            *batches += 1;
            frames.extend(split(kernel, batch));
        });
    }

    fn send_all(&mut self, sent: &[Vec<u8>]) {
        for frame in sent {
            self.send(frame);
        }
    }

    fn send_superframe(&mut self, frame: &[u8], size: u16) {
        let Self { coalescer, kernel, batches, frames } = self;
        let size = NonZeroU16::new(size).expect("segments have data");
        coalescer.superframe(
            frame.len(),
            size,
            |space| space.copy_from_slice(frame),
            |batch| {
                *batches += 1;
                frames.extend(split(kernel, batch));
            },
        );
    }

    fn flush(&mut self) {
        let Self { coalescer, kernel, batches, frames } = self;
        coalescer.flush(|batch| {
            *batches += 1;
            frames.extend(split(kernel, batch));
        });
    }

    /// Sends all, and returns how many batches that took.
    fn carries(&mut self, sent: &[Vec<u8>]) -> usize {
        self.batches = 0;
        self.frames.clear();
        self.send_all(sent);
        self.flush();
        assert!(self.frames == sent, "{} frames became others", sent.len());
        self.batches
    }
}

/// What the kernel makes of a batch.
fn split(kernel: &mut Incoming, batch: &Batch<'_>) -> Vec<Vec<u8>> {
    kernel.space()[..batch.bytes.len()].copy_from_slice(batch.bytes);
    kernel.filled(batch.bytes.len()).expect("well-formed");
    let frames: Vec<Vec<u8>> = std::iter::from_fn(|| kernel.next().map(<[u8]>::to_vec)).collect();
    assert_eq!(frames.len(), usize::from(batch.frames));
    assert_eq!(frames.iter().map(Vec::len).sum::<usize>(), batch.frame_bytes);
    frames
}

fn frames(segments: &[Made]) -> Vec<Vec<u8>> {
    segments.iter().map(Made::frame).collect()
}

#[test]
fn a_run_of_segments_is_one_batch_whatever_their_size() {
    let mut road = Road::new();
    for ipv6 in [false, true] {
        let headers = if ipv6 { 74 } else { 54 };
        for size in 1..=1514_usize - headers {
            for last in [1, size] {
                let sent = frames(&Made::new(ipv6, 3 * size + last).segments(size));
                let batches = road.carries(&sent);
                let expected = if size < headers { 4 } else { 1 };
                assert_eq!(batches, expected, "{size} bytes, the last {last}, IPv6 {ipv6}");
            }
        }
    }
}

#[test]
fn a_superframe_is_as_long_as_ip_can_say() {
    for (ipv6, most) in [(false, 65_535 - 40), (true, 65_535 - 20)] {
        for size in [1440, 1000, 777] {
            let made = Made { flags: ACK, ..Made::new(ipv6, 200_000 / size * size) };
            let sent = frames(&made.segments(size));
            let batches = Road::new().carries(&sent);
            assert_eq!(batches, sent.len().div_ceil(most / size), "{size}");
        }
    }
}

#[test]
fn a_superframe_is_no_longer_than_the_limit() {
    let made = Made { flags: ACK, ..Made::new(false, 60_000) };
    let sent = frames(&made.segments(1000));
    let mut road = Road::new();
    road.coalescer.set_limit(54 + 20_999);
    assert_eq!(road.carries(&sent), 3);
    // Lowered in the midst of a run.
    road.coalescer.set_limit(usize::MAX);
    road.batches = 0;
    road.frames.clear();
    road.send_all(&sent[..40]);
    road.coalescer.set_limit(54 + 20_999);
    road.send_all(&sent[40..]);
    road.flush();
    assert_eq!((road.batches, &road.frames), (2, &sent));
}

#[test]
fn what_ends_a_run_is_written_with_it_at_once() {
    for flags in [ACK | PSH, ACK | FIN, ACK | FIN | PSH] {
        let mut road = Road::new();
        let sent = frames(&Made { flags, ..Made::new(false, 4000) }.segments(1000));
        road.send_all(&sent);
        assert_eq!((road.batches, &road.frames), (1, &sent), "{flags:#x}");
    }
    let mut road = Road::new();
    let sent = frames(&Made { flags: ACK, ..Made::new(true, 3001) }.segments(1000));
    road.send_all(&sent);
    assert_eq!((road.batches, &road.frames), (1, &sent), "a short one");
}

#[test]
fn segments_without_an_end_wait_for_the_flush() {
    let mut road = Road::new();
    let sent = frames(&Made { flags: ACK, ..Made::new(false, 3000) }.segments(1000));
    road.send_all(&sent);
    assert_eq!(road.batches, 0);
    road.flush();
    assert_eq!((road.batches, &road.frames), (1, &sent));
    road.flush();
    assert_eq!(road.batches, 1, "nothing is left");
}

/// Each of these differs from the segment that would continue the run in one thing.
#[test]
fn what_does_not_continue_a_run_is_written_after_it() {
    type Change = (&'static str, fn(&mut Made));
    let changes: [Change; 9] = [
        ("ports", |made| made.ports.1 += 1),
        ("options", |made| made.options.1 = 4),
        ("identification", |made| made.identification += 100),
        ("a gap", |made| made.sequence += 1),
        ("a repetition", |made| made.sequence -= 1000),
        ("acknowledgement", |made| made.acknowledgement += 1),
        ("window", |made| made.window -= 1),
        ("ECN echo", |made| made.flags |= ECE),
        ("congestion window reduced", |made| made.flags |= CWR),
    ];
    for ipv6 in [false, true] {
        for (what, change) in changes {
            if ipv6 && what == "identification" {
                continue;
            }
            let mut segments = Made { flags: ACK, ..Made::new(ipv6, 4000) }.segments(1000);
            change(&mut segments[2]);
            let batches = Road::new().carries(&frames(&segments));
            assert!((2..=3).contains(&batches), "{what}: {batches} batches");
        }
    }
}

#[test]
fn a_byte_of_any_header_that_differs_breaks_the_run() {
    for ipv6 in [false, true] {
        let segments = Made { flags: ACK, ..Made::new(ipv6, 3000) }.segments(1000);
        let clean = frames(&segments);
        let headers = clean[0].len() - 1000;
        for at in 0..headers {
            let mut sent = clean.clone();
            sent[1][at] ^= 0x04;
            // With right checksums again where that can be.
            if let Some(layout) = HeaderLayout::of(&sent[1]) {
                layout.fill_ipv4_checksum(&mut sent[1]);
                layout.fill_tcp_checksum(&mut sent[1]);
            }
            if sent != clean {
                assert!(Road::new().carries(&sent) > 1, "byte {at}");
            }
        }
    }
}

#[test]
fn a_wrong_checksum_reaches_the_host() {
    for broken in 0..4 {
        let mut sent = frames(&Made::new(false, 4000).segments(1000));
        sent[broken][600] ^= 1;
        let batches = Road::new().carries(&sent);
        assert!((2..=3).contains(&batches), "{broken}: {batches}");
    }
}

/// smoltcp numbers nothing: its packets are atomic.
#[test]
fn an_identification_without_meaning_may_stay_the_same() {
    let mut segments = Made::new(false, 3000).segments(1000);
    for segment in &mut segments {
        segment.identification = 0;
    }
    let mut road = Road::new();
    road.send_all(&frames(&segments));
    assert_eq!(road.batches, 1);
    for (index, segment) in segments.iter_mut().enumerate() {
        segment.identification = index as u16;
    }
    assert_eq!(road.frames, frames(&segments), "the same but for that");
}

#[test]
fn without_offload_every_frame_is_a_batch() {
    let mut coalescer = Coalescer::new(Offloads::NONE);
    for frame in frames(&Made::new(false, 4000).segments(1000)) {
        let mut written = Vec::new();
        let fill = |space: &mut [u8]| space.copy_from_slice(&frame);
        coalescer.frame(frame.len(), fill, |batch| {
            written.extend_from_slice(&batch.bytes[HEADER_LEN..]);
        });
        assert_eq!(written, frame);
    }
}

/// Flows, sizes, flags, options, garbage, damage, in any mixture.
#[test]
fn any_mixture_of_frames_comes_through() {
    let (mut sent, mut batches) = (0, 0);
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut road = Road::new();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        while frames.len() < 100 {
            let below = |rng: &mut Rng, bound: u32| rng.below(bound) as usize;
            let mut made = Made::new(rng.below(2) == 0, below(&mut rng, 20_000));
            made.flags = if rng.below(8) == 0 { rng.next_u64() as u8 } else { ACK };
            made.ports.0 = rng.below(3) as u16;
            made.options.1 = below(&mut rng, 4) * 4;
            made.sequence = rng.next_u64() as u32;
            let longest = 1514 - 74 - made.options.1;
            let mut some = made.segments(1 + below(&mut rng, longest as u32));
            match rng.below(12) {
                0 => some.reverse(),
                1 => some.retain(|_| rng.below(4) != 0),
                2 => some.iter_mut().for_each(|made| made.window = rng.below(2) as u16),
                _ => {}
            }
            for mut frame in some.iter().map(Made::frame).take(100) {
                if rng.below(40) == 0 {
                    let at = below(&mut rng, frame.len() as u32);
                    frame[at] = rng.next_u64() as u8;
                }
                if rng.below(40) == 0 {
                    frame.truncate(below(&mut rng, frame.len() as u32 + 1));
                }
                frames.push(frame);
                if rng.below(40) == 0 {
                    frames.push((0..rng.below(200)).map(|_| rng.next_u64() as u8).collect());
                }
            }
        }
        batches += road.carries(&frames);
        sent += frames.len();
    }
    assert!(batches * 2 < sent, "{sent} frames took {batches} batches");
}

/// Takes the TCP checksum out, as the board leaves it.
fn without_checksum(frame: &[u8]) -> Vec<u8> {
    let tcp = HeaderLayout::of(frame).expect("a segment").tcp;
    let mut frame = frame.to_vec();
    frame[tcp + TCP_CHECKSUM..][..2].fill(0);
    frame
}

#[test]
fn checksums_that_are_left_out_are_there_in_the_end() {
    let mut road = Road::new();
    road.coalescer.set_offloads(Offloads::CHECKSUM);
    for ipv6 in [false, true] {
        for flags in [ACK, ACK | PSH, ACK | FIN] {
            // A run of several, of one; an acknowledgement.
            for (len, batches) in [(4000, 1), (1000, 1), (0, 1)] {
                let made = Made { flags, ..Made::new(ipv6, len) };
                let whole = frames(&if len == 0 { vec![made] } else { made.segments(1000) });
                road.batches = 0;
                road.frames.clear();
                let sent: Vec<_> = whole.iter().map(|frame| without_checksum(frame)).collect();
                road.send_all(&sent);
                road.flush();
                assert!(road.frames == whole, "{len} bytes, flags {flags:#x}, IPv6 {ipv6}");
                assert_eq!(road.batches, batches);
            }
        }
    }
    // From the next frame on.
    road.coalescer.set_offloads(Offloads::NONE);
    let whole = frames(&Made::new(false, 3000).segments(1000));
    assert_eq!(road.carries(&whole), 1);
}

/// Whatever stands in place of its checksum, for the firmware computes none.
#[test]
fn a_superframe_goes_out_at_once_after_what_waited() {
    for (ipv6, full) in [(false, 1460), (true, 1440)] {
        let mut road = Road::new();
        for len in [1, full, full + 1, 3 * full, 10_000, 65_000] {
            let waits = Made { flags: ACK, ..Made::new(ipv6, 400) };
            let made = Made { sequence: waits.sequence + 400, ..Made::new(ipv6, len) };
            let mut superframe = made.frame();
            let layout = HeaderLayout::of(&superframe).expect("a segment");
            superframe[layout.tcp + TCP_CHECKSUM..][..2].fill(0x5a);
            road.batches = 0;
            road.frames.clear();
            road.send(&waits.frame());
            assert_eq!(road.batches, 0);
            road.send_superframe(&superframe, full as u16);
            assert_eq!(road.batches, 2, "{len} bytes");
            let expected = [waits].into_iter().chain(made.segments(full)).map(|made| made.frame());
            assert!(road.frames == expected.collect::<Vec<_>>(), "{len} bytes");
        }
    }
}
