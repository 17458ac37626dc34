//! The states of TCP that services ask for, as the rows of [`Introspect`](tapboard_net::netstat::Introspect) name them. A
//! name that none has does not compile.

use tapboard_net::netstat::STATES;

pub(super) const CLOSED: &str = named("CLOSED");
pub(super) const ESTABLISHED: &str = named("ESTABLISHED");
pub(super) const FIN_WAIT_2: &str = named("FIN-WAIT-2");
pub(super) const TIME_WAIT: &str = named("TIME-WAIT");

/// Bytes of the longest name of all.
pub(super) const LEN_MAX: usize = {
    let (mut longest, mut index) = (0, 0);
    while index < STATES.len() {
        if STATES[index].len() > longest {
            longest = STATES[index].len();
        }
        index += 1;
    }
    longest
};

const fn named(name: &str) -> &'static str {
    let mut index = 0;
    while !are_equal(STATES[index].as_bytes(), name.as_bytes()) {
        index += 1;
    }
    STATES[index]
}

const fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}
