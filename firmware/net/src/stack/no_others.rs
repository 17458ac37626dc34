//! No sockets of the user's own: the feature `smoltcp-sockets` is off, and what would serve them takes no flash.

use smoltcp::phy::Device;
use smoltcp::time::Instant;

use super::NetStack;
use crate::frame::Packet;

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
impl NetStack<'_> {
    pub(super) const fn has_added(&self) -> bool {
        false
    }

    pub(super) const fn others_may_send(&self) -> bool {
        false
    }

    pub(super) const fn others_at(&self) -> Option<Instant> {
        None
    }

    pub(super) const fn lent_is_due(&self) -> bool {
        false
    }

    pub(super) const fn is_for_added(&self, _packet: &Packet<'_>) -> bool {
        false
    }

    pub(super) const fn want_held(&self) {}

    pub(super) const fn held_at(&self, _next: &mut Option<Instant>) {}

    pub(super) const fn forget_held(&self) {}

    pub(super) const fn send_others<D: Device + ?Sized>(&self, _device: &mut D) -> Option<bool> {
        Some(false)
    }
}
