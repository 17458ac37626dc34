//! An echo server and its client, call by call, on the firmware's sockets: a board and a host on a cable in
//! memory, in virtual time.
//!
//! ```console
//! $ cargo run --example echo
//! ```

use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use tapboard::link::{Link, Setting};
use tapboard::testbed::{Testbed, TestbedMemory, at};
use tapboard_firmware::{Error, NetStack, TcpSocket};

const PORT: u16 = 7;

/// The server: one listening socket, and one client at a time. Further ones wait in the backlog.
#[derive(Default)]
struct Server {
    listener: Option<TcpSocket>,
    client: Option<(TcpSocket, SocketAddr)>,
    /// Received, and not sent back yet.
    pending: Vec<u8>,
}

impl Server {
    /// One turn of the superloop: does what can be done without waiting.
    fn poll(&mut self, stack: &mut NetStack<'_>) {
        match self.serve(stack) {
            Ok(()) | Err(nb::Error::WouldBlock) => {}
            Err(nb::Error::Other(error)) => {
                println!("server: {error}");
                self.hang_up(stack);
            }
        }
    }

    fn serve(&mut self, stack: &mut NetStack<'_>) -> nb::Result<(), Error> {
        let listener = match &mut self.listener {
            Some(listener) => listener,
            none => {
                let mut socket = stack.socket()?;
                stack.bind(&mut socket, PORT)?;
                stack.listen(&mut socket)?;
                println!("server: socket, bind {PORT}, listen");
                none.insert(socket)
            }
        };
        let (socket, remote) = match &mut self.client {
            Some(client) => client,
            none => {
                let (socket, remote) = stack.accept(listener)?;
                println!("server: accept, a new socket for {remote}");
                none.insert((socket, remote))
            }
        };
        let mut buffer = [0; 64];
        loop {
            while !self.pending.is_empty() {
                let count = stack.send(socket, &self.pending)?;
                println!("server: send {count} bytes to {remote}");
                self.pending.drain(..count);
            }
            let count = stack.receive(socket, &mut buffer)?;
            if count == 0 {
                println!("server: receive 0 bytes: {remote} has closed");
                self.hang_up(stack);
                return Ok(());
            }
            self.pending.extend_from_slice(&buffer[..count]);
        }
    }

    /// A handle goes back to its stack by `close`, whatever has happened.
    fn hang_up(&mut self, stack: &mut NetStack<'_>) {
        self.pending.clear();
        if let Some((socket, _)) = self.client.take() {
            println!("server: close");
            let _ = stack.close(socket);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut cable = Link::new(7);
    cable.set(None, Setting::parse("delay", "2ms")?);
    let mut server = Server::default();
    let mut memory = TestbedMemory::default();
    let mut net = Testbed::new(&mut memory, cable, |_now, board| {
        server.poll(board);
        None
    });

    println!("client: socket");
    let mut socket = net.host.socket()?;
    println!("client: connect {}", at(PORT));
    net.until(|host| host.connect(&mut socket, at(PORT)))?;
    for text in ["hello", "and again"] {
        println!("client: send {text:?}");
        net.until(|host| host.send(&mut socket, text.as_bytes()))?;
        let mut heard = Vec::new();
        let mut buffer = [0; 64];
        while heard.len() < text.len() {
            let count = net.until(|host| host.receive(&mut socket, &mut buffer))?;
            heard.extend_from_slice(&buffer[..count]);
        }
        println!("client: receive {:?} at {}", String::from_utf8_lossy(&heard), net.now());
        assert_eq!(heard, text.as_bytes());
    }
    println!("client: close");
    net.host.close(socket)?;
    net.pass(smoltcp::time::Duration::from_secs(20));
    assert_eq!(net.host.free_slots(), net.board.free_slots());
    Ok(())
}
