//! Faults planted on purpose, to see whether they are found: each leaves out a mechanism that a connection needs, most of
//! them where frames are lost.
//!
//! With the feature `planted-faults` one of them can be planted in all stacks of a thread; without it, as everywhere but in
//! tests, there are none, and nothing of this is left in the program.

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted-faults"), expect(unreachable_pub, reason = "it is a test's"))]
pub enum Fault {
    /// In recovery no less is under way than before, so that what is lost leaves again in one burst (RFC 6937).
    NoPrr,
    /// What a round trip says and the path has delivered is not heard: each loss is congestion and halves the window (RFC
    /// 5681 3.2, equation 4). That is Reno, with SACK.
    DelayUnheard,
    /// Nobody asks for the last segment of a flight (RFC 8985 7).
    NoTlp,
    /// A timeout that was doubled stays so, whatever is acknowledged (RFC 6298 5.7).
    RtoNotReset,
    /// What the peer says it has behind a hole is not heard (RFC 2018).
    SackIgnored,
    /// A connection that its owner has closed is reset after 20 s, though its peer lives (RFC 9293 3.8.3).
    OrphanReset,
    /// A poll with more to send than a burst of each connection ends as if the device had no room for it.
    RoomUnused,
    /// Text in its turn goes the whole way past the guard, by which nothing is to become different: header prediction is left out.
    NoPrediction,
    /// Nobody who asks for the MAC address of ours is answered (RFC 826, RFC 4861 7.2.4).
    QuestionUnanswered,
}

#[cfg(feature = "planted-faults")]
std::thread_local! {
    static PLANTED: core::cell::Cell<Option<Fault>> = const { core::cell::Cell::new(None) };
}

/// Plants a fault, or none, in all stacks that this thread polls from now on.
#[cfg(feature = "planted-faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether that one is planted.
#[cfg(feature = "planted-faults")]
pub(crate) fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// None is.
#[cfg(not(feature = "planted-faults"))]
pub(crate) const fn is_planted(_fault: Fault) -> bool {
    false
}
