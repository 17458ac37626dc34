//! A service of one's own: it answers in capital letters, on TCP port 777.
//!
//! This file is all there is of it, wherever it runs. Its test is `tests/services.rs` beside this directory;
//! `boards/minimal/src/shout.rs` is a board with it, and `examples/own_service.rs` of the repository is the
//! simulator with it.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::TcpClientStack;
use tapboard_firmware::service::buffer::Buffer;
use tapboard_firmware::service::server::{Connection, Server, Stop};

/// The port; 777 is nobody's.
pub(crate) const PORT: u16 = 777;

/// The service: at most four clients at once. `H` is the stack's TCP handle.
pub(crate) const fn shout<H>() -> Server<H, Shout, 4> {
    Server::new(PORT)
}

/// One client, and what it sent that has not gone back yet.
#[derive(Debug)]
pub(crate) struct Shout(Buffer<64>);

impl<S: TcpClientStack, B> Connection<S, B> for Shout {
    fn new(_client: SocketAddr) -> Self {
        Self(Buffer::new())
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        _board: &mut B,
    ) -> ControlFlow<Stop> {
        loop {
            self.0.flush(stack, socket)?;
            if self.0.fill(stack, socket, 64)? == 0 {
                return ControlFlow::Break(Stop::Done);
            }
            self.0.waiting().make_ascii_uppercase();
        }
    }
}
