//! How fast the virtual NIC is, beside what else there is: `cargo bench --bench nic`.
//!
//! One run measures, in turns, `tapboard tap` with the firmware's checksums and with the NIC's, a plain
//! smoltcp on its own `TunTapInterface` ([`plain`]), the kernel across a veth ([`kernel`]) and `tapboard
//! user`, with the client on the same core and on another one ([`speed`]); `-- lossy` measures how long
//! it takes through bad links ([`lossy`]), `-- http` how often the page is served ([`http`]), and `-- frames` what
//! a frame costs the board ([`frames`]). The client is `tapboard-host bench`, which verifies what it measures.
//!
//! All of it happens in a user and network namespace of its own, as root in there ([`namespace`]), and
//! ends with this process, however that ends. Every wait has a limit. Ratios travel from one machine to
//! another; absolute figures do not.

#[cfg(target_os = "linux")]
mod bridge;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod frames;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod lossy;
#[cfg(target_os = "linux")]
#[path = "../../tests/common/frames.rs"]
#[allow(dead_code, reason = "a part of it is the tests' alone")]
mod made;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
#[path = "../../tests/common/path.rs"]
mod path;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod plain;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod role;
#[cfg(target_os = "linux")]
mod speed;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
#[path = "../../tests/common/traffic.rs"]
mod traffic;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this benchmark needs Linux: TAP interfaces and network namespaces");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    use clap::Parser;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if let [first, role, rest @ ..] = &arguments[..]
        && first == role::WORD
    {
        role::play(role, rest)
    } else {
        let options = options::Options::parse();
        if !options.bench {
            // `cargo test --benches` runs every benchmark, as a test that it starts.
            println!("run it with: cargo bench --bench nic");
            return ExitCode::SUCCESS;
        }
        let within = || namespace::enter(&arguments);
        match options.scenario {
            options::Scenario::Speed => within().and_then(|()| speed::run(&options)),
            options::Scenario::Lossy => within().and_then(|()| lossy::run(&options)),
            options::Scenario::Http => within().and_then(|()| http::run(&options)),
            options::Scenario::Frames => frames::run(&options),
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("nic: {error}");
        ExitCode::FAILURE
    })
}
