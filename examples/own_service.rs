//! A service of your own beside the firmware's, which answers in capital letters, with its test; and a command of your
//! own in the shell. They are `firmware/examples/shout.rs` and `relay.rs`, the same files that a chip runs.
//!
//! ```console
//! $ cargo test --example own_service
//! $ cargo run --example own_service -- -p 7777:777
//! $ printf 'hello\n' | nc -N 127.0.0.1 7777
//! $ printf 'relay close\n' | nc -N 127.0.0.1 7023
//! ```

#[path = "../firmware/examples/relay.rs"]
mod relay;
#[path = "../firmware/examples/shout.rs"]
mod shout;

use std::process::ExitCode;

use tapboard::cli::{Cli, Subcommand};

use self::relay::Relay;
use self::shout::shout;

/// `tapboard user`, whose board has the service and the command too.
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
    // Made anew for each boot: the shell's further commands, and the services beside the firmware's.
    let booted = || (Relay::default(), shout());
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

    use super::shout::{PORT, shout};

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
