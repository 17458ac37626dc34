//! What several test files need.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use embedded_nal::nb;
use tapboard_firmware::netstat::Introspect;
use tapboard_firmware::{Error, NetStack};

#[cfg(target_os = "linux")]
pub(crate) mod browser;
pub(crate) mod conversation;
#[cfg(target_os = "linux")]
pub(crate) mod drawn;
pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod hosts;
pub(crate) mod kernel_stack;
pub(crate) mod loopback;
#[cfg(target_os = "linux")]
pub(crate) mod netns;
pub(crate) mod nics;
pub(crate) mod packets;
pub(crate) mod pair;
pub(crate) mod path;
pub(crate) mod ports;
pub(crate) mod predict;
#[cfg(target_os = "linux")]
pub(crate) mod process;
pub(crate) mod recorder;
#[cfg(target_os = "linux")]
pub(crate) mod refusal;
pub(crate) mod scratch;
pub(crate) mod script;
pub(crate) mod snapshot;
pub(crate) mod solo;
pub(crate) mod tcp;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;
pub(crate) mod traffic;
pub(crate) mod transitions;
#[cfg(target_os = "linux")]
pub(crate) mod user;
#[cfg(target_os = "linux")]
pub(crate) mod wire_guest;

/// What a call that does not block gave: `None` if it has to be repeated.
#[track_caller]
pub(crate) fn ready<T>(result: nb::Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(nb::Error::WouldBlock) => None,
        Err(nb::Error::Other(error)) => panic!("{error}"),
    }
}

/// The error of a call that must have failed.
#[track_caller]
pub(crate) fn failed<T: core::fmt::Debug>(result: nb::Result<T, Error>) -> Error {
    match result {
        Err(nb::Error::Other(error)) => error,
        result => panic!("{result:?} is not an error"),
    }
}

/// All sockets of a stack and its counters that are not 0, for a failing test's message.
pub(crate) fn netstat(name: &str, stack: &NetStack<'_>) -> String {
    use std::fmt::Write;
    let mut out = format!("-- {name}\n");
    for row in (0..).map_while(|index| stack.row(index)) {
        let _ = writeln!(out, "{row}");
    }
    for (name, value) in (0..).map_while(|index| stack.counter(index)) {
        if value != 0 {
            let _ = writeln!(out, "{name} {value}");
        }
    }
    out
}
