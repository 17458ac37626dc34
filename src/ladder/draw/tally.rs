//! What came of the frames: what is said on standard error when all have been read.

use std::io::Read;

use crate::capture::Reader;
use crate::ladder::analysis::Analysis;
use crate::ladder::conversation::LISTED_MAX;
use crate::ladder::rung::Rungs;
use crate::output::counted;

/// Says what was left out, and returns an error if that is all.
pub(super) fn report<R: Read>(
    name: &str,
    rungs: &Rungs,
    reader: &Reader<R>,
    list: bool,
) -> Result<(), String> {
    let analysis = rungs.analysis();
    if analysis.read() == 0 {
        return Err(nothing(name, analysis, reader));
    }
    if rungs.passed_over() == analysis.read() {
        return Err(format!("{name}: none of its {} passes the filter", frames(analysis.read())));
    }
    if reader.truncated() {
        log::warn!("{name} ends within a frame: its writer was stopped");
    }
    if let Some(left_out) = left_out(analysis, reader) {
        log::warn!("not drawn: {left_out}; Wireshark may show them");
    }
    let forgotten = analysis.forgotten();
    if forgotten > 0 {
        log::warn!(
            "there were more connections than are remembered: {} of one were forgotten, and marks and \
             numbers began anew if one came again",
            counted(forgotten, "direction")
        );
    }
    let further = analysis.conversation_count().saturating_sub(LISTED_MAX as u64);
    if list && further > 0 {
        log::warn!("only the first {LISTED_MAX} conversations are listed; {further} are not");
    }
    Ok(())
}

/// Says which hosts have a column in vain.
pub(super) fn absent(name: &str, rungs: &Rungs) {
    for host in rungs.absent_hosts() {
        log::warn!(
            "{name}: nothing that is drawn is of {host}, which --hosts asks for: its column is empty; without \
             --hosts, who is there has one"
        );
    }
}

/// Frames and blocks that are not drawn, by type.
fn left_out<R: Read>(analysis: &Analysis, reader: &Reader<R>) -> Option<String> {
    let others = analysis.not_read().iter();
    let others = others.map(|(link, count)| format!("{} of {link}", frames(*count)));
    let blocks = reader.unknown_blocks();
    let blocks = blocks
        .iter()
        .map(|(kind, count)| format!("{} of unknown type {kind:#x}", counted(*count, "block")));
    let all: Vec<_> = others.chain(blocks).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Why nothing was drawn.
fn nothing<R: Read>(name: &str, analysis: &Analysis, reader: &Reader<R>) -> String {
    if let Some(left_out) = left_out(analysis, reader) {
        return format!(
            "{name}: nothing in it can be drawn, only {left_out}; Wireshark may show it, and what is \
             captured on Ethernet, Wi-Fi, or `tcpdump -i any` can be drawn"
        );
    }
    let cut = if reader.truncated() { ": it ends within the first" } else { "" };
    format!("{name}: no frames{cut}; was there traffic, and did a filter let it pass?")
}

fn frames(count: u64) -> String {
    counted(count, "frame")
}
