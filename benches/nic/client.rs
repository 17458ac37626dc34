//! The client that measures: `tapboard-host bench` in a process of its own, so that its CPU time is known
//! and it can stay on one core.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;
use tapboard_host::bench::plan::Test;

use crate::peer::Peer;
use crate::process::{Process, Usage};
use crate::role;

/// How much longer than its measurement a client may take before it is ended.
const GRACE: Duration = Duration::from_mins(1);

/// Connections of one measurement at most: local ports are few.
const CONNECTIONS: &str = "3000";

/// What one measurement came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Bytes, round trips or connections a second.
    pub(crate) rate: f64,
    /// Median of the round trips, microseconds; 0 for bulk.
    pub(crate) p50_us: f64,
    /// Their 99.9th percentile.
    pub(crate) p999_us: f64,
    /// Bytes moved; 0 for anything but bulk.
    pub(crate) bytes: u64,
    /// What the peer used meanwhile.
    pub(crate) peer: Usage,
    /// CPU time of the client, from its start to its end, seconds.
    pub(crate) client_cpu_seconds: f64,
}

/// Measures `test` on a peer, from a core, for that time.
pub(crate) fn measure(
    peer: &Peer,
    test: Test,
    core: usize,
    time: Duration,
) -> Result<Sample, String> {
    let seconds = time.as_secs_f64().to_string();
    let options = ["--seconds", &seconds, "--connections", CONNECTIONS, "--timeout", "10"];
    let before = peer.process.usage()?;
    let mut sample = run(peer.address, test, &core.to_string(), &options, time + GRACE)?;
    let after = peer.process.usage()?;
    let cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    sample.peer = Usage { cpu_seconds, calls: after.calls - before.calls };
    Ok(sample)
}

/// Runs `test` once against `address`, and ends it at `limit`. `core` may be no number: then any will do.
pub(crate) fn run(
    address: Ipv4Addr,
    test: Test,
    core: &str,
    options: &[&str],
    limit: Duration,
) -> Result<Sample, String> {
    let address = address.to_string();
    let base = [core, "bench", &address, "--json", "--runs", "1", "--only", test.word()];
    let process = Process::start(role::CLIENT, &[&base, options].concat())?;
    let printed = process.output(limit)?;
    let (mut run, mut client_cpu_seconds) = (None, 0.0);
    for line in printed.lines() {
        let object: Value = serde_json::from_str(line)
            .map_err(|error| format!("the client printed no JSON: {error}: {line}"))?;
        match object["event"].as_str() {
            Some("error") => {
                let message = object["message"].as_str();
                return Err(message.unwrap_or("the client failed").to_owned());
            }
            Some("run") => run = Some(object),
            Some(role::CPU) => client_cpu_seconds = object["seconds"].as_f64().unwrap_or(0.0),
            _ => {}
        }
    }
    let run = run.ok_or_else(|| "the client measured nothing".to_owned())?;
    let number = |name: &str| run[name].as_f64().unwrap_or(0.0);
    Ok(Sample {
        rate: number("bytes_per_second").max(number("per_second")),
        p50_us: number("p50_us"),
        p999_us: number("p999_us"),
        bytes: run["bytes"].as_u64().unwrap_or(0),
        peer: Usage::default(),
        client_cpu_seconds,
    })
}
