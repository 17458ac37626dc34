//! The services: one file, one service, each generic over the `embedded-nal` traits.
//!
//! A service owns its sockets' handles, keeps its state in fixed arrays, and does all its work in
//! `poll(now, &mut stack, ..) -> Option<Instant>`: never blocking, never more than
//! [`crate::config::SERVICE_BUDGET`] bytes a connection. It returns the next moment it wants to be
//! polled at even if nothing arrives: `Some(now)` if it stopped for its budget, `None` if only the
//! network can give it work.
