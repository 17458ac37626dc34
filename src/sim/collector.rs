//! The telemetry server of a world: takes every board's lines and checks each.
//!
//! Within a connection `seq` rises; within a boot no `seq` comes twice, whatever connection it comes on;
//! no board has been up for longer than since its boot. It holds at most one line a connection.

use embedded_nal::nb;
use smoltcp::time::Instant;
use tapboard_firmware::config::TELEMETRY_LINE;

use super::check::telemetry;
use super::host::{HostSockets, HostTcp};

/// The server's port.
pub(super) const PORT: u16 = 9000;

#[derive(Debug)]
struct Connection {
    socket: HostTcp,
    line: Vec<u8>,
    seq: Option<u32>,
}

/// One boot of one board.
#[derive(Debug)]
struct Boot {
    board: usize,
    number: usize,
    seen: Vec<bool>,
}

/// The server.
#[derive(Debug, Default)]
pub(super) struct Collector {
    listener: Option<HostTcp>,
    connections: Vec<Connection>,
    boots: Vec<Boot>,
    /// When each board's last line was made, as far as known.
    pub(super) last: Vec<(usize, Instant)>,
    closed: bool,
}

type Failure = String;

impl Collector {
    /// Forgets every socket: the machine is another one.
    pub(super) fn restart(&mut self) {
        self.listener = None;
        self.connections.clear();
    }

    /// Closes every socket for good.
    pub(super) fn shutdown(&mut self, stack: &mut HostSockets<'_, '_>) {
        self.closed = true;
        let sockets = self.connections.drain(..).map(|connection| connection.socket);
        for socket in sockets.chain(self.listener.take()) {
            stack.close(socket);
        }
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.connections.len()
    }

    /// Accepts and reads what is there. `booted` says when a board booted for the n-th time.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        booted: &impl Fn(usize, usize) -> Option<Instant>,
    ) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let mut listener = match self.listener.take() {
            Some(listener) => listener,
            None => stack.listen(PORT).map_err(|error| format!("cannot listen: {error}"))?,
        };
        while let Some(socket) = stack.accept(&mut listener) {
            self.connections.push(Connection { socket, line: Vec::new(), seq: None });
        }
        self.listener = Some(listener);
        let mut index = 0;
        while index < self.connections.len() {
            if self.read(index, now, stack, booted)? {
                index += 1;
            } else {
                let over = self.connections.swap_remove(index);
                stack.close(over.socket);
            }
        }
        Ok(())
    }

    /// Reads one connection; says whether it goes on.
    fn read(
        &mut self,
        index: usize,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        booted: &impl Fn(usize, usize) -> Option<Instant>,
    ) -> Result<bool, Failure> {
        let mut chunk = [0; 1024];
        loop {
            let connection = &mut self.connections[index];
            let count = match stack.receive(&mut connection.socket, &mut chunk) {
                Ok(0) | Err(nb::Error::Other(_)) => return Ok(false),
                Ok(count) => count,
                Err(nb::Error::WouldBlock) => return Ok(true),
            };
            for &byte in &chunk[..count] {
                let connection = &mut self.connections[index];
                if byte != b'\n' {
                    connection.line.push(byte);
                    if connection.line.len() > TELEMETRY_LINE {
                        return Err("telemetry: a line without end".into());
                    }
                    continue;
                }
                let line = std::mem::take(&mut connection.line);
                let before = connection.seq;
                let seq = self.line(now, &line, before, booted)?;
                let connection = &mut self.connections[index];
                (connection.seq, connection.line) = (Some(seq), line);
                connection.line.clear();
            }
        }
    }

    /// Checks a line and returns its number.
    fn line(
        &mut self,
        now: Instant,
        text: &[u8],
        before: Option<u32>,
        booted: &impl Fn(usize, usize) -> Option<Instant>,
    ) -> Result<u32, Failure> {
        let failure = |why: &str| format!("telemetry: {why}: {}", String::from_utf8_lossy(text));
        let line = std::str::from_utf8(text).ok().and_then(telemetry);
        let line = line.ok_or_else(|| failure("not a line"))?;
        let booted =
            booted(line.board, line.boot).ok_or_else(|| failure("from a boot that never was"))?;
        let made = booted + smoltcp::time::Duration::from_millis(line.uptime_ms);
        if made > now {
            return Err(failure("from the future"));
        }
        if before.is_some_and(|before| line.seq <= before) {
            return Err(failure("the number does not rise"));
        }
        let same = |known: &Boot| known.board == line.board && known.number == line.boot;
        let place = self.boots.iter().position(same).unwrap_or_else(|| {
            self.boots.push(Boot { board: line.board, number: line.boot, seen: Vec::new() });
            self.boots.len() - 1
        });
        let (seen, seq) = (&mut self.boots[place].seen, line.seq as usize);
        // A line a second since boot, and one at each connection.
        if seq > (line.uptime_ms / 250) as usize + 1 {
            return Err(failure("too many lines"));
        }
        if seen.len() <= seq {
            seen.resize(seq + 1, false);
        }
        if std::mem::replace(&mut seen[seq], true) {
            return Err(failure("a line twice"));
        }
        match self.last.iter_mut().find(|(board, _)| *board == line.board) {
            Some((_, last)) => *last = made.max(*last),
            None => self.last.push((line.board, made)),
        }
        Ok(line.seq)
    }
}
