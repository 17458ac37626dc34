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
    use tapboard::harness;
    use tapboard::testbed::{TestbedMemory, at};

    use super::shout::{PORT, shout};

    #[test]
    fn it_answers_in_capitals_on_a_bad_cable_too() {
        harness::check(0..20, |run| {
            let (mut memory, mut service) = (TestbedMemory::default(), shout());
            let mut net = run.testbed(&mut memory, |now, board| service.poll(now, board, &mut ()));
            net.cable().set("loss 20%")?;
            let mut socket = net.host.socket()?;
            net.until(|host| host.connect(&mut socket, at(PORT)))?;
            let cable_is_out = net.cable().unplugged();
            net.send_all(&mut socket, b"hello")?;
            net.pass_secs(3);
            drop(cable_is_out);
            let mut buffer = [0; 64];
            let count = net.until(|host| host.receive(&mut socket, &mut buffer))?;
            assert_eq!(&buffer[..count], b"HELLO");
            Ok(())
        });
    }
}
