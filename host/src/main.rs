//! `tapboard-host`: parses the command line and runs it; the work is in the library beside this file.

use std::process::ExitCode;

use clap::Parser;
use tapboard_host::cli::Cli;

fn main() -> ExitCode {
    tapboard_host::run(&Cli::parse())
}
