//! A frame changed on its way: bytes, its length, and headers that are put in.

use tapboard_firmware::config::FRAME_SIZE;

use super::frames::fix_checksums;
use super::input::Input;

/// Changes a frame in a few places, in its headers most often. Three times in four its checksums are right afterwards.
pub(crate) fn edit(frame: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..=input.below(3) {
        let at = usize::from(input.byte());
        if let Some(byte) = frame.get_mut(at) {
            *byte = input.byte();
        }
    }
    match input.below(8) {
        0 => frame.truncate(usize::from(input.byte())),
        1 => frame.resize(frame.len().max(usize::from(input.byte())), 0),
        2 => insert_headers(frame, input),
        _ => {}
    }
    if !input.one_in(4) {
        fix_checksums(frame);
    }
}

/// Puts options behind an IPv4 header, or extension headers behind an IPv6 one.
fn insert_headers(frame: &mut Vec<u8>, input: &mut Input<'_>) {
    match (frame.get(12..14), frame.len()) {
        (Some([0x08, 0x00]), 34..=FRAME_SIZE) if frame[14] == 0x45 => {
            let words = 1 + input.below(10);
            let mut options = input.take(words * 4).to_vec();
            options.resize(words * 4, 1);
            frame.splice(34..34, options);
            frame[14] += words as u8;
            let len = frame.len() as u16 - 14;
            frame[16..18].copy_from_slice(&len.to_be_bytes());
        }
        (Some([0x86, 0xdd]), 54..=FRAME_SIZE) => {
            for _ in 0..=input.below(2) {
                let words = input.below(4);
                let mut header = vec![frame[20], words as u8];
                header.extend(input.take(6 + words * 8));
                header.resize(8 + words * 8, 0);
                if input.one_in(8) {
                    header[1] = input.byte();
                }
                // Hop-by-hop most often; routing, fragment, destination, none, authentication.
                frame[20] = input.pick(&[0, 0, 0, 43, 44, 60, 59, 51]);
                frame.splice(54..54, header);
            }
            let len = frame.len() as u16 - 54;
            frame[18..20].copy_from_slice(&len.to_be_bytes());
        }
        _ => {}
    }
}
