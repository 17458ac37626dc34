//! The options of `tapboard ladder`.

use std::path::PathBuf;

use clap::Args;

use crate::ladder::LadderOptions;

/// Options of `tapboard ladder`.
#[derive(Clone, Debug, Args)]
pub struct LadderArgs {
    /// The capture, pcapng or pcap, of any interface that carries IP, perhaps compressed; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the diagram to this file, as an SVG document, instead of to the terminal; - for standard output.
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
}

impl LadderArgs {
    /// What they come to.
    #[must_use]
    pub fn options(&self) -> LadderOptions {
        LadderOptions { file: self.file.clone(), svg: self.svg.clone() }
    }
}
