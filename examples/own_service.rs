//! A service of your own beside the firmware's, with its test: it answers in capital letters.
//!
//! ```console
//! $ cargo test --example own_service
//! $ cargo run --example own_service -- -p 7777:777
//! $ printf 'hello\n' | nc -N 127.0.0.1 7777
//! ```

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;

use embedded_nal::TcpClientStack;
use smoltcp::time::Instant;
use tapboard::board::SimBoard;
use tapboard::cli::{Cli, Subcommand};
use tapboard_firmware::service::buffer::Buffer;
use tapboard_firmware::service::server::{Connection, Server, Stop};
use tapboard_firmware::{NetStack, TcpSocket};

/// The port; 777 is nobody's.
const PORT: u16 = 777;

/// One client, and what it sent that has not gone back yet.
struct Shout(Buffer<64>);

impl<S: TcpClientStack> Connection<S, ()> for Shout {
    fn new(_client: SocketAddr) -> Self {
        Self(Buffer::new())
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        (): &mut (),
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

/// The service: at most four clients at once.
const fn shout() -> Server<TcpSocket, Shout, 4> {
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
    let booted = || {
        let mut shout = shout();
        move |now: Instant, stack: &mut NetStack<'_>, _: &mut SimBoard| {
            shout.poll(now, stack, &mut ())
        }
    };
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

    use super::{PORT, shout};

    #[test]
    fn it_answers_in_capitals_on_a_bad_cable_too() {
        for seed in 0..20 {
            let mut cable = Link::new(seed);
            cable.set(None, Setting::parse("loss", "20%").unwrap());
            let mut service = shout();
            let mut memory = TestbedMemory::default();
            let mut net =
                Testbed::new(&mut memory, cable, |now, board| service.poll(now, board, &mut ()));
            let mut socket = net.host.socket().unwrap();
            net.until(|host| host.connect(&mut socket, at(PORT))).unwrap();
            net.send_all(&mut socket, b"hello").unwrap();
            let mut buffer = [0; 64];
            let count = net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
            assert_eq!(&buffer[..count], b"HELLO", "seed {seed}");
        }
    }
}
