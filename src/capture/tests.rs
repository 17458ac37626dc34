use std::io::Cursor;
use std::path::Path;

use smoltcp::time::Instant;

use super::block::{APPLICATION, Block, short};
use super::format::*;
use super::*;
use crate::scratch::Scratch;

const FRAME: [u8; 15] = *b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x06!";

fn capture(file: &str) -> Capture {
    Capture::create(file.as_ref(), "wire0", std::time::Duration::from_secs(1_700_000_000)).unwrap()
}

fn records(bytes: &[u8]) -> Vec<Record> {
    Reader::new(Cursor::new(bytes)).unwrap().map(Result::unwrap).collect()
}

/// An error's text, wherever it comes.
fn error(bytes: &[u8]) -> String {
    match Reader::new(Cursor::new(bytes)) {
        Ok(mut reader) => reader.find_map(Result::err).expect("an error").to_string(),
        Err(error) => error.to_string(),
    }
}

/// A section with one interface and one frame.
fn small_file() -> Vec<u8> {
    let mut block = Block::default();
    let mut file = block.section().to_vec();
    file.extend_from_slice(block.interface("tap0"));
    file.extend_from_slice(block.packet(0x1_0000_0002, Direction::ToPeer, &FRAME, "lost", 0));
    file
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let application = b"tapboard 0.2.0";
    assert_eq!(application, APPLICATION.as_bytes(), "bring the bytes below up to date");
    let mut expected: Vec<u8> = Vec::new();
    for part in [
        // Section header block: type, length 52, magic, version 1.0, length unknown.
        &b"\x0a\x0d\x0d\x0a\x34\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        // shb_userappl (4) of 14 bytes, padded; end of options; length again.
        b"\x04\0\x0e\0tapboard 0.2.0\0\0\0\0\0\0\x34\0\0\0",
        // Interface description block: length 40, Ethernet, no snap length.
        b"\x01\0\0\0\x28\0\0\0\x01\0\0\0\0\0\0\0",
        // if_name (2), if_tsresol (9) of 10^-9 s, end.
        b"\x02\0\x04\0tap0\x09\0\x01\0\x09\0\0\0\0\0\0\0\x28\0\0\0",
        // Enhanced packet block: length 68, interface 0, time high and low, both lengths 15.
        b"\x06\0\0\0\x44\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x0f\0\0\0\x0f\0\0\0",
        &FRAME,
        // Padding; opt_comment (1); epb_flags (2): outbound; end.
        b"\0\x01\0\x04\0lost\x02\0\x04\0\x02\0\0\0\0\0\0\0\x44\0\0\0",
    ] {
        expected.extend_from_slice(part);
    }
    assert_eq!(small_file(), expected);
}

#[test]
fn what_is_written_is_read_back_and_is_in_the_file_at_once() {
    let scratch = Scratch::new();
    let file = scratch.path("round-trip");
    let mut capture = capture(&file);
    let long = vec![7; 1514];
    let notes = "x".repeat(70_000);
    let written: [(i64, Direction, &[u8], &str); 4] = [
        (0, Direction::ToBoard, &FRAME, ""),
        (1, Direction::ToPeer, &long, "dropped by loss 5%"),
        (1_000_002, Direction::ToBoard, b"", "delayed 43 ms, größer"),
        (3_600_000_000, Direction::ToPeer, &FRAME[..14], &notes),
    ];
    for (index, (micros, direction, frame, notes)) in written.into_iter().enumerate() {
        capture.record(Instant::from_micros(micros), direction, frame, notes).unwrap();
        // The writer is alive, and has not been told to flush.
        let read: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), index + 1);
        let expected = Record {
            at: Some(
                std::time::Duration::from_secs(1_700_000_000)
                    + std::time::Duration::from_micros(micros.unsigned_abs()),
            ),
            link: LinkType::ETHERNET,
            ours: true,
            direction: Some(direction),
            frame: frame.to_vec(),
            original_len: frame.len(),
            notes: notes[..notes.len().min(65_535)].to_string(),
        };
        assert_eq!(read[index], expected);
    }
    assert_eq!(capture.frames(), 4);
}

#[test]
fn a_long_note_is_cut_between_characters() {
    assert_eq!(short(&"ö".repeat(40_000)).len(), 65_534);
    assert_eq!(short("short"), "short");
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_with_a_remedy() {
    let epoch = std::time::Duration::ZERO;
    let error = Capture::create(Path::new("/nonexistent/x"), "w", epoch).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x") && error.contains("name a file"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_once_at_the_first_byte() {
    let epoch = std::time::Duration::ZERO;
    let error = Capture::create(Path::new("/dev/full"), "w", epoch).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_removed_file_ends_the_capture_with_one_error() {
    let scratch = Scratch::new();
    let file = scratch.path("removed");
    let mut capture = capture(&file);
    let mut record = |millis| {
        capture
            .record(Instant::from_millis(millis), Direction::ToBoard, &FRAME, "")
            .map_err(|e| e.to_string())
    };
    record(0).unwrap();
    std::fs::remove_file(&file).unwrap();
    record(999).expect("nobody has looked yet");
    let error = record(1000).unwrap_err();
    assert!(error.contains("was removed") && error.contains("ends after 2 frames"), "{error}");
    record(5000).expect("it was told");
    assert!(capture.is_over());
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_before_it_can_block() {
    let scratch = Scratch::new();
    let file = scratch.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    let error = Capture::create(file.as_ref(), "w", std::time::Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("tail -c +1 -f FILE | wireshark"), "{error}");
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames_and_no_error() {
    let mut file = small_file();
    let one = file.len();
    file.extend_from_slice(Block::default().packet(9, Direction::ToBoard, &FRAME, "", 0));
    for len in 4..file.len() {
        let mut reader = Reader::new(Cursor::new(&file[..len])).unwrap();
        let frames = reader.by_ref().map(Result::unwrap).count();
        assert_eq!(frames, usize::from(len >= one), "{len}");
        let between_blocks = [52, 92, one].contains(&len);
        assert_eq!(reader.truncated(), !between_blocks, "{len}");
    }
}

// ---- What others write -----------------------------------------------------------------------------

/// Blocks in big-endian order.
fn big(block_type: u32, body: &[u8]) -> Vec<u8> {
    let body_len = body.len().next_multiple_of(4);
    let len = (12 + body_len as u32).to_be_bytes();
    let mut block = [&block_type.to_be_bytes()[..], &len, body].concat();
    block.resize(8 + body_len, 0);
    block.extend_from_slice(&len);
    block
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn big_section() -> Vec<u8> {
    big(BLOCK_SECTION, &words(&[BYTE_ORDER_MAGIC, 0x0001_0000, u32::MAX, u32::MAX]))
}

#[test]
fn big_endian_several_interfaces_unknown_blocks_and_simple_packets_are_read() {
    let nanos = 1_500_000_000u64;
    let ticks = |value: u64| [(value >> 32) as u32, value as u32];
    let packet = |interface: u32, value: u64| {
        let [high, low] = ticks(value);
        let mut body = words(&[interface, high, low, 3, 60]);
        body.extend_from_slice(b"abc\0\0\x01\0\x02hi\0\0\0\x01\0\x01!\0\0\0");
        big(BLOCK_ENHANCED_PACKET, &body)
    };
    let interface = |link: u32, snap: u32, options: &[u8]| {
        big(BLOCK_INTERFACE, &[&words(&[link << 16, snap]), options].concat())
    };
    let file = [
        big_section(),
        interface(1, 2, b""), // microseconds by default
        interface(1, 0, b"\0\x09\0\x01\x09\0\0\0\0\x0e\0\x08\0\0\0\0\0\0\0\x64"), // ns, + 100 s
        interface(113, 0, b""), // Linux cooked
        interface(1, 0, b"\0\x09\0\x01\x8a\0\0\0"), // 2^-10 s
        interface(1, 0, b"\0\x09\0\x01\x7f\0\0\0"), // 10^-127 s
        big(0x0bad_beef, &[1; 100]),
        packet(0, 1_500_000),
        packet(1, nanos),
        packet(2, 1),
        packet(3, 1024 + 512),
        packet(4, u64::MAX),
        big(BLOCK_SIMPLE_PACKET, &[&words(&[5])[..], b"vwxyz"].concat()),
        // A little-endian section begins with no interface.
        small_file(),
    ]
    .concat();
    let mut reader = Reader::new(Cursor::new(&file)).unwrap();
    let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    let times: Vec<_> = read.iter().map(|record| record.at.map(|at| at.as_nanos())).collect();
    let ours = 0x1_0000_0002;
    let micros = Some(1_000);
    let expected = [
        Some(1_500_000_000),
        Some(101_500_000_000),
        micros,
        Some(1_500_000_000),
        Some(0),
        None,
        Some(ours),
    ];
    assert_eq!(times, expected);
    assert_eq!(read[2].link, LinkType::LINUX_SLL);
    assert_eq!(read[0].frame, b"abc");
    assert_eq!((read[0].original_len, read[0].direction, &*read[0].notes), (60, None, "hi, !"));
    assert_eq!((&*read[5].frame, read[5].original_len), (&b"vw"[..], 5), "the first's snap length");
    assert_eq!((&*read[6].frame, read[6].ours), (&FRAME[..], true));
    assert!(!read[0].ours, "nobody said who wrote it");
    assert_eq!(reader.unknown_blocks().into_iter().collect::<Vec<_>>(), [(0x0bad_beef, 1)]);
    assert!(!reader.truncated());
}

#[test]
fn classic_pcap_is_read_in_both_orders_and_resolutions() {
    let header = |magic: u32, link: u32| vec![magic, 0x0002_0004, 0, 0, 65_535, link];
    let record = [10, 20, 3, 60];
    for (magic, nanos) in [(PCAP_MICROS, 20_000), (PCAP_NANOS, 20)] {
        let all = [&header(magic, 1)[..], &record].concat();
        for little in [false, true] {
            let to_bytes =
                |word: &u32| if little { word.to_le_bytes() } else { word.to_be_bytes() };
            let mut file: Vec<u8> = all.iter().flat_map(to_bytes).collect();
            file.extend_from_slice(b"abc");
            let read = records(&file);
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].at, Some(std::time::Duration::new(10, nanos)));
            assert_eq!((&*read[0].frame, read[0].original_len), (&b"abc"[..], 60));
            file.truncate(file.len() - 1);
            let mut reader = Reader::new(Cursor::new(&file)).unwrap();
            assert!(reader.next().is_none() && reader.truncated());
        }
    }
    // Modified libpcap: 8 more bytes; and the lengths of version 2.2, the other way around.
    let words = [PCAP_MODIFIED, 0x0004_0002, 0, 0, 65_535, 113, 10, 20, 3, 60, 7, 8];
    let mut file: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    file.extend_from_slice(b"abc");
    let read = records(&file);
    assert_eq!((&*read[0].frame, read[0].link), (&b"abc"[..], LinkType::LINUX_SLL));
    let words = [PCAP_MICROS, 0x0002_0002, 0, 0, 65_535, 1, 10, 20, 60, 3];
    let mut file: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    file.extend_from_slice(b"abc");
    let read = records(&file);
    assert_eq!((&*read[0].frame, read[0].original_len), (&b"abc"[..], 60));
}

#[test]
fn a_direction_is_told_by_our_captures_only_and_obsolete_packets_are_read() {
    let packet = words(&[0x0000_0000, 0, 7, 3, 60]);
    let body = [&packet[..], b"abc\0\0\x02\0\x04\0\0\0\x01\0\0\0\0"].concat();
    let section = |name: &[u8]| {
        let magic = words(&[BYTE_ORDER_MAGIC, 0x0001_0000, u32::MAX, u32::MAX]);
        let option = [&[0, 4, 0, name.len() as u8][..], name].concat();
        big(BLOCK_SECTION, &[magic, option].concat())
    };
    let interface = big(BLOCK_INTERFACE, &words(&[1 << 16, 0]));
    for (name, direction) in [(&b"tapboard 9"[..], Some(Direction::ToBoard)), (b"dumpcap", None)] {
        for kind in [BLOCK_PACKET, BLOCK_ENHANCED_PACKET] {
            let read = records(&[section(name), interface.clone(), big(kind, &body)].concat());
            assert_eq!(read.len(), 1);
            assert_eq!((read[0].direction, read[0].ours), (direction, direction.is_some()));
            assert_eq!((&*read[0].frame, read[0].original_len), (&b"abc"[..], 60));
        }
    }
}

#[test]
fn compressed_files_are_read_cut_ones_as_far_as_they_go_and_others_named() {
    use std::io::Write;
    let plain = small_file().repeat(100);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd =
        ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [&gzip, &zstd] {
        assert!(packed.len() < plain.len() / 2);
        let mut reader = Reader::new(Cursor::new(packed)).unwrap();
        let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!((read.len(), reader.truncated()), (100, false));
        assert_eq!(read[99].frame, FRAME);
        // Files may be joined.
        assert_eq!(records(&packed.repeat(2)).len(), 200);
    }
    let mut reader = Reader::new(Cursor::new(&gzip[..gzip.len() - 4])).unwrap();
    assert!(reader.by_ref().all(|record| record.is_ok()));
    assert!(reader.truncated());
    // The decoder keeps a window back until a frame ends: one block that is not compressed, without the checksum
    // behind it, and a frame of several blocks without its end.
    let mut unsummed = vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 7 << 3];
    unsummed.extend(&((plain.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    unsummed.extend(&plain);
    let long = ruzstd::encoding::compress_to_vec(
        &plain.repeat(30)[..],
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (file, counts) in [(&unsummed[..], 100..101), (&long[..long.len() - 8], 1000..3000)] {
        let mut reader = Reader::new(Cursor::new(file)).unwrap();
        let read = reader.by_ref().inspect(|record| assert!(record.is_ok())).count();
        assert!(counts.contains(&read) && reader.truncated(), "{read}");
    }
    let mut damaged = gzip.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 0xff;
    assert!(error(&damaged).contains("its gzip data is damaged"), "{}", error(&damaged));
    for (magic, program) in [(&b"\xfd7zXZ\0"[..], "xz -dc"), (b"BZh9", "bzip2 -dc")] {
        assert!(error(magic).contains(program), "{}", error(magic));
    }
    // A frame that asks for a window of 128 MiB.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 1, 0, 0];
    assert!(error(&greedy).contains("above 8 MiB"), "{}", error(&greedy));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert!(error(b"").contains("it is empty"));
    assert!(error(&[0x1f, 0x8b, 8]).contains("it is empty"));
    for bytes in [&b"GIF"[..], b"GIF89a; surely no capture", &[0; 100]] {
        assert!(error(bytes).contains("neither a pcapng nor a pcap"), "{bytes:?}");
    }
    let good = small_file();
    let broken = |at: usize, value: u8| {
        let mut file = good.clone();
        assert_ne!(file[at], value);
        file[at] = value;
        error(&file)
    };
    for (at, value, what) in [
        (8, 0, "at byte 0: a section has no byte-order magic"),
        (12, 2, "at byte 0: a section has an unknown major version"),
        (48, 0, "at byte 0: a block's lengths"),
        (56, 7, "at byte 52: a block's length is no multiple of 4"),
        (56, 8, "at byte 52: a block's length is no multiple of 4, or below 12"),
        (88, 0, "at byte 52: a block's lengths at its two ends differ"),
        (70, 60, "at byte 52: an option is longer than its block"),
        (98, 0xff, "at byte 92: a packet's block is longer than 1 MiB"),
        (100, 1, "at byte 92: a packet is of an interface that is not described"),
        (112, 99, "at byte 92: a packet is longer than its block"),
    ] {
        let error = broken(at, value);
        assert!(error.contains(what), "byte {at}: {error}");
    }
    let mut many = Block::default().section().to_vec();
    for _ in 0..=INTERFACES_MAX {
        many.extend_from_slice(Block::default().interface(""));
    }
    assert!(error(&many).contains("too many interfaces"));
}

#[test]
fn no_mutation_of_a_file_makes_the_reader_stumble_or_swell() {
    let mut rng = tapboard_firmware::rng::Rng::new(3);
    let pcap: Vec<u8> = [PCAP_MICROS, 0x0004_0002, 0, 0, 65_535, 1, 1, 2, 4, 4, 0x0403_0201]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let big = [big_section(), big(BLOCK_INTERFACE, &words(&[1 << 16, 0])), {
        big(BLOCK_SIMPLE_PACKET, &words(&[4, 0]))
    }]
    .concat();
    let files = [small_file().repeat(3), [&big[..], &small_file()].concat(), pcap];
    let (mut frames, mut errors, mut cut) = (0, 0, 0);
    for round in 0..100_000 {
        let mut file = files[round % files.len()].clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(file.len() as u32) as usize;
            match rng.below(6) {
                0 => file.truncate(at.max(1)),
                1 => file[at] = 0xff,
                2 => file[at] = rng.below(256) as u8,
                3 => file[at] ^= 1 << rng.below(8),
                4 => file.insert(at, rng.below(256) as u8),
                _ => {
                    let len = rng.below(16) as usize;
                    file.splice(at.., []).take(len).for_each(drop);
                }
            }
            if file.is_empty() {
                break;
            }
        }
        let Ok(mut reader) = Reader::new(Cursor::new(&file)) else {
            errors += 1;
            continue;
        };
        for record in reader.by_ref() {
            match record {
                Ok(record) => {
                    frames += 1;
                    assert!(record.frame.len() <= file.len());
                }
                Err(_) => errors += 1,
            }
        }
        cut += u32::from(reader.truncated());
        // A vector at most doubles as it grows, and has room for 64 KiB at first.
        assert!(reader.source.bytes.capacity() <= 2 * file.len().max(32 << 10));
    }
    // All ways out were taken.
    assert!(frames > 50_000 && errors > 10_000 && cut > 1000, "{frames} {errors} {cut}");
}
