//! A service that waits for whole lines, with its test: it answers each line reversed.
//!
//! ```console
//! $ cargo test --example line_service
//! $ cargo run --example line_service -- -p 7778:778
//! $ printf 'hello\nworld\n' | nc -N 127.0.0.1 7778
//! ```

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;

use embedded_nal::TcpClientStack;
use tapboard::cli::{Cli, Subcommand};
use tapboard_firmware::service::buffer::{Buffer, receive};
use tapboard_firmware::service::server::{Connection, Server, Stop};

/// The port; 778 is nobody's.
const PORT: u16 = 778;
/// Bytes of the longest line, and of what one call receives.
const LINE: usize = 64;

/// One client.
struct Reverse {
    /// What it has sent of a line.
    line: Buffer<LINE>,
    /// The answers that have not gone back yet: those to a line and to all that one call receives.
    answers: Buffer<{ 2 * LINE }>,
}

impl<S: TcpClientStack, B> Connection<S, B> for Reverse {
    fn new(_client: SocketAddr) -> Self {
        Self { line: Buffer::new(), answers: Buffer::new() }
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        _board: &mut B,
    ) -> ControlFlow<Stop> {
        loop {
            self.answers.flush(stack, socket)?;
            let mut bytes = [0; LINE];
            let count = receive(stack, socket, &mut bytes)?;
            if count == 0 {
                return ControlFlow::Break(Stop::Done);
            }
            for &byte in &bytes[..count] {
                if byte == b'\n' {
                    self.line.waiting().reverse();
                    self.answers.push(self.line.waiting());
                    self.answers.push(b"\n");
                    self.line = Buffer::new();
                } else {
                    // The end of a line that is too long is lost.
                    self.line.push(&[byte]);
                }
            }
        }
    }
}

/// The service: at most four clients at once. `H` is the stack's TCP handle.
const fn reverse<H>() -> Server<H, Reverse, 4> {
    Server::new(PORT)
}

/// `tapboard user`, whose board has the service too.
fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let args = match cli.command {
        None => cli.user,
        Some(Subcommand::User(args)) => args,
        Some(_) => {
            eprintln!("only `tapboard user` has this service; leave the command out");
            return ExitCode::FAILURE;
        }
    };
    // Made anew for each boot: no further commands for the shell, and the service.
    let booted = || ((), reverse());
    match tapboard::user::run_with(&args.options(), booted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_nal::TcpClientStack;
    use tapboard::link::{Link, Setting};
    use tapboard::testbed::{Testbed, TestbedMemory, at};

    use super::{LINE, PORT, reverse};

    /// Lines in parts that end anywhere, one too long, and many in one segment.
    #[test]
    fn each_line_comes_back_reversed_however_it_is_cut() {
        let long = "x".repeat(LINE - 1) + "yz";
        let text = format!("hello\n\nab{long}\n{}world\n", "1\n".repeat(200));
        let cut = "x".repeat(LINE - 2) + "ba";
        let expected = format!("olleh\n\n{cut}\n{}dlrow\n", "1\n".repeat(200));
        for seed in 0..20 {
            let mut cable = Link::new(seed);
            cable.set(None, Setting::parse("loss", "20%").unwrap());
            let mut service = reverse();
            let mut memory = TestbedMemory::default();
            let mut net =
                Testbed::new(&mut memory, cable, |now, board| service.poll(now, board, &mut ()));
            let mut socket = net.host.socket().unwrap();
            net.until(|host| host.connect(&mut socket, at(PORT))).unwrap();
            // The first parts are shorter than a line.
            let (head, tail) = text.as_bytes().split_at(4);
            net.send_all(&mut socket, &head[..2]).unwrap();
            net.pass(smoltcp::time::Duration::from_secs(10));
            net.send_all(&mut socket, &head[2..]).unwrap();
            net.send_all(&mut socket, tail).unwrap();
            let (mut back, mut buffer) = (Vec::new(), [0; 64]);
            while back.len() < expected.len() {
                let count = net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
                assert!(count > 0, "seed {seed}: closed early\n{}", net.netstat());
                back.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(String::from_utf8_lossy(&back), expected, "seed {seed}");
        }
    }
}
