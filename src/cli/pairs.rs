//! What two options come to together, where one would leave the other without effect.
//!
//! One table for each command; what it does not name goes together. Options whose values decide are looked
//! at by the `check` of each command.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Two options that do not go together, and why.
struct Pair(&'static str, &'static str, &'static str);

const GUEST: &str = "the guest brings its own";

/// Pairs of `tapboard user`.
static USER: &[Pair] = &[
    Pair("guest", "profile", GUEST),
    Pair("guest", "telemetry", GUEST),
    Pair("guest", "no_telemetry", GUEST),
    Pair("guest", "token", GUEST),
    Pair("guest", "checksum_offload", GUEST),
    Pair("guest", "id", GUEST),
    Pair("guest", "mac", GUEST),
    Pair("guest", "ip6", GUEST),
    Pair("guest", "board_name", GUEST),
    Pair("guest", "settings", GUEST),
    Pair("no_telemetry", "telemetry", NO_TELEMETRY),
    Pair("ladder", "tui", TUI),
    Pair("no_telemetry", "allow", "the board opens no connection but for telemetry"),
];
/// Pairs of `tapboard tap`.
static TAP: &[Pair] =
    &[Pair("no_telemetry", "telemetry", NO_TELEMETRY), Pair("ladder", "tui", TUI)];
/// Pairs of `tapboard fleet`.
static FLEET: &[Pair] = &[
    Pair("no_telemetry", "telemetry", NO_TELEMETRY),
    Pair("name", "join", "the network is a TAP's, or another fleet's"),
    Pair("gateway", "name", "the boards are behind a TAP, or gateways"),
    Pair("gateway", "join", "the other fleet has the way out"),
    Pair("virtual_time", "gateway", VIRTUAL),
    Pair("virtual_time", "name", VIRTUAL),
    Pair("virtual_time", "join", VIRTUAL),
    Pair("virtual_time", "listen", VIRTUAL),
    Pair("virtual_time", "telemetry", VIRTUAL),
    Pair("virtual_time", "pcap", VIRTUAL),
    Pair("virtual_time", "ladder", VIRTUAL),
    Pair("virtual_time", "metrics", VIRTUAL),
];
/// Pairs of `tapboard sim`.
static SIM: &[Pair] = &[
    Pair("seed", "seeds", "one is for a single world, the other for many"),
    Pair("seed", "threads", "a single world runs on one thread"),
    Pair("plan", "seed", PLAN),
    Pair("plan", "seeds", PLAN),
    Pair("plan", "faults", PLAN),
    Pair("plan", "servers", PLAN),
    Pair("plan", "threads", "a single world runs on one thread"),
    Pair("plan", "write_plan", "what is read from a file is in one already"),
    Pair("ladder", "json", "standard output is for the drawing, or for JSON"),
    Pair("shard", "json", RECORD),
    Pair("shard", "seed", "a single world has no parts"),
    Pair("shard", "plan", "a single world has no parts"),
    Pair("resume", "json", RECORD),
    Pair("resume", "seed", "a single world is run at once"),
    Pair("resume", "plan", "a single world is run at once"),
    Pair("merge", "seeds", MERGE),
    Pair("merge", "seed", MERGE),
    Pair("merge", "plan", MERGE),
    Pair("merge", "threads", MERGE),
    Pair("merge", "faults", MERGE),
    Pair("merge", "servers", MERGE),
    Pair("merge", "shard", MERGE),
    Pair("merge", "resume", MERGE),
];
/// Pairs of `tapboard ladder`.
static LADDER: &[Pair] = &[
    Pair("svg", "list", DRAWN),
    Pair("svg", "json", DRAWN),
    Pair("svg", "time", "a document has the seconds since the first frame"),
    Pair("svg", "numbers", "a document is wide enough for all it has"),
    Pair("svg", "color", "a document has its colours"),
    Pair("graph", "list", DRAWN),
    Pair("graph", "json", DRAWN),
    Pair("graph", "hosts", "a graph has no columns"),
    Pair("graph", "time", "a graph has the seconds since the first frame"),
    Pair("graph", "numbers", "a graph has the numbers where the pointer is"),
    Pair("graph", "color", "a graph has its colours"),
    Pair("list", "hosts", NO_COLUMNS),
    Pair("list", "time", NO_COLUMNS),
    Pair("list", "numbers", NO_COLUMNS),
    Pair("list", "color", "a list has no colours"),
    Pair("json", "hosts", NO_COLUMNS),
    Pair("json", "time", "JSON has all times"),
    Pair("json", "numbers", "JSON has the numbers"),
    Pair("json", "color", "JSON has no colours"),
];

const DRAWN: &str = "one is a drawing, the other is none";
const NO_COLUMNS: &str = "nothing is drawn";
const RECORD: &str = "a record is JSON by itself, and the end of a run is text";
const MERGE: &str = "records are added up, and no world is run";
const PLAN: &str = "a plan says all of a world by itself";
const TUI: &str = "the dashboard has the ladder in it";
const VIRTUAL: &str = "in virtual time nothing is outside of the switch";
const NO_TELEMETRY: &str = "one says where it goes, the other that there is none";

/// The pairs of a command, by its name.
fn pairs(command: &str) -> &'static [Pair] {
    match command {
        "user" => USER,
        "tap" => TAP,
        "fleet" => FLEET,
        "sim" => SIM,
        "ladder" => LADDER,
        _ => &[],
    }
}

/// An option as it is written.
fn written(id: &str) -> String {
    format!("--{}", id.strip_suffix("_time").unwrap_or(id).replace('_', "-"))
}

/// Looks for two options of `command` that were given and do not go together.
pub(super) fn check(command: &str, matches: &ArgMatches) -> Result<(), String> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let found = pairs(command).iter().find(|Pair(one, other, _)| given(one) && given(other));
    found.map_or(Ok(()), |Pair(one, other, why)| {
        let (one, other) = (written(one), written(other));
        Err(format!("{one} and {other} do not go together: {why}; leave one of them out"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{ArgAction, CommandFactory};

    use crate::cli::Cli;

    /// A good value for each option that takes one; an option without a place here fails the test.
    const VALUES: [(&str, &str); 60] = [
        ("board", "192.0.2.1"),
        ("minimize", "small.pcapng"),
        ("port", "8080:80"),
        ("tolerance", "2s"),
        ("forward", "8007:7"),
        ("allow", "9001"),
        // Its value may be missing, and so stands with it.
        ("allow-dns", "=127.0.0.53"),
        ("dhcp-range", "192.0.2.50-192.0.2.99"),
        ("api", "127.0.0.1:7070"),
        ("guest", "udp:7100"),
        ("profile", "mcu"),
        ("token", "open-sesame"),
        ("telemetry", "192.0.2.77:9001"),
        ("settings", "board.conf"),
        ("pcap", "run.pcapng"),
        ("script", "/dev/null"),
        ("metrics", "9100"),
        ("id", "7"),
        ("mac", "06:00:00:00:00:09"),
        ("ip6", "2001:db8::9"),
        ("board-name", "x"),
        ("loss", "5%"),
        ("burst", "1%/30%"),
        ("corrupt", "1%"),
        ("duplicate", "1%"),
        ("reorder", "5%"),
        ("delay", "40ms"),
        ("jitter", "10ms"),
        ("rate", "1mbit"),
        ("queue", "10k"),
        ("mtu", "1000"),
        ("partition", "on"),
        ("name", "tap9"),
        ("ip", "192.0.2.9/16"),
        ("gateway", "192.0.2.254"),
        ("dns", "192.0.2.53"),
        ("ntp", "192.0.2.53"),
        ("offload", "off"),
        ("busy-poll", "10"),
        ("boards", "5"),
        ("first", "7"),
        ("net", "192.0.2.0/24"),
        ("join", "unix:/tmp/fleet.sock"),
        ("listen", "unix:/tmp/other.sock"),
        ("virtual", "60s"),
        ("plan", "world.json"),
        ("write-plan", "world.json"),
        ("seeds", "0..5"),
        ("seed", "7"),
        ("threads", "2"),
        ("faults", "off"),
        ("shard", "2/10"),
        ("resume", "shard.jsonl"),
        ("merge", "shard.jsonl"),
        ("svg", "out.svg"),
        ("graph", "stevens:back"),
        ("hosts", "192.0.2.1,02:00:5e:00:00:01"),
        ("time", "absolute"),
        ("numbers", "never"),
        ("color", "always"),
    ];

    /// Every pair of options of a command that is refused, the first by the alphabet first.
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn expected(command: &str) -> &'static [(&'static str, &'static str)] {
        match command {
            "user" => &[
                ("allow", "no-telemetry"),
                ("board-name", "guest"),
                ("checksum-offload", "guest"),
                ("guest", "id"),
                ("guest", "ip6"),
                ("guest", "mac"),
                ("guest", "no-telemetry"),
                ("guest", "profile"),
                ("guest", "settings"),
                ("guest", "telemetry"),
                ("guest", "token"),
                ("ladder", "tui"),
                ("no-telemetry", "telemetry"),
            ],
            // `--offload off` beside `--segmentation-offload` is refused later, by `tap::run`.
            "tap" => &[("ladder", "tui"), ("no-telemetry", "telemetry")],
            "fleet" => &[
                ("forward", "join"),
                ("forward", "name"),
                ("forward", "virtual"),
                ("gateway", "join"),
                ("gateway", "name"),
                ("gateway", "virtual"),
                ("join", "name"),
                ("join", "virtual"),
                ("ladder", "virtual"),
                ("listen", "virtual"),
                ("metrics", "virtual"),
                ("name", "virtual"),
                ("no-telemetry", "telemetry"),
                ("pcap", "virtual"),
                ("telemetry", "virtual"),
            ],
            "sim" => &[
                ("json", "ladder"),
                // Frames are shown of one world.
                ("faults", "ladder"),
                ("faults", "pcap"),
                ("faults", "plan"),
                ("faults", "write-plan"),
                ("json", "pcap"),
                ("json", "write-plan"),
                ("ladder", "pcap"),
                ("ladder", "seeds"),
                ("ladder", "servers"),
                ("plan", "servers"),
                ("servers", "write-plan"),
                ("pcap", "servers"),
                ("ladder", "threads"),
                ("ladder", "verbose"),
                ("ladder", "write-plan"),
                ("pcap", "seeds"),
                ("pcap", "threads"),
                ("pcap", "verbose"),
                ("pcap", "write-plan"),
                ("plan", "seed"),
                ("plan", "seeds"),
                ("plan", "threads"),
                ("plan", "write-plan"),
                ("seed", "seeds"),
                ("seed", "threads"),
                ("seeds", "write-plan"),
                ("threads", "write-plan"),
                ("verbose", "write-plan"),
                // A record is of many worlds, and what is added up is records.
                ("json", "resume"),
                ("json", "shard"),
                ("ladder", "resume"),
                ("ladder", "shard"),
                ("pcap", "resume"),
                ("pcap", "shard"),
                ("plan", "resume"),
                ("plan", "shard"),
                ("resume", "seed"),
                ("resume", "write-plan"),
                ("seed", "shard"),
                ("shard", "write-plan"),
                ("faults", "merge"),
                ("ladder", "merge"),
                ("merge", "pcap"),
                ("merge", "plan"),
                ("merge", "resume"),
                ("merge", "seed"),
                ("merge", "seeds"),
                ("merge", "servers"),
                ("merge", "shard"),
                ("merge", "threads"),
                ("merge", "write-plan"),
            ],
            "ladder" => &[
                ("color", "graph"),
                ("color", "json"),
                ("color", "list"),
                ("color", "svg"),
                ("graph", "hosts"),
                ("graph", "json"),
                ("graph", "list"),
                ("graph", "numbers"),
                ("graph", "time"),
                ("hosts", "json"),
                ("hosts", "list"),
                ("json", "numbers"),
                ("json", "svg"),
                ("json", "time"),
                ("list", "numbers"),
                ("list", "svg"),
                ("list", "time"),
                ("numbers", "svg"),
                ("svg", "time"),
            ],
            _ => &[],
        }
    }

    /// What has to be there as well.
    fn beside(command: &str, pair: [&str; 2]) -> &'static [&'static str] {
        match command {
            "ladder" => &["run.pcapng"],
            "replay" => &["old.pcapng"],
            "fleet" if pair == ["gateway", "queue"] => &["--rate", "2mbit"],
            "fleet" if pair.contains(&"gateway") => &[],
            "fleet" if pair.contains(&"forward") && pair.contains(&"queue") => {
                &["--gateway", "--rate", "2mbit"]
            }
            "fleet" if pair.contains(&"forward") => &["--gateway"],
            "fleet" if pair == ["boards", "telemetry"] => &["--net", "192.0.2.0/24"],
            "fleet" if pair == ["net", "telemetry"] => &["--boards", "5"],
            "fleet" if pair == ["queue", "telemetry"] => {
                &["--rate", "2mbit", "--net", "192.0.2.0/24", "--boards", "5"]
            }
            "fleet" if pair.contains(&"telemetry") => &["--net", "192.0.2.0/24", "--boards", "5"],
            "user" | "tap" | "fleet" if pair.contains(&"queue") && !pair.contains(&"rate") => {
                &["--rate", "2mbit"]
            }
            _ => &[],
        }
    }

    #[test]
    fn of_every_two_options_none_is_ignored_in_silence() {
        let cli = Cli::command();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            // Those of `tapboard user` are the program's own as well.
            let global = cli.get_arguments().filter(|option| option.is_global_set());
            let options = command.get_arguments().chain(global);
            let options = options.filter(|option| !option.is_positional());
            let written = |option: &clap::Arg| option.get_long().expect("a name").to_string();
            let words = |long: &str, action: &ArgAction| {
                let value =
                    VALUES.iter().find(|(option, _)| *option == long).map(|(_, value)| *value);
                // Behind the gateway, a board has no other address of its own.
                let value = match (name, long) {
                    ("user", "ip") => Some("dhcp"),
                    // A board on a TAP is told of one, and a fleet has its own.
                    ("fleet", "gateway") => None,
                    _ => value,
                };
                assert_eq!(
                    value.is_some(),
                    action.takes_values(),
                    "no value is known for --{long}"
                );
                let (joined, apart) = match value {
                    Some(value) if value.starts_with('=') => (value, None),
                    value => ("", value),
                };
                [Some(format!("--{long}{joined}")), apart.map(ToString::to_string)]
                    .into_iter()
                    .flatten()
            };
            let mut options: Vec<_> =
                options.map(|option| (written(option), option.get_action())).collect();
            options.sort_by(|one, other| one.0.cmp(&other.0));
            let mut refused = BTreeSet::new();
            for (index, (one, action)) in options.iter().enumerate() {
                for (other, other_action) in &options[index + 1..] {
                    let mut line = vec!["tapboard".to_string(), name.to_string()];
                    line.extend(words(one, action));
                    line.extend(words(other, other_action));
                    line.extend(beside(name, [one, other]).iter().map(ToString::to_string));
                    if let Err(error) = Cli::read(line.iter().map(Into::into)) {
                        let text = error.to_string();
                        let remedies =
                            ["leave one of them out", "name it with --seed N", "--gateway ADDR"];
                        assert!(
                            remedies.iter().any(|remedy| text.contains(remedy)),
                            "{line:?}: {text}"
                        );
                        refused.insert((one.as_str().to_owned(), other.as_str().to_owned()));
                    }
                }
            }
            let expected =
                expected(name).iter().map(|(one, other)| ((*one).into(), (*other).into()));
            assert_eq!(refused, expected.collect(), "{name}");
        }
    }
}
