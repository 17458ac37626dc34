//! What a segment that came in tells of its connection.

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

use super::{OwnSyn, SocketSnapshot, Tcb};
use crate::frame::Segment;
use crate::planted::{Fault, is_planted};
use crate::seq::distance;
use crate::time::WrappingInstant;
use crate::workaround::blocks::NONE_TOLD;

impl Tcb {
    /// Whether a segment is what comes most often: the text whose turn it is, which tells nothing of ours that was not known
    /// (header prediction). [`judge`](crate::guard::judge) would let it pass, and there is nothing else to be found out of it.
    pub(crate) fn predicts(&self, segment: &Segment<'_>, socket: SocketSnapshot) -> bool {
        // Windows of a few segments have no rows of them that would be worth the flash.
        cfg!(feature = "wide-scoreboard")
            && !is_planted(Fault::NoPrediction)
            && segment.len > 0
            && segment.ack == Some(self.snd_una)
            && segment.window == self.snd_wnd
            && segment.seq == self.rcv_nxt(socket)
            && segment.len <= socket.room
            && !(segment.syn || segment.fin || segment.rst || segment.has_options())
            && socket.state == State::Established
            && self.own_syn == OwnSyn::Sent
            && self.synchronized
            && self.fin.is_none()
            && self.told == NONE_TOLD
    }

    /// The text that [`Tcb::predicts`] is of has been taken.
    pub(crate) fn received_next(&mut self, segment: &Segment<'_>, now: Instant) {
        self.hear(0, now);
        self.refused = false;
        self.heard_at(segment.seq);
    }

    /// The peer has said something to be believed, and acknowledged so many bytes anew.
    fn hear(&mut self, newly: usize, now: Instant) {
        let silence = now - self.heard.near(now);
        self.heard = WrappingInstant::new(now);
        if self.snd_wnd > 0 && newly == 0 {
            self.loss.returned(silence, self.snd_nxt, now);
        }
    }

    /// A segment with this number has told of the window.
    fn heard_at(&mut self, seq: TcpSeqNumber) {
        if distance(seq, self.snd_wl1) > 0 {
            self.snd_wl1 = seq;
        }
    }

    /// A segment came in, and smoltcp has taken it or not. `verify`: its checksum is ours to verify. Never inlined: smoltcp's
    /// way in, which is deep, needs no room for it.
    #[inline(never)]
    pub(crate) fn received(
        &mut self,
        segment: &Segment<'_>,
        verify: bool,
        before: SocketSnapshot,
        after: SocketSnapshot,
        now: Instant,
    ) {
        match (before.state, after.state) {
            // A SYN, or a SYN-ACK.
            (State::Listen, State::SynReceived) | (State::SynSent, _) if before != after => {
                self.snd_shift = segment.window_scale();
                self.rcv_consumed = segment.seq + 1;
                self.begin(segment, now);
            }
            // The end of the handshake.
            (State::SynReceived, _) if before != after => self.begin(segment, now),
            // The SYN again: the guard lets no other one pass.
            (State::SynReceived, _) if segment.syn => self.heard = WrappingInstant::new(now),
            _ => {
                let Some(ack) = segment.ack.filter(|_| self.synchronized) else { return };
                let Ok(newly) = usize::try_from(distance(ack, self.snd_una)) else { return };
                let taken = before.queue.saturating_sub(after.queue);
                // The FIN is acknowledged with the last byte, and counts for one.
                let data = taken > 0 && (newly == taken || newly == taken + 1);
                let fin = taken == 0 && newly == 1 && before.state != after.state;
                let ahead = distance(segment.seq, self.rcv_nxt(before));
                let within = usize::try_from(ahead).is_ok_and(|ahead| ahead < before.room.max(1));
                let newer = data
                    || fin
                    || (newly == 0
                        && (after.unread > before.unread
                            // smoltcp has its window, whatever became of its text.
                            || (within
                                && (segment.len == 0 || ahead > 0)
                                && segment.is_sound(verify))));
                if data || fin || newer || (newly == 0 && segment.is_sound(verify)) {
                    self.hear(newly, now);
                } else {
                    return;
                }
                let duplicate = self.is_duplicate(segment);
                if newer && self.snd_wnd == 0 && segment.window > 0 {
                    self.loss.window_opened(now);
                }
                let ack = if data || fin { ack } else { self.snd_una };
                let blocks = &segment.sack_ranges();
                if data || fin || duplicate || blocks[0].is_some() {
                    self.progress(ack, blocks, duplicate, now);
                }
                if data || fin || newer {
                    self.refused = segment.len == 0 && segment.window == 0;
                    self.set_window(segment.window);
                }
                if newer {
                    self.heard_at(segment.seq);
                }
            }
        }
    }

    /// The handshake, or its first half, is done.
    pub(super) fn begin(&mut self, segment: &Segment<'_>, now: Instant) {
        // Of a SYN nothing is known yet of ours.
        self.synchronized = segment.ack.is_some();
        let ack = segment.ack.unwrap_or_default();
        (self.snd_una, self.snd_nxt) = (ack, ack);
        self.snd_wl1 = segment.seq;
        self.heard = WrappingInstant::new(now);
        self.loss.begin(ack, now);
        self.set_window(segment.window);
        if segment.syn {
            if let Some(syn) = segment.repr() {
                // Where the peer named none, the guard has.
                self.loss.introduced(syn.sack_permitted, syn.max_seg_size.unwrap_or(u16::MAX));
            }
            // The window of a SYN is never scaled (RFC 7323 2.2).
            self.max_wnd >>= self.snd_shift;
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn set_window(&mut self, window: u16) {
        self.snd_wnd = window;
        self.max_wnd = self.max_wnd.max(window);
    }
}
