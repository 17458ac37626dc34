//! Metrics as a program reads them: over HTTP, in the text formats of Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::SocketAddr;

use super::process::{Process, connect};

/// Asks for what is at `address`, with these header fields. Returns the head and the body of the answer.
pub(crate) fn get(address: SocketAddr, line: &str, fields: &str) -> (String, String) {
    let mut stream = connect(address);
    let request = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Where a process that was started with `--metrics 0` has them.
pub(crate) fn address(process: &Process) -> SocketAddr {
    process.prints("/metrics ");
    let output = process.output();
    let url = output.split("curl http://").nth(1).expect("a URL");
    url.split('/').next().expect("an address").parse().expect("an address")
}

/// One answer in version 0.0.4, or in `OpenMetrics` 1.0, read by the rules of its format.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// Each sample by its name with its labels, as they are written.
    pub(crate) samples: BTreeMap<String, f64>,
    /// The names without labels.
    pub(crate) names: BTreeSet<String>,
    counters: BTreeSet<String>,
}

impl Exposition {
    /// What is at `address` now.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let (head, body) = get(address, "GET /metrics", "");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let kind = "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
        assert!(head.contains(kind), "{head}");
        Self::read(&body, false)
    }

    /// Likewise, in `OpenMetrics`.
    pub(crate) fn openmetrics(address: SocketAddr) -> Self {
        // As Prometheus asks.
        let fields = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n";
        let (head, body) = get(address, "GET /metrics", fields);
        let kind =
            "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
        assert!(head.contains(kind), "{head}");
        let samples = body.strip_suffix("# EOF\n").expect("it is whole");
        Self::read(samples, true)
    }

    /// Each family has its help, its type and its samples in one place, once; names are those of the guidelines.
    fn read(text: &str, openmetrics: bool) -> Self {
        let mut new =
            Self { samples: BTreeMap::new(), names: BTreeSet::new(), counters: BTreeSet::new() };
        let (mut families, mut lines) = (BTreeSet::new(), text.lines().peekable());
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("{line} begins none"));
            let (family, help) = help.split_once(' ').expect("a help");
            assert!(help.len() > 5 && help.ends_with('.') && !help.starts_with(' '), "{line}");
            assert!(families.insert(family), "{family} twice");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
            let kind = kind.strip_prefix(family).and_then(|kind| kind.strip_prefix(' '));
            let kind = kind.expect("the same family");
            let name = match (kind, openmetrics) {
                ("counter", true) => format!("{family}_total"),
                ("info", true) => format!("{family}_info"),
                ("counter" | "gauge", _) => family.to_owned(),
                _ => panic!("{kind} of {family}"),
            };
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(name.starts_with("tapboard_") && !name.contains("__"), "{name}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(plain), "{name}");
            // Base units (https://prometheus.io/docs/practices/naming).
            let units = ["ms", "us", "millis", "micros", "bits", "percent", "kib", "mc"];
            assert!(!name.split('_').any(|word| units.contains(&word)), "{name}");
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (sample, value) = line.rsplit_once(' ').expect("a value");
                let (known, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                assert_eq!(known, name, "{line}");
                assert!(labels.ends_with('}') && labels.matches('"').count() % 2 == 0, "{line}");
                let value = value.parse().expect("a number");
                assert!(new.samples.insert(sample.to_owned(), value).is_none(), "{sample} twice");
            }
            if kind == "counter" {
                new.counters.insert(name.clone());
            }
            assert!(new.samples.keys().any(|sample| sample.starts_with(&name)), "{name} is empty");
            new.names.insert(name);
        }
        new
    }

    /// The value of a sample, named without `tapboard_`.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(&format!("tapboard_{sample}"));
        *value.unwrap_or_else(|| panic!("there is no {sample} in {:#?}", self.samples))
    }

    /// Whether no counter is less than it was.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        let is_counter = |sample: &str| {
            let name = sample.split('{').next().expect("a name");
            self.counters.contains(name)
        };
        let counters = before.samples.iter().filter(|(sample, _)| is_counter(sample));
        counters.into_iter().all(|(sample, value)| self.samples[sample] >= *value)
    }
}
