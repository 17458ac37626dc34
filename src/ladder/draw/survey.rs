//! A look through a file before it is drawn: who the board is, how long it lasts, and which hosts have the most
//! frames. What comes as a stream cannot be looked through, and is drawn as it comes.

use std::net::IpAddr;
use std::path::Path;

use super::input;
use super::options::{HostChoice, LadderOptions};
use super::{frame, has_board, instant, notes};
use crate::capture::{Direction, LinkType, Record};
use crate::identity::Identity;
use crate::ladder::hosts::{self, Hosts};
use crate::ladder::lanes::{HostName, Lanes};
use crate::ladder::rung::Rungs;
use crate::segment::{Decoder, Packet};

/// What is known of a capture before it is drawn.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// A frame without direction has the board's usual MAC address: others' captures do not say which host
    /// is the board.
    pub(super) usual: bool,
    /// The board's usual addresses may be another's.
    other: bool,
    /// More is learned from what comes.
    pub(super) stream: bool,
    /// The longest time since the first frame, in microseconds; the times' width is the same throughout.
    pub(super) longest: Option<i64>,
    /// Frames there are.
    pub(super) frames: u64,
    columns: Columns,
}

/// Who has a column of its own.
#[derive(Debug, Default)]
enum Columns {
    /// The first that come.
    #[default]
    First,
    /// All.
    All,
    /// These hosts, each by all its names.
    Busiest(Vec<Vec<HostName>>),
}

impl Survey {
    /// Of frames that cannot be looked at twice.
    pub(super) fn of_stream(is_standard_input: bool) -> Self {
        Self { other: is_standard_input, stream: true, ..Self::default() }
    }

    /// Looks through a file of which that many hosts can have a column.
    pub(super) fn of_file(path: &Path, options: &LadderOptions, columns: usize) -> Self {
        let mut survey = Self::default();
        let Ok(reader) = input::open(path, Some("looking through it")) else { return survey };
        let mut look = Look::new(options);
        let (mut sender, mut first) = (None, None);
        for record in reader.flatten() {
            survey.frames += 1;
            if let Some(at) = instant(&record) {
                let first: i64 = *first.get_or_insert(at.total_micros());
                let since = at.total_micros().saturating_sub(first);
                // One that runs back has a sign before its digits.
                let long =
                    if since < 0 { since.saturating_neg().saturating_mul(10) } else { since };
                survey.longest = survey.longest.max(Some(long));
            }
            let has_board = has_board(&record);
            survey.usual |= record.direction.is_none() && has_board;
            if record.direction == Some(Direction::ToPeer) {
                sender.get_or_insert(has_board);
            }
            let mut seen = survey.usual;
            look.record(&record, survey.direction(&record, &mut seen));
        }
        survey.other = sender == Some(false);
        // One column is for the others, if not all have one.
        let (all, most) = match options.hosts {
            Some(HostChoice::Busiest(most)) => (most, most),
            _ => (columns, columns - 1),
        };
        survey.columns = if look.hosts.count() <= all {
            Columns::All
        } else {
            Columns::Busiest(look.hosts.busiest(most))
        };
        survey
    }

    /// What the frames are made to rungs by, of that many columns at most as they come.
    pub(super) fn rungs(&self, options: &LadderOptions, columns: usize) -> Rungs {
        let rungs = Rungs::default().of_board(self.addresses()).of_filter(options.filter.clone());
        match (&options.hosts, &self.columns) {
            (Some(HostChoice::These(hosts)), _) => {
                let hosts: Vec<_> = hosts.iter().map(|host| vec![*host]).collect();
                rungs.of_hosts(&hosts, false)
            }
            (_, Columns::Busiest(hosts)) => rungs.of_hosts(hosts, true),
            (_, Columns::All) => rungs.of_columns(usize::MAX),
            // The last one is the others'.
            (Some(HostChoice::Busiest(most)), Columns::First) => rungs.of_columns(most + 1),
            (None, Columns::First) => rungs.of_columns(columns),
        }
    }

    /// Addresses that are the board's without a doubt.
    fn addresses(&self) -> Vec<IpAddr> {
        if self.other { Vec::new() } else { Identity::default().addresses().collect() }
    }

    /// The direction of a frame; `seen` is whether the board was there before.
    pub(super) fn direction(&self, record: &Record, seen: &mut bool) -> Option<Direction> {
        *seen |= self.stream && record.direction.is_none() && has_board(record);
        let ethernet = record.link == LinkType::ETHERNET;
        let guess = || hosts::direction(&record.frame).filter(|_| *seen && ethernet);
        record.direction.or_else(guess)
    }
}

/// Finds out who sends how much of what is drawn.
struct Look {
    hosts: Hosts,
    decoder: Decoder,
    /// Knows which frames are drawn, if not all are.
    rungs: Option<Rungs>,
}

impl Look {
    fn new(options: &LadderOptions) -> Self {
        let mut hosts = Hosts::default();
        hosts.of_lanes(Lanes::as_they_come(usize::MAX));
        let filter = options.filter.clone();
        let rungs = filter.map(|filter| Rungs::default().of_filter(Some(filter)));
        Self { hosts, decoder: Decoder::default(), rungs }
    }

    fn record(&mut self, record: &Record, direction: Option<Direction>) {
        let packet: Option<Packet> = match &mut self.rungs {
            Some(rungs) => {
                let notes = notes(record);
                rungs.look(&frame(record, direction, &notes)).map(|analysed| analysed.packet)
            }
            None => self.decoder.packet(record.link, &record.frame, record.original_len),
        };
        if let Some(packet) = packet {
            self.hosts.ends(direction, &packet);
        }
    }
}
