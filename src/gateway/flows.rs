//! The TCP connections through the gateway, either way: accepted at one end, opened at the other, and what then passes,
//! data, half-close, reset and back-pressure.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration as StdDuration;

use embedded_nal::{TcpClientStack, nb};
use mio::net::TcpStream;
use mio::{Interest, Registry};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::{Error, NetStack, TcpSocket, earliest};

use super::allowed::Allowed;
use super::limits::FLOWS;
use super::listener::ForwardListener;
use super::source::EventSource;
use crate::slab::Slab;

/// How long a client waits for the board to take its connection, as long as Linux tries a SYN.
const CONNECT: Duration = Duration::from_secs(120);
/// How soon to ask again for a slot of the gateway's own stack, or a file descriptor, if there was none.
const RETRY: Duration = Duration::from_millis(100);
/// Bytes a flow may move each way in one turn.
const BUDGET: usize = 256 * 1024;
const KEEP_ALIVE: StdDuration = StdDuration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A kernel client waits for the board.
    Board {
        remote: SocketAddr,
        deadline: Instant,
    },
    /// The board's SYN is held until the kernel has connected.
    Kernel,
    Open,
}

/// What a flow's turn came to.
enum FlowState {
    /// It goes on; with a moment, at which to look again.
    Live(Option<Instant>),
    /// Both directions are closed.
    Done,
    /// One side broke off: so must the other.
    Reset,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about one direction")]
struct Flow {
    phase: Phase,
    kernel: TcpStream,
    board: TcpSocket,
    /// Readiness as the kernel reported it and no call has contradicted since.
    readable: bool,
    writable: bool,
    failed: bool,
    /// The kernel's side has sent its FIN, and the board has been sent one.
    kernel_closed: bool,
    /// The board has sent its FIN, and the kernel's side has been sent one.
    board_closed: bool,
}

#[derive(Debug)]
pub(super) struct Flows {
    flows: Slab<Flow>,
}

impl Flows {
    pub(super) fn new() -> Self {
        Self { flows: Slab::new(FLOWS) }
    }

    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn ready(&mut self, index: usize, event: &mio::event::Event) {
        if let Some(flow) = self.flows.get_mut(index) {
            flow.readable |= event.is_readable() || event.is_read_closed();
            flow.writable |= event.is_writable() || event.is_write_closed();
            flow.failed |= event.is_error();
        }
    }

    fn add(
        &mut self,
        phase: Phase,
        mut kernel: TcpStream,
        board: TcpSocket,
        registry: &Registry,
    ) -> Result<(), TcpSocket> {
        let Some(index) = self.flows.vacant() else {
            return Err(board);
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = EventSource::Flow(index).token();
        if let Err(error) = registry.register(&mut kernel, token, interest) {
            log::warn!("gateway: cannot watch a connection: {error}");
            return Err(board);
        }
        let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE);
        let socket = socket2::SockRef::from(&kernel);
        let _ = socket.set_tcp_keepalive(&keep_alive);
        // The board has no urgent data: to it, such a byte is one like any other, and must not be missing.
        let _ = socket.set_out_of_band_inline(true);
        let _ = kernel.set_nodelay(true);
        let flow = Flow {
            phase,
            kernel,
            board,
            readable: false,
            writable: false,
            failed: false,
            kernel_closed: false,
            board_closed: false,
        };
        self.flows.put(index, flow);
        Ok(())
    }

    /// Takes clients from the kernel while there is room for them. Returns when to try again if the
    /// system has no room for one that waits: it tells of each only once.
    pub(super) fn accept_kernel(
        &mut self,
        listener: &mut ForwardListener,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> Option<Instant> {
        if listener.retry_at.is_some_and(|at| now < at) {
            return listener.retry_at;
        }
        let tcp = listener.tcp.as_ref()?;
        while listener.acceptable && self.flows.vacant().is_some() {
            match tcp.accept() {
                Ok((kernel, client)) => {
                    log::debug!("gateway: {client} wants {}", listener.board);
                    let phase = Phase::Board { remote: listener.board, deadline: now + CONNECT };
                    let Ok(board) = TcpClientStack::socket(stack) else {
                        return None;
                    };
                    // What cannot be watched is dropped, and so closed.
                    let _ = self.add(phase, kernel, board, registry);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => listener.acceptable = false,
                // A client that is gone already.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    if listener.retry_at.is_none() {
                        log::warn!("gateway: cannot accept for {}: {error}", listener.board);
                    }
                    listener.retry_at = Some(now + RETRY);
                    return listener.retry_at;
                }
            }
            listener.retry_at = None;
        }
        None
    }

    /// Takes the board's connection requests while there is room for them.
    pub(super) fn accept_board(
        &mut self,
        allowed: &Allowed,
        stack: &mut NetStack<'_>,
        registry: &Registry,
    ) {
        let (Some(tcp), Some(remote)) = (&allowed.tcp, allowed.kernel) else { return };
        while self.flows.vacant().is_some() {
            let Ok((board, from)) = stack.accept_deferred(tcp) else {
                return;
            };
            let refused = match TcpStream::connect(remote) {
                Ok(kernel) => self.add(Phase::Kernel, kernel, board, registry).err(),
                Err(error) => {
                    log::debug!("gateway: {from} wants {remote}: {error}");
                    Some(board)
                }
            };
            if let Some(board) = refused {
                stack.abort(board);
            }
        }
    }

    /// Gives every flow its turn. Returns when one of them needs another even if nothing arrives, or when
    /// others can take over from one that has ended.
    pub(super) fn poll(&mut self, stack: &mut NetStack<'_>, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let full = self.flows.vacant().is_none();
        for index in self.flows.numbers() {
            let Some(flow) = self.flows.get_mut(index) else { continue };
            match flow.turn(stack, now) {
                FlowState::Live(again) => next = earliest(next, again),
                FlowState::Done => {
                    if let Some(flow) = self.flows.take(index) {
                        let _ = TcpClientStack::close(stack, flow.board);
                    }
                }
                FlowState::Reset => {
                    if let Some(flow) = self.flows.take(index) {
                        flow.reset(stack);
                    }
                }
            }
        }
        // Whom a full gateway left waiting, nothing else tells of again.
        let vacancy = full && self.flows.vacant().is_some();
        if vacancy { Some(now) } else { next }
    }

    /// Resets every flow.
    pub(super) fn abort(&mut self, stack: &mut NetStack<'_>) {
        for index in self.flows.numbers() {
            if let Some(flow) = self.flows.take(index) {
                flow.reset(stack);
            }
        }
    }
}

impl Flow {
    /// Breaks off both sides.
    fn reset(self, stack: &mut NetStack<'_>) {
        // Without this, a dropped socket would send a FIN as if all were well.
        let no_linger = Some(StdDuration::ZERO);
        let _ = socket2::SockRef::from(&self.kernel).set_linger(no_linger);
        stack.abort(self.board);
    }

    fn turn(&mut self, stack: &mut NetStack<'_>, now: Instant) -> FlowState {
        if std::mem::take(&mut self.failed)
            && let Ok(Some(error)) = self.kernel.take_error()
        {
            log::debug!("gateway: the kernel's side broke off: {error}");
            return FlowState::Reset;
        }
        match self.phase {
            Phase::Board { remote, deadline } => {
                match TcpClientStack::connect(stack, &mut self.board, remote) {
                    Ok(()) => self.phase = Phase::Open,
                    Err(nb::Error::WouldBlock) => return FlowState::Live(None),
                    // All slots are taken; the board drops a SYN in silence then. Go on asking.
                    Err(nb::Error::Other(Error::TimedOut)) if now < deadline => {
                        return FlowState::Live(Some(now));
                    }
                    Err(nb::Error::Other(Error::NoBufferSpace)) if now < deadline => {
                        return FlowState::Live(Some(now + RETRY));
                    }
                    Err(nb::Error::Other(error)) => {
                        log::debug!("gateway: {remote}: {error}");
                        return FlowState::Reset;
                    }
                }
            }
            Phase::Kernel => {
                if !self.writable {
                    // The board may have given up meanwhile.
                    let gone = stack.endpoints(&self.board).is_err();
                    return if gone { FlowState::Reset } else { FlowState::Live(None) };
                }
                match self.kernel.peer_addr() {
                    Ok(_) if stack.admit(&self.board).is_ok() => self.phase = Phase::Open,
                    Err(error) if error.kind() == ErrorKind::NotConnected => {
                        self.writable = false;
                        return FlowState::Live(None);
                    }
                    _ => return FlowState::Reset,
                }
            }
            Phase::Open => {}
        }
        // With nothing more to come from the board, no other call asks whether it has reset.
        if self.board_closed && stack.endpoints(&self.board).is_err() {
            return FlowState::Reset;
        }
        match (self.kernel_to_board(stack), self.board_to_kernel(stack)) {
            (Ok(_), Ok(_)) if self.kernel_closed && self.board_closed => FlowState::Done,
            (Ok(more), Ok(more_back)) => FlowState::Live((more || more_back).then_some(now)),
            _ => FlowState::Reset,
        }
    }

    /// Moves bytes from the kernel to the board: read into the room that the stack lends. `true`: the budget ran out.
    fn kernel_to_board(&mut self, stack: &mut NetStack<'_>) -> Result<bool, ()> {
        let mut budget = BUDGET;
        while self.readable && !self.kernel_closed && stack.send_room(&self.board) > 0 {
            if budget == 0 {
                return Ok(true);
            }
            let (kernel, mut end) = (&mut self.kernel, Ok(None));
            let _ = stack.tcp_send_with(&self.board, |room| {
                let room_len = room.len().min(budget);
                if room_len == 0 {
                    return 0;
                }
                end = kernel.read(&mut room[..room_len]).map(Some);
                let count = end.as_ref().map_or(0, |count| count.unwrap_or(0));
                budget -= count;
                count
            });
            match end {
                Ok(None) => return Ok(false),
                Ok(Some(0)) => {
                    self.kernel_closed = true;
                    stack.shutdown(&self.board).map_err(drop)?;
                }
                Ok(Some(_)) => {}
                Err(error) => self.readable = again(&error)?,
            }
        }
        Ok(false)
    }

    /// Moves bytes from the board to the kernel: written from the buffer that the stack lends. `true`: the budget ran out.
    fn board_to_kernel(&mut self, stack: &mut NetStack<'_>) -> Result<bool, ()> {
        let mut budget = BUDGET;
        while !self.board_closed {
            if budget == 0 {
                return Ok(true);
            }
            let (kernel, writable) = (&mut self.kernel, self.writable);
            let (mut lent, mut error) = (false, None);
            // Asked even when the kernel cannot take anything: the board may have reset.
            let received = stack.tcp_receive_with(&self.board, |bytes| {
                lent = true;
                let bytes = &bytes[..bytes.len().min(budget)];
                if bytes.is_empty() || !writable {
                    return 0;
                }
                match kernel.write(bytes) {
                    Ok(written) => {
                        budget -= written;
                        written
                    }
                    Err(reason) => {
                        error = Some(reason);
                        0
                    }
                }
            });
            match received {
                Ok(_) => {}
                Err(nb::Error::WouldBlock | nb::Error::Other(Error::InvalidState)) => {
                    return Ok(false);
                }
                Err(nb::Error::Other(_)) => return Err(()),
            }
            if !self.writable {
                return Ok(false);
            }
            if !lent {
                self.board_closed = true;
                return self.kernel.shutdown(Shutdown::Write).map(|()| false).map_err(drop);
            }
            if let Some(error) = error {
                self.writable = again(&error)?;
            }
        }
        Ok(false)
    }
}

/// Whether the same call may be made again at once; an error if the connection is gone.
fn again(error: &std::io::Error) -> Result<bool, ()> {
    match error.kind() {
        ErrorKind::WouldBlock => Ok(false),
        ErrorKind::Interrupted => Ok(true),
        _ => Err(()),
    }
}
