//! The options of `tapboard replay`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use smoltcp::time::Duration;

use super::board::ProfileArg;
use super::seed::seed;
use crate::link::Setting;
use crate::output::{is_standard, same_file};
use crate::replay::{ReplayCommand, ReplayOptions};
use crate::run::Profile;

/// Options of `tapboard replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The capture, pcapng or pcap, ours or one of tcpdump or Wireshark, perhaps compressed; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The address that the board has in the capture. Unless given, it is found out: whoever is at the board's end in a
    /// capture of ours, or the only one that is asked at a port of the board's.
    #[arg(long, value_name = "ADDR")]
    board: Option<IpAddr>,
    /// Let the board's port take the place of one in the capture, as of a server on another port; may be repeated.
    #[arg(long = "port", value_name = "THEIRS:BOARD", value_parser = port)]
    ports: Vec<(u16, u16)>,
    /// Buffers of the board: `mcu` fits a chip (2 KiB each way), `large` a fast network (64 KiB). Unless given, `mcu` if no
    /// window of the board in the capture is wider.
    #[arg(long, value_enum)]
    profile: Option<ProfileArg>,
    /// What the board's initial sequence numbers and ports follow from. The same seed is the same replay.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = seed(u64::MAX))]
    seed: u64,
    /// How much longer an answer may take than in the capture.
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = time)]
    tolerance: Duration,
    /// Let every difference count, and show all: values as a temperature, how a stream is cut into segments and when it is
    /// acknowledged, how wide a window is, and what nobody asked for.
    #[arg(long)]
    strict: bool,
    /// Print JSON instead: a line with an object for each conversation, and one for a summary.
    #[arg(long)]
    json: bool,
    /// Write the replay's frames to this pcapng file.
    #[arg(long, value_name = "OUT")]
    pcap: Option<PathBuf>,
    /// If something differs, write the smallest part of the capture that shows the first difference to this pcapng file: a
    /// test to be kept, which is replayed as any capture.
    #[arg(long, value_name = "OUT")]
    minimize: Option<PathBuf>,
}

impl ReplayArgs {
    /// Looks at what cannot be written.
    pub(super) fn check(&self) -> Result<(), String> {
        let outputs = [("--pcap", &self.pcap), ("--minimize", &self.minimize)];
        let standard =
            outputs.into_iter().find(|(_, path)| path.as_deref().is_some_and(is_standard));
        if let Some((option, _)) = standard {
            return Err(format!("{option} - is standard output, where the result is; name a file"));
        }
        if let (Some(one), Some(other)) = (&self.pcap, &self.minimize)
            && same_file(one, other)
        {
            return Err("--pcap and --minimize name one file; name another".into());
        }
        let mut written = outputs.into_iter().filter_map(|(_, path)| path.as_deref());
        if written.any(|path| same_file(path, &self.file)) {
            return Err("the capture would be replaced; name another file".into());
        }
        for (index, (port, own)) in self.ports.iter().enumerate() {
            let before = self.ports[..index].iter().find(|(theirs, _)| theirs == port);
            if let Some((_, first)) = before.filter(|(_, first)| first != own) {
                return Err(format!(
                    "--port {port}:{first} and --port {port}:{own} are for one port; leave one of them out"
                ));
            }
        }
        Ok(())
    }

    /// What they come to.
    #[must_use]
    pub fn options(&self) -> ReplayCommand {
        ReplayCommand {
            file: self.file.clone(),
            options: ReplayOptions {
                board: self.board,
                ports: self.ports.clone(),
                profile: self.profile.map(|profile| match profile {
                    ProfileArg::Mcu => Profile::Mcu,
                    ProfileArg::Large => Profile::Large,
                }),
                seed: self.seed,
                tolerance: self.tolerance,
            },
            strict: self.strict,
            json: self.json,
            pcap: self.pcap.clone(),
            minimize: self.minimize.clone(),
        }
    }
}

/// `THEIRS:BOARD`.
fn port(text: &str) -> Result<(u16, u16), String> {
    let read = |text: &str| text.parse().ok().filter(|&port| port > 0);
    let ports = text.split_once(':').and_then(|(theirs, own)| Some((read(theirs)?, read(own)?)));
    ports.ok_or_else(|| {
        format!("{text:?} is not THEIRS:BOARD, two ports from 1 to 65535, e.g. 8080:80")
    })
}

/// A time with its unit, as a cable's delay has it.
fn time(text: &str) -> Result<Duration, String> {
    match Setting::parse("delay", text) {
        Ok(Setting::Delay(time)) => Ok(time),
        _ => Err(format!("{text:?} is not a time, e.g. 50ms or 2s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Subcommand};

    #[test]
    fn options_are_what_they_say() {
        let read = |words: &str| Cli::read(words.split(' ').map(Into::into));
        let words = "tapboard replay x.pcap --board 10.0.0.1 --port 8080:80 --port 2323:23 --profile mcu \
                     --tolerance 2s --seed 7 --strict";
        let Some(Subcommand::Replay(args)) = read(words).unwrap().command else {
            panic!("no replay")
        };
        let command = args.options();
        assert_eq!(command.options.ports, [(8080, 80), (2323, 23)]);
        assert_eq!(command.options.board, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(command.options.profile, Some(Profile::Mcu));
        assert_eq!((command.options.tolerance, command.options.seed), (Duration::from_secs(2), 7));
        for (bad, remedy) in [
            ("x --port 80", "e.g. 8080:80"),
            ("x --port 0:80", "e.g. 8080:80"),
            ("x --port 80:7 --port 80:9", "leave one of them out"),
            ("x --tolerance 5", "e.g. 50ms"),
            ("x --minimize -", "name a file"),
            ("x --minimize x", "name another file"),
            ("x --minimize y --pcap y", "name another"),
            ("Cargo.toml --pcap ./Cargo.toml", "name another file"),
            ("Cargo.toml --minimize src/../Cargo.toml", "name another file"),
            ("x --seed -1", "a number from 0"),
        ] {
            let error = read(&format!("tapboard replay {bad}")).unwrap_err().to_string();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }
}
