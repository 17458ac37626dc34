//! Which scripts of others can be run against the board, and the reason for those that cannot.

use super::script::{
    CWR, Call, Config, ECE, Event, Kind, Outcome, Packet, SYN, Script, TcpOption, URG,
};

/// Settings of FreeBSD and Linux that the board has too, as far as it has the same values; `*` for any, where it makes no
/// difference to what a script of ours can see.
const SETTINGS: [(&str, &[&str]); 31] = [
    ("kern.ipc.maxsockbuf", &["2097152"]),
    ("net.inet.tcp.blackhole", &["0"]),
    ("net.inet.tcp.delacktime", &["*"]),
    ("net.inet.tcp.drop_synfin", &["1"]),
    ("net.inet.tcp.ecn.enable", &["0", "2"]),
    ("net.inet.tcp.ecn.maxretries", &["*"]),
    ("net.inet.tcp.fastopen.client_enable", &["0"]),
    ("net.inet.tcp.hostcache.purgenow", &["*"]),
    ("net.inet.tcp.icmp_may_rst", &["1"]),
    ("net.inet.tcp.insecure_rst", &["0"]),
    ("net.inet.tcp.insecure_syn", &["0"]),
    ("net.inet.tcp.keepcnt", &["8"]),
    ("net.inet.tcp.keepidle", &["7200000"]),
    ("net.inet.tcp.keepinit", &["75000"]),
    ("net.inet.tcp.keepintvl", &["75000"]),
    ("net.inet.tcp.recvspace", &["65536"]),
    ("net.inet.tcp.rexmit_drop_options", &["0"]),
    ("net.inet.tcp.rexmit_initial", &["1000"]),
    ("net.inet.tcp.rexmit_slop", &["200"]),
    ("net.inet.tcp.rfc1323", &["1"]),
    ("net.inet.tcp.sack.enable", &["1"]),
    ("net.inet.tcp.sendspace", &["*"]),
    ("net.inet.tcp.syncookies", &["*"]),
    ("net.inet.tcp.syncookies_only", &["0"]),
    ("net.ipv4.tcp_timestamps", &["*"]),
    ("net.ipv4.tcp_min_tso_segs", &["*"]),
    ("net.ipv4.tcp_pacing_ss_ratio", &["*"]),
    ("net.ipv4.tcp_sack", &["1"]),
    ("net.ipv4.tcp_slow_start_after_idle", &["1"]),
    ("net.ipv4.tcp_tso_win_divisor", &["*"]),
    ("net.ipv4.tcp_wmem", &["*"]),
];

/// Socket options that change nothing here: the board reuses addresses and has no Nagle's algorithm.
const IGNORED_OPTIONS: [(&str, &str); 4] =
    [("SO_REUSEADDR", "*"), ("TCP_NODELAY", "[1]"), ("SO_SNDBUF", "*"), ("SO_KEEPALIVE", "[0]")];

const CALLS: [&str; 16] = [
    "accept",
    "bind",
    "close",
    "connect",
    "fcntl",
    "getsockopt",
    "listen",
    "read",
    "recv",
    "recvfrom",
    "send",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "write",
];

/// Commands that set another stack up, or tell what connections there are. `defaults.sh` is what Linux does by itself.
const COMMANDS: [&str; 4] = ["sysctl", "sockstat", "defaults.sh", "set_sysctls.py"];

/// The most that a buffer of the board takes.
pub(crate) const BUFFER: usize = 65_535;

/// Why a script cannot be run, if that is so.
pub(crate) fn refusal(script: &Script) -> Option<String> {
    let Script { config, events } = script;
    let begun = events.iter().position(|event| matches!(event.kind, Kind::In(_) | Kind::Out(_)));
    for (index, event) in events.iter().enumerate() {
        let reason = match &event.kind {
            Kind::In(packet) | Kind::Out(packet) => {
                segment(packet, matches!(event.kind, Kind::Out(_)), config)
            }
            Kind::Call(call) => self::call(call),
            Kind::Command(command) => {
                self::command(command, begun.is_none_or(|begun| index < begun))
            }
            Kind::Icmp(icmp) if icmp.code(config.ipv6).is_none() => {
                Some(format!("icmp {}", icmp.what))
            }
            Kind::Icmp(_) | Kind::Code(_) => None,
        };
        if reason.is_some() {
            return reason;
        }
    }
    timestamps(events).then(|| "timestamps".to_owned())
}

fn segment(packet: &Packet, ours: bool, config: &Config) -> Option<String> {
    if packet.flags & (ECE | CWR) != 0 {
        return Some("ECN".to_owned());
    }
    if packet.flags & URG != 0 {
        return Some("urgent data".to_owned());
    }
    let usual = if config.ipv6 { 1440 } else { 1460 };
    let other = |option: &TcpOption| matches!(option, TcpOption::Mss(size) if *size != usual);
    let other_size = ours && packet.options.iter().flatten().any(other);
    other_size.then(|| "a segment size that is not Ethernet's".to_owned())
}

/// Whether both ends agree on timestamps: the board has none.
fn timestamps(events: &[Event]) -> bool {
    let with = |packet: &Packet| {
        packet.options.iter().flatten().any(|option| matches!(option, TcpOption::Timestamp(..)))
    };
    let is_syn = |packet: &Packet| packet.flags & SYN != 0;
    let any = |wanted: &dyn Fn(&Kind) -> bool| events.iter().any(|event| wanted(&event.kind));
    let agreed = any(&|kind| matches!(kind, Kind::In(packet) if is_syn(packet) && with(packet)))
        && any(&|kind| matches!(kind, Kind::Out(packet) if is_syn(packet) && with(packet)));
    agreed || any(&|kind| matches!(kind, Kind::Out(packet) if !is_syn(packet) && with(packet)))
}

fn call(call: &Call) -> Option<String> {
    let name = &call.name[..];
    if !CALLS.contains(&name) {
        return Some(format!("call {name}"));
    }
    if matches!(&call.result, Outcome::Failure(errno) if errno == "EFAULT") {
        return Some("an address that is not the program's".to_owned());
    }
    let flags = |index| {
        let flags = call.argument(index);
        let peeks = name.starts_with("recv") && flags == "MSG_PEEK";
        let known = peeks || matches!(flags, "0" | "" | "MSG_DONTWAIT");
        (!known).then(|| format!("{name} with {flags}"))
    };
    match name {
        "recv" | "recvfrom" | "send" | "sendto" => {
            if let Some(reason) = flags(3) {
                return Some(reason);
            }
        }
        "socket" if call.argument(1) != "SOCK_STREAM" => {
            return Some(format!("socket of {}", call.argument(1)));
        }
        "shutdown" if call.argument(1) != "SHUT_WR" => {
            return Some(format!("shutdown with {}", call.argument(1)));
        }
        "fcntl" if !matches!(call.argument(1), "F_GETFL" | "F_SETFL") => {
            return Some(format!("fcntl with {}", call.argument(1)));
        }
        "setsockopt" => {
            let (option, value) = (call.argument(2), call.argument(3));
            let ignored =
                |&(name, same): &(&str, &str)| name == option && (same == "*" || same == value);
            return (!IGNORED_OPTIONS.iter().any(ignored)).then(|| format!("option {option}"));
        }
        "getsockopt" if !matches!(call.argument(2), "SO_ERROR" | "SO_RCVBUF") => {
            return Some(format!("option {}", call.argument(2)));
        }
        _ => {}
    }
    let sends = matches!(name, "write" | "send" | "sendto");
    let large = sends
        && call.number(2).and_then(|len| usize::try_from(len).ok()).is_some_and(|len| len > BUFFER);
    large.then(|| "more than a buffer written at once".to_owned())
}

/// A command of the shell. What comes before the first packet sets the other stack up; what comes later sets it back.
fn command(command: &str, before: bool) -> Option<String> {
    let first = command.split_whitespace().next().unwrap_or("");
    let name = first.rsplit('/').next().unwrap_or("");
    let known = COMMANDS.contains(&name) || name.starts_with("sysctl_restore");
    if !known {
        return Some(format!("command {first}"));
    }
    for word in command.split_whitespace().filter(|_| before && first != "sockstat") {
        let Some((name, value)) = word.trim_start_matches('/').split_once('=') else { continue };
        let name = name.trim_start_matches("proc/sys/").replace('/', ".");
        let value = value.trim_matches(['"', '\'', ';']);
        let same = |&(known, values): &(&str, &[&str])| {
            known == name && (values.contains(&"*") || values.contains(&value))
        };
        if !SETTINGS.iter().any(same) {
            return Some(format!("setting {name}={value}"));
        }
    }
    None
}

/// Whether `errno` is what a call that would block fails with.
pub(crate) fn would_block(result: &Outcome) -> bool {
    matches!(result, Outcome::Failure(errno) if errno == "EAGAIN" || errno == "EWOULDBLOCK")
}
