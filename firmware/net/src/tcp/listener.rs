//! Ports that connections may come in on: a listener is an entry here, and no socket of smoltcp's.

use smoltcp::time::Instant;

use super::{Phase, Pool, SlotOwner};

/// A registered port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    /// 0 while this entry is unused.
    pub(crate) port: u16,
    /// Bound ports do not take connections before `listen`.
    pub(crate) listening: bool,
    /// SYN-ACKs wait until the owner admits the connection.
    #[cfg(feature = "deferred-accept")]
    pub(crate) deferred: bool,
    pub(crate) generation: u8,
    pub(crate) touched: Instant,
}

impl Listener {
    /// An unused entry.
    pub(crate) const fn new() -> Self {
        Self {
            port: 0,
            listening: false,
            #[cfg(feature = "deferred-accept")]
            deferred: false,
            generation: 0,
            touched: Instant::ZERO,
        }
    }
}

impl Pool<'_> {
    /// Registers `port`, which nobody has, and returns the listener's index.
    pub(crate) fn register(&mut self, port: u16) -> Option<u8> {
        let registered = self.listeners.iter().filter(|listener| listener.port != 0).count();
        let reserve = usize::from(self.limits.reserve);
        if (registered + 1) * reserve + usize::from(self.limits.client_reserve) > self.slots.len() {
            return None;
        }
        let index = self.listeners.iter().position(|listener| listener.port == 0)?;
        let listener = &mut self.listeners[index];
        *listener = Listener {
            port,
            generation: listener.generation.wrapping_add(1),
            touched: self.now,
            ..Listener::new()
        };
        Some(index as u8)
    }

    /// Forgets a port; connections that nobody accepted are reset.
    pub(crate) fn unregister(&mut self, listener: u8) {
        self.listeners[usize::from(listener)].port = 0;
        for index in self.used() {
            if self.slots[index].owner != SlotOwner::Listener(listener) {
                continue;
            }
            self.slots[index].owner = SlotOwner::Nobody;
            if matches!(self.slots[index].phase, Phase::Handshake | Phase::Queued(_)) {
                self.abort(index);
            }
        }
    }
}
