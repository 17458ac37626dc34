//! Nobody waits at a terminal where there is no command line.

/// A bar that is not shown; see the feature `cli`.
#[derive(Debug)]
pub(crate) struct Progress;

#[allow(clippy::unused_self, reason = "as the one that is shown")]
impl Progress {
    /// Of so many bytes.
    pub(crate) const fn of_bytes(_len: u64, _what: &'static str) -> Self {
        Self
    }

    /// Of so many worlds.
    pub(crate) const fn of_worlds(_worlds: u64, _hidden: bool) -> Self {
        Self
    }

    /// So much more is done.
    pub(crate) const fn inc(&self, _count: u64) {}

    /// Prints something.
    pub(crate) fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        print()
    }

    /// Takes it away.
    pub(crate) const fn finish_and_clear(&self) {}
}
