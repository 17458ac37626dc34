//! The crate's tests from outside, as one program: what they share is compiled once. `cargo test --test net NAME` runs one
//! file's.

mod common;

#[cfg(all(feature = "async", feature = "smoltcp-sockets"))]
mod asynch;
mod crowd;
#[cfg(feature = "deferred-accept")]
mod deferred;
#[cfg(feature = "dhcp")]
mod dhcp;
#[cfg(feature = "dns")]
mod dns;
mod errors;
mod http;
#[cfg(feature = "udp")]
mod interface;
#[cfg(feature = "udp")]
mod limits;
#[cfg(feature = "mdns")]
mod mdns;
// Else a device cannot say that it is none.
#[cfg(all(feature = "udp", feature = "medium-ethernet"))]
mod medium_ip;
#[cfg(all(feature = "multicast", feature = "udp"))]
mod multicast;
#[cfg(feature = "udp")]
mod nal;
#[cfg(all(feature = "smoltcp-sockets", feature = "udp"))]
mod own_sockets;
#[cfg(feature = "udp")]
mod rubbish;
#[cfg(feature = "slaac")]
mod slaac;
#[cfg(feature = "sntp")]
mod sntp;
#[cfg(feature = "udp")]
mod sockets;

/// A file that is not named above would not be run.
#[test]
fn every_file_is_run() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let named = include_str!("main.rs").lines().any(|line| line == format!("mod {name};"));
        assert!(named || name == "main", "{} is no module of tests/main.rs", path.display());
    }
}
