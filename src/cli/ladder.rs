//! The options of `tapboard ladder`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::ladder::graph::Graph;
use crate::ladder::{Filter, GraphChoice, HostChoice, LadderOptions, TimeFormat, When};

/// Options of `tapboard ladder`.
#[derive(Clone, Debug, Args)]
// In lines that the narrowest terminal has room for, which clap does not break.
#[command(override_usage = "tapboard ladder [OPTIONS] <FILE>\n                       [FILTER]...")]
pub struct LadderArgs {
    /// The capture, pcapng or pcap, of any interface that carries IP, perhaps compressed; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Draw only the frames that pass this filter, much as tcpdump has it: host, net or port, perhaps after src or
    /// dst; conversation, frame, time or vlan with a number or range; a protocol as tcp, udp, icmp, arp, ip6 or dns;
    /// marked, retransmission or dropped; with and, or, not and parentheses, which a shell wants in quotes:
    /// tapboard ladder FILE 'host 192.0.2.1 and (port 80 or icmp)'.
    #[arg(value_name = "FILTER", allow_negative_numbers = true)]
    filter: Vec<String>,
    /// Write the diagram to this file, as an SVG document, instead of to the terminal; - for standard output.
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
    /// Draw a graph of one TCP connection instead, as an SVG document: stevens (sequence numbers over time),
    /// throughput, rtt or in-flight. It is of the connection with the most data of those that pass the filter, and of
    /// the direction with more; of the other one with :back, as in stevens:back. Without --svg it goes to standard
    /// output.
    #[arg(long, value_name = "WHAT[:back]", value_parser = graph)]
    graph: Option<GraphChoice>,
    /// List conversations instead: frames, bytes, what was sent again, duration and round trips, there and back;
    /// the number is the filter's.
    #[arg(long)]
    list: bool,
    /// Print JSON instead: a line with an object for each frame, or with --list for each conversation, and one for
    /// a summary.
    #[arg(long)]
    json: bool,
    /// Which hosts have a column: so many of the most frames, or these addresses, in this order. All others share
    /// one at the right.
    #[arg(long, value_name = "N|A,B,...", value_parser = hosts)]
    hosts: Option<HostChoice>,
    /// Which time stands beside a frame: seconds since the first frame, since the frame before, or date and time
    /// in UTC.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Times::Relative)]
    time: Times,
    /// Number the frames, as Wireshark does: where there is room, always, or never.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Choice::Auto)]
    numbers: Choice,
    /// Use colours: on a terminal, always (for less -R), or never.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Choice::Auto)]
    color: Choice,
    /// What the filter's words come to.
    #[arg(skip)]
    read: Option<Filter>,
}

/// When to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Where it fits.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Choice> for When {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Auto => Self::Auto,
            Choice::Always => Self::Always,
            Choice::Never => Self::Never,
        }
    }
}

/// Which times to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Times {
    /// Since the first frame.
    Relative,
    /// Since the frame before.
    Delta,
    /// Date and time.
    Absolute,
}

/// What a graph shows, and of which direction.
fn graph(text: &str) -> Result<GraphChoice, String> {
    let (name, reversed) = text.strip_suffix(":back").map_or((text, false), |name| (name, true));
    let graph = Graph::ALL.into_iter().find(|graph| graph.name() == name);
    graph.map(|graph| GraphChoice { graph, reversed }).ok_or_else(|| {
        let names = Graph::ALL.map(Graph::name).join(", ");
        format!("there are {names}, each with or without :back")
    })
}

/// A number of hosts, or their addresses.
fn hosts(text: &str) -> Result<HostChoice, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().ok().filter(|number| (1..=HOSTS_MAX).contains(number));
        return number
            .map(HostChoice::Busiest)
            .ok_or_else(|| format!("from 1 to {HOSTS_MAX} hosts can have a column"));
    }
    let names: Result<Vec<_>, _> = text.split(',').map(|name| name.trim().parse()).collect();
    let names = names?;
    if names.len() > HOSTS_MAX {
        return Err(format!("from 1 to {HOSTS_MAX} hosts can have a column"));
    }
    Ok(HostChoice::These(names))
}

/// Hosts that can be asked for.
const HOSTS_MAX: usize = 64;

impl LadderArgs {
    /// Reads the filter.
    pub(super) fn check(&mut self) -> Result<(), String> {
        if !self.filter.is_empty() {
            let filter = self.filter.join(" ").parse();
            self.read =
                Some(filter.map_err(|error: crate::ladder::FilterError| error.to_string())?);
        }
        Ok(())
    }

    /// What they come to.
    #[must_use]
    pub fn options(&self) -> LadderOptions {
        LadderOptions {
            file: self.file.clone(),
            svg: self.svg.clone(),
            graph: self.graph,
            filter: self.read.clone(),
            list: self.list,
            json: self.json,
            colour: self.color.into(),
            numbers: self.numbers.into(),
            times: match self.time {
                Times::Relative => TimeFormat::Relative,
                Times::Delta => TimeFormat::Delta,
                Times::Absolute => TimeFormat::Absolute,
            },
            hosts: self.hosts.clone(),
        }
    }
}
