//! What a service is: the trait, and tuples of services.

use smoltcp::time::{Duration, Instant};
use tapboard_net::earliest;

#[cfg(feature = "http")]
use super::access::Token;

/// A service on the stack `S` of the board `B`: what [`Firmware`](crate::Firmware) gives its turn.
///
/// Implement it for every `S` with the `embedded-nal` traits that it needs, and it runs on any stack that has them;
/// for every `B`, or every [`Board`](crate::Board), or one's own board, for its hardware. Tuples of up to eight
/// services are a service.
pub trait Service<S, B> {
    /// Does what can be done without waiting. Returns the next moment it wants to be polled at even if nothing
    /// arrives, never before `now`: `Some(now)` if it stopped for its budget, `None` if only the network can give it
    /// work.
    fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant>;

    /// Gives every handle back, so that each peer gets what is due and then a FIN. It is polled no more.
    fn shutdown(&mut self, stack: &mut S, board: &mut B);

    /// Opens its ports, before the stack looks at its first frame: a connection request that is waiting already is
    /// not refused. By default it is polled, and its deadline is of no account.
    fn open(&mut self, now: Instant, stack: &mut S, board: &mut B) {
        let _ = self.poll(now, stack, board);
    }

    /// Takes 64 random bits of the stack's, once, before [`Service::open`]: for jitter and the like.
    fn reseed(&mut self, seed: u64) {
        let _ = seed;
    }

    /// The cable is in again: what waits for an answer of the network need not wait longer.
    fn link_up(&mut self, stack: &mut S, board: &mut B) {
        let _ = (stack, board);
    }

    /// From now on who changes something over the network has to know `token`; with `None`, there is none. By default that
    /// is of no account.
    #[cfg(feature = "http")]
    fn set_token(&mut self, token: Option<Token>) {
        let _ = token;
    }

    /// The processor has slept for `time` since the last poll: whoever drives the firmware says so. By default that is
    /// of no account.
    fn slept(&mut self, time: Duration) {
        let _ = time;
    }
}

/// Makes a [`Service`] of a tuple of services, each of which gets its turn, in order.
macro_rules! tuple {
    ($($name:ident $index:tt)*) => {
        impl<S, B, $($name: Service<S, B>),*> Service<S, B> for ($($name,)*) {
            fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant> {
                let _ = (now, &stack, &board);
                let deadline = None;
                $(let deadline = earliest(deadline, self.$index.poll(now, stack, board));)*
                deadline
            }

            fn shutdown(&mut self, stack: &mut S, board: &mut B) {
                let _ = (&stack, &board);
                $(self.$index.shutdown(stack, board);)*
            }

            fn open(&mut self, now: Instant, stack: &mut S, board: &mut B) {
                let _ = (now, &stack, &board);
                $(self.$index.open(now, stack, board);)*
            }

            fn reseed(&mut self, seed: u64) {
                let _ = seed;
                // Each its own.
                $(self.$index.reseed(seed.rotate_left(8 * $index));)*
            }

            fn link_up(&mut self, stack: &mut S, board: &mut B) {
                let _ = (&stack, &board);
                $(self.$index.link_up(stack, board);)*
            }

            #[cfg(feature = "http")]
            fn set_token(&mut self, token: Option<Token>) {
                let _ = token;
                $(self.$index.set_token(token);)*
            }

            fn slept(&mut self, time: Duration) {
                let _ = time;
                $(self.$index.slept(time);)*
            }
        }
    };
}

tuple!();
tuple!(V0 0);
tuple!(V0 0 V1 1);
tuple!(V0 0 V1 1 V2 2);
tuple!(V0 0 V1 1 V2 2 V3 3);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6 V7 7);
