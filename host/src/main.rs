//! `tapboard-host`: parses the command line and runs it; the work is in the library beside this file.

use std::process::ExitCode;

use tapboard_host::cli::Cli;

fn main() -> ExitCode {
    match Cli::read() {
        Ok(cli) => tapboard_host::run(&cli),
        Err(code) => code,
    }
}
