//! Ctrl-C and SIGTERM as a wake-up of the poll that a command waits in.
//!
//! The first one asks the command to end, with its results so far; the second ends the process at once,
//! with exit code 130. The handler runs on a thread of its own (see the `ctrlc` crate), so it may do what
//! any thread may.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

use crate::output::{Error, complain};

/// Whether the user asked for the end.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for the signals from now on, and wakes the poll when one comes. Once in a process.
    pub fn install(waker: Waker) -> Result<Self, Error> {
        Self::notify(move || waker.wake())
    }

    /// As [`Self::install`], with another way to wake who waits.
    pub fn notify(wake: impl Fn() -> io::Result<()> + Send + 'static) -> Result<Self, Error> {
        let requested = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&requested);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            if let Err(error) = wake() {
                complain(format_args!("cannot end in good order: {error}"));
                std::process::exit(1);
            }
        })
        .map_err(|error| Error::Failed(format!("cannot listen for Ctrl-C: {error}")))?;
        Ok(Self(requested))
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
