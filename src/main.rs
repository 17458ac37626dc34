//! `tapboard`: parse, assemble, run.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use log::LevelFilter;
use tapboard::cli::{Cli, Subcommand};
use tapboard::output;
use tapboard::replay::Verdict;

/// A logger whose lines do not garble the prompt.
struct Aside(simple_logger::SimpleLogger);

impl log::Log for Aside {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            // As the logger itself would, but in lines for the terminal.
            let (level, target) = (record.level(), record.target());
            let line = format!("{level:<5} [{target}] {}", record.args());
            if !output::logged(format_args!("{line}")) {
                output::aside(|| complain(&format!("{line}\n")));
            }
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let level = match cli.verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let logger = Aside(simple_logger::SimpleLogger::new().with_level(level));
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
    let mut status = 1;
    let result = match cli.command.unwrap_or(Subcommand::User(cli.user)) {
        Subcommand::User(args) => tapboard::user::run(&args.options()),
        #[cfg(target_os = "linux")]
        Subcommand::Tap(args) => tapboard::tap::run(&args.options()),
        #[cfg(not(target_os = "linux"))]
        Subcommand::Tap(_) => Err("a TAP needs Linux; `tapboard user` runs everywhere".into()),
        Subcommand::Fleet(args) => tapboard::fleet::run(&args.options()),
        Subcommand::Sim(args) => tapboard::sim::command(&args.options()).map_err(|error| {
            status = error.status();
            error.to_string()
        }),
        Subcommand::Ladder(args) => tapboard::ladder::run(&args.options()),
        Subcommand::Replay(args) => match tapboard::replay::command(&args.options()) {
            Ok(Verdict::Same) => Ok(()),
            // The report has said so.
            Ok(Verdict::Differs) => return ExitCode::FAILURE,
            Err(error) => {
                status = 2;
                Err(error)
            }
        },
        Subcommand::Loopback => {
            tapboard::walk::run_within(std::io::stdout().lock(), output::columns())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("tapboard: {error}\n"));
            ExitCode::from(status)
        }
    }
}

/// What `clap` has to say in place of a run: help, or what is wrong with the command line.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let wide = |columns| text.to_string().lines().any(|line| line.chars().count() > columns);
    if error.use_stderr() && output::columns().is_some_and(wide) {
        complain(&text.to_string());
    } else {
        // With its colours, which a line that is wrapped has not.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

/// Prints on standard error, in lines for a terminal if it is one.
fn complain(text: &str) {
    let columns = output::columns().filter(|_| std::io::stderr().is_terminal());
    let wrapped = columns.map(|columns| output::wrapped(text, columns));
    // Not `eprint!`, which panics when nobody reads.
    let _ = write!(std::io::stderr(), "{}", wrapped.as_deref().unwrap_or(text));
}
