//! Who is measured: each with a subnet of its own in 192.0.2.0/24, and a host's address beside it.

use std::net::Ipv4Addr;

use smoltcp::wire::Ipv4Cidr;

use crate::namespace::run;
use crate::process::Process;
use crate::role;

/// Length of a peer's prefix: 16 subnets, of 14 hosts each.
pub(crate) const PREFIX: u8 = 28;

/// Subnets that there are.
pub(crate) const SUBNETS: u8 = 16;

/// Buffers of the profile `large`, bytes each way.
pub(crate) const LARGE: usize = 64 * 1024;
/// Buffers of the profile `mcu`, bytes each way.
pub(crate) const MCU: usize = 2 * 1024;

/// The peer's address in a subnet, from 0 to 15.
pub(crate) const fn peer_address(subnet: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, subnet * 16 + 1)
}

/// The host's address in a subnet, with its prefix.
pub(crate) const fn host_address(subnet: u8) -> Ipv4Cidr {
    Ipv4Cidr::new(Ipv4Addr::new(192, 0, 2, subnet * 16 + 2), PREFIX)
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `tapboard tap`, with buffers of so many bytes; the firmware does the checksums.
    Tap(usize),
    /// The same in profile `large`, with the checksums left to the NIC.
    Checksums,
    /// The same in profile `large`, with segmentation left to the NIC, and so the checksums.
    Segments,
    /// A plain smoltcp on its own TAP, with buffers of so many bytes.
    Plain(usize),
    /// The kernel across a veth.
    Veth,
    /// `tapboard user`, in profile `large`.
    User,
}

/// A running peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) address: Ipv4Addr,
    pub(crate) process: Process,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 8] = [
        Self::Tap(LARGE),
        Self::Checksums,
        Self::Segments,
        Self::Plain(LARGE),
        Self::Veth,
        Self::User,
        Self::Tap(MCU),
        Self::Plain(MCU),
    ];

    /// Its name in the table.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tap(buffer) => format!("tapboard tap, {}", size(buffer)),
            Self::Checksums => format!("tapboard tap, {}, checksum offload", size(LARGE)),
            Self::Segments => format!("tapboard tap, {}, segmentation offload", size(LARGE)),
            Self::Plain(buffer) => format!("plain smoltcp, {}", size(buffer)),
            Self::Veth => "the kernel, veth".to_owned(),
            Self::User => format!("tapboard user, {}", size(LARGE)),
        }
    }

    /// Whether its reads and writes are all that it does on its NIC, so that counting them says something.
    pub(crate) const fn reads_and_writes(self) -> bool {
        // `tapboard user` receives from and sends to sockets.
        !matches!(self, Self::User)
    }

    /// Starts it in its subnet.
    pub(crate) fn start(self, subnet: u8) -> Result<Peer, String> {
        let (peer, host) = (peer_address(subnet), host_address(subnet));
        let ip = format!("{peer}/{PREFIX}");
        let name = format!("bench{subnet}");
        let subnet = subnet.to_string();
        let mut process = match self {
            Self::Tap(buffer) => tapboard_tap(&name, &ip, buffer, &[])?,
            Self::Checksums => tapboard_tap(&name, &ip, LARGE, &["--checksum-offload"])?,
            Self::Segments => tapboard_tap(&name, &ip, LARGE, &["--segmentation-offload"])?,
            Self::User => Process::start(role::TAPBOARD, &["user", "--no-telemetry"])?,
            Self::Plain(buffer) => {
                run("ip", &format!("tuntap add {name} mode tap"))?;
                run("ip", &format!("addr add {host} dev {name}"))?;
                run("ip", &format!("link set {name} up"))?;
                Process::start(role::PLAIN, &[&name, &subnet, &buffer.to_string()])?
            }
            Self::Veth => {
                let far = format!("{name}far");
                let mut process =
                    Process::start_apart(role::KERNEL, &[&far, &subnet, role::UNPACED])?;
                process.wait_for(role::UP_APART)?;
                let id = process.id();
                run("ip", &format!("link add {name} type veth peer name {far} netns {id}"))?;
                run("ip", &format!("addr add {host} dev {name}"))?;
                run("ip", &format!("link set {name} up"))?;
                process.release();
                process
            }
        };
        process.wait_for(role::UP)?;
        let address = if self == Self::User { Ipv4Addr::LOCALHOST } else { peer };
        Ok(Peer { kind: self, address, process })
    }
}

/// `tapboard tap` on the TAP `name`, which it makes, with buffers of `buffer` bytes.
pub(crate) fn tapboard_tap(
    name: &str,
    ip: &str,
    buffer: usize,
    more: &[&str],
) -> Result<Process, String> {
    let profile = if buffer == MCU { "mcu" } else { "large" };
    let base = ["tap", "--no-telemetry", "--name", name, "--ip", ip, "--profile", profile];
    Process::start(role::TAPBOARD, &[&base, more].concat())
}

/// A size of a buffer.
pub(crate) fn size(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}
