//! Takes clients off a listener that tells of them once: its events are edge-triggered, so whoever was not asked for after
//! one is not told of again.

use std::io::{self, ErrorKind};

use smoltcp::time::{Duration, Instant};

/// How soon to ask again for a file descriptor, if there was none.
const RETRY: Duration = Duration::from_millis(100);
/// Clients that are gone already, in a row, before the driver looks at something else.
const GONE: usize = 64;

/// Whether there may be clients.
#[derive(Debug)]
pub(crate) struct Backlog {
    waiting: bool,
    /// When to ask again after an error of the system's.
    retry_at: Option<Instant>,
}

impl Default for Backlog {
    /// That of a new listener, which is asked before its first event.
    fn default() -> Self {
        Self { waiting: true, retry_at: None }
    }
}

impl Backlog {
    /// Notes that there was an event.
    pub(crate) const fn ready(&mut self) {
        self.waiting = true;
    }

    /// Whether there may be a client although no event will tell of it.
    pub(crate) const fn waiting(&self) -> bool {
        self.waiting
    }

    /// When to ask again, if the system could not give what it has.
    pub(crate) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The next client that `accept` has. Who is gone before that is passed over (`ECONNABORTED`, accept(2)).
    pub(crate) fn take<T>(
        &mut self,
        now: Instant,
        mut accept: impl FnMut() -> io::Result<T>,
    ) -> Option<T> {
        let retries = self.retry_at.is_some();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.waiting = true;
        }
        for _ in 0..GONE {
            if !self.waiting {
                return None;
            }
            match accept() {
                Ok(client) => {
                    self.retry_at = None;
                    return Some(client);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.waiting = false;
                        self.retry_at = None;
                    }
                    ErrorKind::Interrupted
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NotConnected => {}
                    _ => {
                        if !retries {
                            log::warn!("cannot take who connects yet: {error}");
                        }
                        self.waiting = false;
                        self.retry_at = Some(now + RETRY);
                    }
                },
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `accept` says, in this order, and then that nobody is there.
    fn take(
        backlog: &mut Backlog,
        now: Instant,
        answers: &mut Vec<Result<u8, ErrorKind>>,
    ) -> Option<u8> {
        backlog.take(now, || {
            if answers.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            answers.remove(0).map_err(Into::into)
        })
    }

    #[test]
    fn who_waits_behind_an_error_is_taken() {
        use ErrorKind::{ConnectionAborted, Interrupted, NotConnected, OutOfMemory};
        let (mut backlog, now) = (Backlog::default(), Instant::ZERO);
        let mut answers = vec![
            Err(Interrupted),
            Err(ConnectionAborted),
            Err(NotConnected),
            Ok(1),
            Err(OutOfMemory),
            Ok(2),
        ];
        assert_eq!(take(&mut backlog, now, &mut answers), Some(1));
        // The system has no room: no event will tell of the next.
        assert_eq!(take(&mut backlog, now, &mut answers), None);
        assert_eq!((backlog.waiting(), backlog.retry_at()), (false, Some(now + RETRY)));
        assert_eq!(take(&mut backlog, now, &mut answers), None, "it would spin");
        assert_eq!(take(&mut backlog, now + RETRY, &mut answers), Some(2));
        assert_eq!(take(&mut backlog, now + RETRY, &mut answers), None);
        assert_eq!((backlog.waiting(), backlog.retry_at()), (false, None));
        answers.push(Ok(3));
        assert_eq!(take(&mut backlog, now + RETRY, &mut answers), None, "nothing was told");
        backlog.ready();
        assert_eq!(take(&mut backlog, now + RETRY, &mut answers), Some(3));
    }

    #[test]
    fn many_that_are_gone_do_not_hold_the_driver() {
        let (mut backlog, now) = (Backlog::default(), Instant::ZERO);
        let mut answers = vec![Err(ErrorKind::ConnectionAborted); GONE];
        answers.push(Ok(1));
        assert_eq!(take(&mut backlog, now, &mut answers), None);
        assert!(backlog.waiting());
        assert_eq!(take(&mut backlog, now, &mut answers), Some(1));
    }
}
