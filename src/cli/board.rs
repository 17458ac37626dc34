//! The options that `tapboard user` and `tapboard tap` share.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::faults::FaultArgs;
use super::identity::IdentityArgs;
use crate::console::Script;
use crate::metrics::metrics_address;
use crate::nic::Offloads;
use crate::output::is_standard;
use crate::run::{Profile, RunOptions};
use crate::settings::{SettingsOptions, Telemetry};
use tapboard_firmware::config::TOKEN;
use tapboard_firmware::service::{Target, Token};

/// What every way of running the board has.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
pub struct BoardArgs {
    /// Buffers of the board: `mcu` fits a chip (2 KiB each way), `large` a fast network (64 KiB).
    #[arg(long, value_enum, default_value_t = ProfileArg::Large)]
    profile: ProfileArg,
    /// Where telemetry goes; port 9000 of the host's side of the wire unless given. A name is looked up by the board.
    #[arg(long, value_name = "HOST:PORT", value_parser = destination)]
    pub(super) telemetry: Option<Target>,
    /// Let only those who know TOKEN switch the LED and reset the board: in the shell by `login TOKEN`, over HTTP by
    /// the page's form or as `Authorization: Bearer TOKEN`. With @FILE it is the first line of that file, where other
    /// users do not see it. Unless given, the shell asks for none, and over HTTP nothing can be changed.
    #[arg(long, value_name = "TOKEN|@FILE", value_parser = token)]
    token: Option<Token>,
    /// Leave the checksums of TCP and UDP to the NIC, as the firmware of a chip with checksum offload does;
    /// without this the firmware computes and verifies them all.
    #[arg(long, overrides_with = "checksum_offload")]
    checksum_offload: bool,
    /// Send no telemetry.
    #[arg(long, overrides_with = "no_telemetry")]
    no_telemetry: bool,
    /// Keep the board's settings in this file: what `set` and `save` in its shell choose. It need not be there yet. What
    /// an option gives stands, whatever the file says.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Write every frame to this pcapng file, with what the cable did to it. With - to standard output, and
    /// all else to standard error: tapboard --pcap - | wireshark -k -i -
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Draw every frame as it is sent; of the attempts to connect for telemetry while nobody listens, the first.
    #[arg(long, overrides_with = "ladder")]
    ladder: bool,
    /// Show a dashboard in place of lines: sockets, switches and sliders of the cable, graphs, the ladder of a
    /// connection, the log. Keys are at its bottom, `?` has the rest; the mouse works too. Needs a terminal of
    /// 70x18 characters at least.
    #[arg(long, overrides_with = "tui")]
    tui: bool,
    /// Take commands from this file, with times (`@2.5s unplug`), in place of standard input; `help` at
    /// the console lists them. With - from standard input, all of which is read first.
    #[arg(long = "script", value_name = "FILE")]
    script_file: Option<PathBuf>,
    /// The commands of that file.
    #[arg(skip)]
    script: Option<Script>,
    /// Serve what cable, gateway or TAP, and board count to Prometheus at http://ADDR:PORT/metrics, ADDR being 127.0.0.1
    /// unless given. Whoever reaches it may read it.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,
    /// Who the board is.
    #[command(flatten)]
    pub(super) who: IdentityArgs,
    /// What is wrong with the cable.
    #[command(flatten)]
    pub(super) faults: FaultArgs,
}

impl BoardArgs {
    /// Reads the script, and looks at what is without effect.
    pub(super) fn check(&mut self) -> Result<(), String> {
        if self.tui && self.pcap.as_deref().is_some_and(is_standard) {
            return Err("--tui and --pcap - do not go together: standard output is the dashboard's; name a file".into());
        }
        if self.tui && self.script_file.as_deref().is_some_and(is_standard) {
            return Err("--tui and --script - do not go together: standard input is the dashboard's; name a file".into());
        }
        if let Some(path) = &self.script_file {
            self.script = Some(Script::read(path)?);
        }
        self.faults.check()
    }

    /// What they come to. `decided` is the settings that more than these options decides, each with what does.
    #[must_use]
    pub(super) fn options(&self, decided: &[(&'static str, &'static str)]) -> RunOptions {
        RunOptions {
            profile: match self.profile {
                ProfileArg::Mcu => Profile::Mcu,
                ProfileArg::Large => Profile::Large,
            },
            telemetry: match self.telemetry {
                _ if self.no_telemetry => Telemetry::Off,
                Some(to) => Telemetry::To(to),
                None => Telemetry::Usual,
            },
            settings: self.settings.clone().map(|path| {
                let own = [
                    ("name", "--board-name is given", self.who.board_name.is_some()),
                    ("telemetry", "--telemetry is given", self.telemetry.is_some()),
                    ("telemetry", "--no-telemetry is given", self.no_telemetry),
                ];
                let own = own.into_iter().filter(|(.., given)| *given);
                let own = own.map(|(name, why, _)| (name, why));
                SettingsOptions { path, decided: own.chain(decided.iter().copied()).collect() }
            }),
            token: self.token,
            offloads: Offloads { checksum: self.checksum_offload, ..Offloads::NONE },
            pcap: self.pcap.clone(),
            ladder: self.ladder,
            dashboard: self.tui,
            script: self.script.clone(),
            metrics: self.metrics,
            link: self.faults.options(),
        }
    }
}

/// Memory profile of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileArg {
    /// 9 connections of 2 KiB each way.
    Mcu,
    /// 9 connections of 64 KiB each way.
    Large,
}

/// Where a connection can go.
pub(super) fn destination(text: &str) -> Result<Target, String> {
    let host = |address: &SocketAddr| {
        address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
    };
    let parsed = if let Ok(address) = text.parse() {
        Some(address).filter(host).map(Target::Address)
    } else {
        let parts = text.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
        // It is for as long as the program runs.
        let target = |(name, port): (&str, u16)| Target::named(name.to_owned().leak(), port);
        parts.filter(|(_, port)| *port != 0).and_then(target)
    };
    parsed.ok_or_else(|| {
        format!(
            "{text:?} is not HOST:PORT, e.g. 192.0.2.2:9000, [2001:db8::2]:9000, or desk.example:9000"
        )
    })
}

/// Bytes that are read of a file with a token in its first line.
const TOKEN_FILE_MAX: u64 = 4096;

/// A token, or the file that it is in.
pub(super) fn token(text: &str) -> Result<Token, String> {
    let (line, whose) = match text.strip_prefix('@') {
        Some(path) => {
            let mut text = String::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(TOKEN_FILE_MAX).read_to_string(&mut text))
                .map_err(|error| format!("cannot read the token from {path}: {error}"))?;
            (
                text.lines().next().unwrap_or_default().to_owned(),
                format!("the first line of {path}"),
            )
        }
        // Errors are for logs, and this is not.
        None => (text.to_owned(), "it".to_owned()),
    };
    Token::new(&line).ok_or_else(|| {
        format!("{whose} is no token: 1 to {TOKEN} visible ASCII characters, without spaces")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_goes_to_a_host() {
        assert!(destination("192.0.2.2:9000").is_ok() && destination("[2001:db8::2]:9").is_ok());
        assert_eq!(destination("desk.local:9").unwrap().to_string(), "desk.local:9");
        for bad in [
            "192.0.2.2",
            "192.0.2.2:0",
            "0.0.0.0:9000",
            "[::]:9000",
            "224.0.0.1:9",
            "x:0",
            "x",
            "1.2.3:1",
        ] {
            assert!(destination(bad).unwrap_err().contains("e.g. 192.0.2.2:9000"), "{bad}");
        }
    }
}
