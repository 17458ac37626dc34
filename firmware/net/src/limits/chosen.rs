//! The limits of which a user may want others.

use smoltcp::time::Duration;

use super::SYN_RECEIVED_EVICT;

/// The limits that are a user's to choose. A builder: begin with [`Limits::new`].
///
/// ```
/// use tapboard_net::smoltcp::time::Duration;
/// use tapboard_net::Limits;
///
/// /// A server that never connects to anybody: all slots are for its clients.
/// const LIMITS: Limits = Limits::new().with_client_reserve(0).with_keep_alive(Duration::from_secs(18));
/// const _: () = LIMITS.check();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// TCP slots kept free for each listening port while it holds none.
    pub(crate) reserve: u8,
    /// TCP slots kept free for `connect` while no connection of its own making is open.
    pub(crate) client_reserve: u8,
    pub(crate) connect: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) user_timeout: Duration,
    pub(crate) pressure_evict: Duration,
    pub(crate) abandoned: Option<Duration>,
}

impl Limits {
    /// One slot reserved for each listening port, one for the client side; a connect fails after 15 s, a probe is due
    /// after 20 s of silence, the end after 100 s; while somebody waits for a slot, a connection may
    /// be evicted after 15 s without progress. No handle is taken for abandoned.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reserve: 1,
            client_reserve: 1,
            connect: Duration::from_secs(15),
            keep_alive: Duration::from_secs(20),
            user_timeout: Duration::from_secs(100),
            pressure_evict: Duration::from_secs(15),
            abandoned: None,
        }
    }

    /// TCP slots kept free for each listening port, as many as it holds fewer than this, so that one port's flood cannot
    /// starve another; at least 1. The reserves of all ports and of the client side together are at most the slots.
    #[must_use]
    pub const fn with_reserve(self, slots: u8) -> Self {
        Self { reserve: slots, ..self }
    }

    /// TCP slots kept free for `connect`, as many as it holds fewer than this. 0: a server may use all of them.
    #[must_use]
    pub const fn with_client_reserve(self, slots: u8) -> Self {
        Self { client_reserve: slots, ..self }
    }

    /// A connect that takes longer fails.
    #[must_use]
    pub const fn with_connect(self, limit: Duration) -> Self {
        Self { connect: limit, ..self }
    }

    /// Silence after which a probe asks whether the peer is still there (RFC 9293 3.8.4); more than 16 s.
    #[must_use]
    pub const fn with_keep_alive(self, silence: Duration) -> Self {
        Self { keep_alive: silence, ..self }
    }

    /// Silence, in spite of data or probes sent, after which a connection is given up (RFC 9293 3.8.3, R2), one that is not yet
    /// established too; at least four times the silence before a probe.
    #[must_use]
    pub const fn with_user_timeout(self, silence: Duration) -> Self {
        Self { user_timeout: silence, ..self }
    }

    /// While a request for a connection waits for a slot, that which has made no progress for longest is reset, if it is this
    /// long; while nobody waits, none is. Progress is [`PROGRESS`](super::PROGRESS) bytes of data, either way.
    #[must_use]
    pub const fn with_pressure_evict(self, stalled: Duration) -> Self {
        Self { pressure_evict: stalled, ..self }
    }

    /// A handle that no call named for this long was dropped without `close`, and what it held is reclaimed. `None`: a
    /// handle lives until it is closed, however seldom it is used.
    #[must_use]
    pub const fn with_abandoned(self, unused: Option<Duration>) -> Self {
        Self { abandoned: unused, ..self }
    }

    /// Silence after which a probe is sent.
    #[must_use]
    pub const fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// Silence after which a connection is given up.
    #[must_use]
    pub const fn user_timeout(&self) -> Duration {
        self.user_timeout
    }

    /// Asserts that the limits go together. [`NetStack::new`](crate::NetStack::new) does so too; in a `const` it fails to
    /// compile.
    ///
    /// # Panics
    /// If they do not.
    pub const fn check(&self) {
        assert!(
            self.keep_alive.total_micros() * 4 <= self.user_timeout.total_micros(),
            "a lost probe must not end a connection"
        );
        assert!(
            SYN_RECEIVED_EVICT.total_micros() < self.pressure_evict.total_micros(),
            "a handshake gives way first"
        );
        assert!(self.reserve > 0, "a port that has no slot must find one");
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
