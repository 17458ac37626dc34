//! `login`: whether a session may change something.

use core::net::IpAddr;
use core::ops::ControlFlow;

use smoltcp::time::Instant;
use tapboard_net::earliest;

use super::{Context, Session};
use crate::config::{LOGIN_DELAY, LOGIN_FAILURES};
use crate::service::access::{Access, Attempt, Credentials, Verdict};
use crate::service::server::Stop;

/// How far a session is with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Login {
    admitted: bool,
    failures: u8,
    /// What was offered and is not judged yet, and when.
    offered: Option<(Credentials, Instant)>,
    /// When to say that it was wrong.
    refuse_at: Option<Instant>,
}

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing.
    None,
    /// Nothing before then.
    Wait(Instant),
    Admitted,
    Refused,
    /// As before, and the session is to end.
    RefusedForGood,
}

impl Login {
    /// Whether the session may change something.
    pub(super) const fn may_change(&self, access: &Access) -> bool {
        self.admitted || !access.asks()
    }

    /// The client says that the token is `guess`.
    pub(super) fn offer(&mut self, guess: &[u8], access: &Access, now: Instant) {
        self.offered = Some((access.examine(guess), now));
    }

    /// Goes on with what was offered, from `address`.
    fn turn(&mut self, address: IpAddr, now: Instant, access: &mut Access) -> Outcome {
        if let Some(at) = self.refuse_at {
            if now < at {
                return Outcome::Wait(at);
            }
            self.refuse_at = None;
            self.failures += 1;
            let last = self.failures >= LOGIN_FAILURES;
            return if last { Outcome::RefusedForGood } else { Outcome::Refused };
        }
        let Some((credentials, made)) = self.offered else { return Outcome::None };
        let verdict = access.judge(credentials, Attempt { address, made }, now);
        if let Verdict::Wait(at) = verdict {
            return Outcome::Wait(at);
        }
        self.offered = None;
        match verdict {
            Verdict::Granted => {
                self.admitted = true;
                Outcome::Admitted
            }
            Verdict::Refused => {
                let at = now + LOGIN_DELAY;
                self.refuse_at = Some(at);
                Outcome::Wait(at)
            }
            Verdict::Asked | Verdict::Wait(_) => Outcome::None,
        }
    }
}

impl Session {
    /// Says what has come of a login, once it is known.
    pub(super) fn log_in<B, C>(&mut self, context: &mut Context<'_, B, C>) -> ControlFlow<Stop> {
        match self.login.turn(self.remote.ip(), context.now, context.access) {
            Outcome::None => return ControlFlow::Continue(()),
            Outcome::Wait(at) => {
                context.deadline = earliest(context.deadline, Some(at));
                return ControlFlow::Break(Stop::Idle);
            }
            Outcome::Admitted => self.say(format_args!("logged in")),
            Outcome::Refused => self.say(format_args!("wrong token")),
            Outcome::RefusedForGood => {
                self.say(format_args!("wrong token; bye"));
                self.ending = true;
            }
        }
        ControlFlow::Continue(())
    }
}
