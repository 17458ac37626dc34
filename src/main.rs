//! `tapboard`: parse, assemble, run.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use log::LevelFilter;
use tapboard::cli::{Cli, Command};

/// A logger whose lines do not garble the prompt.
struct Aside(simple_logger::SimpleLogger);

impl log::Log for Aside {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            tapboard::console::aside(|| self.0.log(record));
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let logger = Aside(simple_logger::SimpleLogger::new().with_level(level));
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
    let result = match cli.command.unwrap_or(Command::User(cli.user)) {
        Command::User(options) => tapboard::user::run(&options),
        #[cfg(target_os = "linux")]
        Command::Tap(options) => tapboard::tap::run(&options),
        #[cfg(not(target_os = "linux"))]
        Command::Tap(_) => Err("a TAP needs Linux; `tapboard user` runs everywhere".into()),
        Command::Sim(options) => tapboard::sim::command(&options),
        Command::Ladder(options) => tapboard::ladder::run(&options),
        Command::Loopback => tapboard::walk::run(std::io::stdout().lock()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics when nobody reads.
            let _ = writeln!(std::io::stderr(), "tapboard: {error}");
            ExitCode::FAILURE
        }
    }
}
