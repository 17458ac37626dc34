//! What a run of the board is told, whatever is at the other end of its cable.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use tapboard_firmware::service::Token;

use crate::console::Script;
use crate::link::LinkOptions;
use crate::nic::Offloads;
use crate::output::is_standard;
use crate::settings::{SettingsOptions, Telemetry};

/// How to run the board, and what to show of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Its memory.
    pub profile: Profile,
    /// Where its telemetry goes.
    pub telemetry: Telemetry,
    /// Where the board keeps its settings, if it does.
    pub settings: Option<SettingsOptions>,
    /// What a change over the network asks for.
    pub token: Option<Token>,
    /// What the firmware leaves to its MAC; the checksums, too, if it leaves anything else.
    pub offloads: Offloads,
    /// Write every frame to this pcapng file, or to standard output (`-`).
    pub pcap: Option<PathBuf>,
    /// Draw every frame as it is sent.
    pub ladder: bool,
    /// Show a dashboard on the terminal, whose keys are the commands.
    pub dashboard: bool,
    /// Take commands from this script, in place of standard input.
    pub script: Option<Script>,
    /// Serve metrics here.
    pub metrics: Option<SocketAddr>,
    /// What is wrong with the cable.
    pub link: LinkOptions,
}

impl RunOptions {
    /// Whether frames go to standard output, which is then no place for anything else.
    #[must_use]
    pub fn captures_to_stdout(&self) -> bool {
        self.pcap.as_deref().is_some_and(is_standard)
    }
}

/// Memory profile of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// 9 connections of 2 KiB each way.
    Mcu,
    /// 9 connections of 64 KiB each way.
    Large,
}

/// `profile large: 64 KiB buffers`.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mcu => "profile mcu: 2 KiB buffers",
            Self::Large => "profile large: 64 KiB buffers",
        })
    }
}
