//! Lines for the log pane of a dashboard, in place of the terminal that it has.
//!
//! From [`keep`] on lines are kept, and printed as well, until [`show`] says that the pane has the terminal. They
//! are taken by the dashboard with each picture; the latest [`LINES_MAX`] wait. Cost without a dashboard: a look
//! at one atomic.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that wait for the dashboard at most; older ones make room.
pub(crate) const LINES_MAX: usize = 500;

/// Nothing is kept.
const OFF: u8 = 0;
/// Lines are kept and printed.
const KEPT: u8 = 1;
/// Lines are kept only.
const SHOWN: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(OFF);
static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

fn lines() -> MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on lines are kept, besides being printed.
pub(crate) fn keep() {
    STATE.store(KEPT, Ordering::SeqCst);
}

/// Whether the dashboard has the terminal from now on: if not, lines are only printed.
#[cfg(unix)]
pub(crate) fn show(shown: bool) {
    STATE.store(if shown { SHOWN } else { OFF }, Ordering::SeqCst);
}

/// Keeps a line for the pane, if there is one. Says whether it is not to be printed.
pub(crate) fn take(text: fmt::Arguments<'_>) -> bool {
    let state = STATE.load(Ordering::SeqCst);
    if state == OFF {
        return false;
    }
    let text = text.to_string();
    let mut lines = lines();
    for line in text.split('\n') {
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
    state == SHOWN
}

/// What was kept since the last time.
pub(crate) fn taken() -> VecDeque<String> {
    std::mem::take(&mut lines())
}
