//! A connection to the service of a test, and the words for what goes wrong with it.
//!
//! Reads and writes block, for no longer than the plan's stall timeout: with one connection at a time
//! that is the fewest system calls, and so the least that the measuring adds to what it measures.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::bench::plan::{BenchPlan, Test};
use crate::net::{explain_connect, explain_shutdown};
use crate::output::Error;
use crate::pattern::Difference;
use crate::units::{counted, show_seconds};

/// A connection of a test.
#[derive(Debug)]
pub(super) struct Peer<'p> {
    pub(super) stream: TcpStream,
    plan: &'p BenchPlan,
    test: Test,
}

/// The error of a test, which names the service.
pub(super) fn failed(test: Test, text: impl fmt::Display) -> Error {
    Error::Failed(format!("{}: {text}", test.service()))
}

impl<'p> Peer<'p> {
    /// Connects to the service of `test`.
    pub(super) fn connect(plan: &'p BenchPlan, test: Test) -> Result<Self, Error> {
        let address = plan.service_address(test);
        let stream = TcpStream::connect_timeout(&address, plan.connect_timeout).map_err(|error| {
            let explained = explain_connect(address, &error, plan.connect_timeout);
            let remedy = match error.kind() {
                ErrorKind::ConnectionRefused => "; or leave it out: see --only and --port-offset",
                ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => {
                    "; earlier connections keep their ports for a minute (TIME-WAIT): wait, or take \
                     fewer --connections"
                }
                _ => "",
            };
            failed(test, format_args!("{explained}{remedy}"))
        })?;
        let peer = Self { stream, plan, test };
        let timeout = Some(plan.stall_timeout);
        peer.stream.set_read_timeout(timeout).map_err(|error| peer.lost(0, &error))?;
        Ok(peer)
    }

    /// A connection that was made otherwise.
    #[cfg(test)]
    pub(super) fn over(stream: TcpStream, plan: &'p BenchPlan, test: Test) -> Self {
        Self { stream, plan, test }
    }

    /// As [`Self::connect`], for writes that may block and must not wait for one another.
    pub(super) fn connect_for_bulk(plan: &'p BenchPlan, test: Test) -> Result<Self, Error> {
        let peer = Self::connect(plan, test)?;
        let timeout = Some(plan.stall_timeout);
        let set = peer.stream.set_write_timeout(timeout);
        set.and_then(|()| peer.stream.set_nodelay(true)).map_err(|error| peer.lost(0, &error))?;
        Ok(peer)
    }

    /// Reads what there is; 0 is the peer's FIN. `done` bytes were moved before.
    pub(super) fn read(&mut self, buffer: &mut [u8], done: u64) -> Result<usize, Error> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(|error| self.lost(done, &error)),
            }
        }
    }

    /// Writes as much as there is room for, at least a byte.
    pub(super) fn write(&mut self, data: &[u8], done: u64) -> Result<usize, Error> {
        loop {
            match self.stream.write(data) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(|error| self.lost(done, &error)),
            }
        }
    }

    /// Sends our FIN.
    pub(super) fn finish(&mut self, done: u64) -> Result<(), Error> {
        self.stream
            .shutdown(Shutdown::Write)
            .map_err(|error| self.lost(done, &explain_shutdown(error, self.stream.take_error())))
    }

    /// Waits for the peer's FIN, before which nothing more may come.
    pub(super) fn expect_fin(&mut self, done: u64) -> Result<(), Error> {
        match self.read(&mut [0; 64], done)? {
            0 => Ok(()),
            extra => Err(self.excess(done, extra)),
        }
    }

    /// The connection broke, or nothing moved for too long.
    pub(super) fn lost(&self, done: u64, error: &io::Error) -> Error {
        let bytes = counted(done, "byte");
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.stalled(done),
            ErrorKind::ConnectionReset => {
                failed(self.test, format_args!("it reset the connection after {bytes}"))
            }
            ErrorKind::BrokenPipe => {
                failed(self.test, format_args!("it stopped receiving after {bytes}"))
            }
            _ => failed(self.test, format_args!("{error} after {bytes}")),
        }
    }

    /// Nothing moved for too long.
    pub(super) fn stalled(&self, done: u64) -> Error {
        let timeout = show_seconds(self.plan.stall_timeout);
        failed(
            self.test,
            format_args!(
                "stalled: nothing moved for {timeout} after {}; see --timeout",
                counted(done, "byte")
            ),
        )
    }

    /// It went on after our FIN for too long.
    pub(super) fn endless(&self, done: u64) -> Error {
        let timeout = show_seconds(self.plan.stall_timeout);
        failed(
            self.test,
            format_args!(
                "it went on for {timeout} after our FIN, and {} in all",
                counted(done, "byte")
            ),
        )
    }

    /// A byte that should not be what it is, in what came back from `offset` on.
    pub(super) fn wrong(&self, offset: u64, difference: Difference) -> Error {
        let Difference { index, expected, received } = difference;
        let offset = offset + index as u64;
        failed(
            self.test,
            format_args!(
                "wrong byte at offset {offset}: expected 0x{expected:02x}, received 0x{received:02x}"
            ),
        )
    }

    /// More came than was due.
    pub(super) fn excess(&self, done: u64, extra: usize) -> Error {
        let extra = counted(extra, "byte");
        failed(self.test, format_args!("{extra} more came than the {done} due"))
    }

    /// The peer's FIN came too early.
    pub(super) fn early_end(&self, done: u64) -> Error {
        let bytes = counted(done, "byte");
        failed(self.test, format_args!("it closed (FIN) after {bytes}, before we did"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::reset_connection;

    #[test]
    fn our_fin_finds_out_a_reset_as_a_read_does() {
        let plan = BenchPlan::of(Test::To);
        let mut peer = Peer::over(reset_connection(b""), &plan, Test::To);
        let reset = "discard (port 9 of the board): it reset the connection after 5 bytes";
        assert_eq!(peer.finish(5), Err(Error::Failed(reset.to_owned())));
    }
}
