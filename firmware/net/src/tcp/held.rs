//! The essence of a connection request: all that is needed to show it to smoltcp as if it had just come in.

use core::num::{NonZeroU8, NonZeroU16};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use crate::frame::{FourTuple, Segment};
use crate::limits::{SYN_HELD, SYN_HELD_MAX};
use crate::workaround::inject::{InjectedSegment, bare};

/// The essence of a SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// See [`clock`].
    pub(super) at: u32,
    pub(crate) seq_number: TcpSeqNumber,
    pub(crate) ends: FourTuple,
    pub(super) window_len: u16,
    pub(super) max_seg_size: Option<NonZeroU16>,
    /// One more than it is, so that none costs nothing.
    pub(super) window_scale: Option<NonZeroU8>,
    pub(super) sack_permitted: bool,
    /// How often its sender has asked again.
    pub(super) repeats: u8,
}

const _: () = {
    const SIZE: usize = if cfg!(feature = "ipv6") { 56 } else { 28 };
    assert!(size_of::<Held>() <= SIZE, "it is RAM, and as often as there are places");
};

/// A time in four bytes: units of 1024 us, which need no division, that wrap after seven weeks.
pub(super) const fn clock(now: Instant) -> u32 {
    (now.total_micros() >> 10) as u32
}

impl Held {
    /// Whether its sender may still be waiting.
    pub(super) fn is_fresh(&self, now: u32) -> bool {
        const FIRST: u32 = (SYN_HELD.total_micros() >> 10) as u32;
        const DOUBLED_MAX: u32 = (SYN_HELD_MAX.total_micros() / SYN_HELD.total_micros()).ilog2();
        let held = FIRST << u32::from(self.repeats).min(DOUBLED_MAX);
        now.wrapping_sub(self.at) < held
    }

    /// Reads a SYN, and checks its checksum, if that is ours to do.
    #[cfg_attr(feature = "syn-cookies", inline(never))]
    pub(crate) fn read(
        syn: &Segment<'_>,
        now: Instant,
        checksums: &ChecksumCapabilities,
    ) -> Option<Self> {
        let ends = syn.received_on();
        let repr =
            TcpRepr::parse(&syn.packet(), &ends.remote.addr, &ends.local.addr, checksums).ok()?;
        let max_seg_size = match repr.max_seg_size.map(NonZeroU16::new) {
            // Nor would smoltcp take one without room for data.
            Some(None) => return None,
            some => some.flatten(),
        };
        Some(Self {
            at: clock(now),
            seq_number: repr.seq_number,
            ends,
            window_len: repr.window_len,
            max_seg_size,
            window_scale: repr.window_scale.map(|scale| NonZeroU8::MIN.saturating_add(scale)),
            sack_permitted: repr.sack_permitted,
            repeats: 0,
        })
    }

    /// The SYN as it was.
    pub(crate) fn write(&self) -> InjectedSegment {
        self.write_with(None)
    }

    /// The SYN-ACK that smoltcp would send with this initial sequence number.
    #[cfg(feature = "syn-cookies")]
    pub(crate) fn answer(&self, isn: TcpSeqNumber, window: u16, size: u16) -> InjectedSegment {
        let FourTuple { local, remote } = self.ends;
        let answer = Self {
            seq_number: isn,
            ends: FourTuple { local: remote, remote: local },
            window_len: window,
            max_seg_size: NonZeroU16::new(size),
            // Of a shift by nothing.
            window_scale: self.window_scale.and(Some(NonZeroU8::MIN)),
            ..*self
        };
        answer.write_with(Some(self.seq_number + 1))
    }

    #[cfg_attr(feature = "syn-cookies", inline(never))]
    fn write_with(&self, ack: Option<TcpSeqNumber>) -> InjectedSegment {
        let tcp = TcpRepr {
            window_scale: self.window_scale.map(|more| more.get() - 1),
            max_seg_size: self.max_seg_size.map(NonZeroU16::get),
            sack_permitted: self.sack_permitted,
            ..bare(TcpControl::Syn, &self.ends, self.seq_number, ack, self.window_len)
        };
        InjectedSegment::new(&tcp, &self.ends)
    }
}
