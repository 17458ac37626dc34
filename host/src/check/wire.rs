//! A connection of a check: every wait on it ends at one deadline, and every error says what was seen.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::check::plan::CheckPlan;
use crate::clock;
use crate::net::{explain_connect, explain_shutdown};
use crate::pattern::Difference;
use crate::units::counted;

/// A connection, and when its check has to be over.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    deadline: Instant,
}

/// When a check that begins now has to be over.
pub(super) fn deadline(plan: &CheckPlan) -> Instant {
    clock::now() + plan.timeout
}

/// Time left to `deadline`, or a timeout's error.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(clock::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Whether a wait is over because its time is, which systems tell in two ways.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What an error on a connection means.
pub(super) fn lost(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "time ran out (see --timeout)".to_owned(),
        ErrorKind::ConnectionReset => "it reset the connection".to_owned(),
        ErrorKind::BrokenPipe => "it stopped receiving".to_owned(),
        ErrorKind::UnexpectedEof => "it closed (FIN)".to_owned(),
        _ => error.to_string(),
    }
}

/// A byte that should not be what it is, in what came from `offset` on.
pub(super) fn wrong(offset: u64, difference: Difference) -> String {
    let Difference { index, expected, received } = difference;
    let offset = offset + index as u64;
    format!("wrong byte at offset {offset}: 0x{received:02x} in place of 0x{expected:02x}")
}

impl Wire {
    /// Connects to a port of the board.
    pub(super) fn connect(plan: &CheckPlan, port: u16, deadline: Instant) -> Result<Self, String> {
        let address = plan.at(port);
        let stream = left(deadline)
            .and_then(|left| TcpStream::connect_timeout(&address, left))
            .map_err(|error| match error.kind() {
                ErrorKind::ConnectionRefused if plan.forwarded => format!(
                    "nothing listens on {address}; is it forwarded to port {port} of the board?"
                ),
                _ => explain_connect(address, &error, plan.timeout),
            })?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        Ok(Self { stream, deadline })
    }

    /// A connection that was made otherwise.
    pub(super) fn over(stream: TcpStream, deadline: Instant) -> Self {
        Self { stream, deadline }
    }

    /// The same connection, for the other direction's thread.
    pub(super) fn twin(&self) -> Result<Self, String> {
        let stream = self.stream.try_clone().map_err(|error| lost(&error))?;
        Ok(Self { stream, deadline: self.deadline })
    }

    /// Time left to its deadline, or a timeout's error.
    pub(super) fn left(&self) -> io::Result<Duration> {
        left(self.deadline)
    }

    /// Reads what there is, waiting for it; 0 is the peer's FIN.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read_for(buffer, self.left()?) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// As [`Self::read`], for at most `time`.
    pub(super) fn read_for(&mut self, buffer: &mut [u8], time: Duration) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(time))?;
        self.stream.read(buffer)
    }

    /// Fills the buffer; `what` says what is read.
    pub(super) fn read_all(
        &mut self,
        buffer: &mut [u8],
        what: impl fmt::Display,
    ) -> Result<(), String> {
        let mut done = 0;
        while done < buffer.len() {
            let read = self.read(&mut buffer[done..]).and_then(|length| match length {
                0 => Err(ErrorKind::UnexpectedEof.into()),
                length => Ok(length),
            });
            let total = counted(buffer.len(), "byte");
            done +=
                read.map_err(|error| format!("{what}: {} after {done} of {total}", lost(&error)))?;
        }
        Ok(())
    }

    /// Sends all of it.
    pub(super) fn write_all(&mut self, data: &[u8]) -> Result<(), String> {
        self.send(data).map_err(|error| format!("sending: {}", lost(&error)))
    }

    /// As [`Self::write_all`], with the error as it is.
    pub(super) fn send(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(data) {
                Ok(length) => data = &data[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends our FIN.
    pub(super) fn finish(&self) -> Result<(), String> {
        self.stream.shutdown(Shutdown::Write).map_err(|error| {
            let error = explain_shutdown(error, self.stream.take_error());
            format!("our FIN: {}", lost(&error))
        })
    }

    /// Ends both directions, for a thread that may be waiting in one.
    pub(super) fn end(&self) {
        // It may be over already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Waits for the peer's FIN, before which nothing more may come.
    pub(super) fn expect_fin(&mut self) -> Result<(), String> {
        match self.read(&mut [0; 64]) {
            Ok(0) => Ok(()),
            Ok(extra) => Err(format!("{} too many came", counted(extra, "byte"))),
            Err(error) => Err(format!("waiting for its FIN: {}", lost(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::reset_connection;

    #[test]
    fn our_fin_finds_out_a_reset_as_a_read_does() {
        let wire = Wire::over(reset_connection(b""), clock::now());
        assert_eq!(wire.finish(), Err("our FIN: it reset the connection".to_owned()));
    }
}
