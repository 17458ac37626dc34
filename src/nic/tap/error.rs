//! What can go wrong with a TAP, one variant a cause, each with its remedy in the text.
//!
//! The texts are the contract: a person reads them once, runs what they name and is on the network.

use std::{error, fmt, io};

use smoltcp::wire::{IpCidr, Ipv4Cidr};

use super::config::TapConfig;

const NO_RIGHTS: &str = "or use `tapboard user`, which needs no rights";
const CONTAINER: &str = "in a container: start it with `--device /dev/net/tun --cap-add NET_ADMIN`";

/// Why there is no TAP.
#[derive(Debug)]
#[non_exhaustive]
pub enum TapError {
    /// The kernel takes no interface of this name.
    InvalidName {
        /// The name.
        name: String,
        /// What it breaks.
        rule: &'static str,
    },
    /// There is no `/dev/net/tun`, or no driver behind it.
    NoTunDevice {
        /// The interface asked for.
        name: String,
        /// What opening it gave.
        source: io::Error,
    },
    /// `/dev/net/tun` may not be opened.
    DeviceNotPermitted {
        /// What was asked for.
        config: TapConfig,
        /// There is such a TAP already, so the device file is all that is in the way.
        exists: bool,
    },
    /// There is no such TAP, and the process may not create one.
    NotPermitted {
        /// What was asked for.
        config: TapConfig,
    },
    /// The TAP belongs to someone else.
    NotOwner {
        /// The TAP.
        name: String,
        /// User id of its owner; `None` if it belongs to a group.
        owner: Option<u32>,
    },
    /// Another process has the TAP open.
    Busy {
        /// The TAP.
        name: String,
    },
    /// There is an interface of that name, and it is not a TAP.
    NotTap {
        /// The interface.
        name: String,
    },
    /// The TAP was deleted while it was in use; see [`LinkStatus::Gone`](super::LinkStatus::Gone).
    Gone {
        /// The TAP.
        name: String,
    },
    /// The kernel refused a step for a reason that has no variant of its own.
    System {
        /// The TAP.
        name: String,
        /// The step, to follow the word "cannot".
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { name, rule } => {
                write!(f, "{name:?} cannot name a TAP: {rule}; choose one such as tap0")
            }
            Self::NoTunDevice { name, source } => write!(
                f,
                "cannot open {name}: no TAP driver at /dev/net/tun ({source}); run \
                 `sudo modprobe tun` ({CONTAINER}), {NO_RIGHTS}"
            ),
            Self::DeviceNotPermitted { config, exists } => {
                let name = &config.name;
                write!(
                    f,
                    "cannot open {name}: permission denied on /dev/net/tun; run once \
                     `sudo chmod 0666 /dev/net/tun"
                )?;
                if !exists {
                    write!(f, " && {}", config.setup_command())?;
                }
                write!(f, "` (0666 is its usual mode), {NO_RIGHTS} ({CONTAINER})")
            }
            Self::NotPermitted { config } => write!(
                f,
                "cannot create {}: permission denied; run once `{}`, {NO_RIGHTS} ({CONTAINER})",
                config.name,
                config.setup_command()
            ),
            Self::NotOwner { name, owner } => {
                write!(f, "cannot open {name}: it belongs to ")?;
                match owner {
                    Some(owner) => write!(f, "user {owner}")?,
                    None => write!(f, "a group that you are not in")?,
                }
                write!(f, "; run as its owner, choose another TAP with --name, {NO_RIGHTS}")
            }
            Self::Busy { name } => write!(
                f,
                "cannot open {name}: another process has it; end that process \
                 (`sudo sh -c 'grep -ls {name} /proc/*/fdinfo/*'` finds it) or choose another TAP \
                 with --name"
            ),
            Self::NotTap { name } => write!(
                f,
                "cannot open {name}: that interface is not a TAP; choose another name with --name"
            ),
            Self::Gone { name } => {
                write!(f, "{name} was deleted while the board was using it; start tapboard again")
            }
            Self::System { name, step, source } => {
                write!(
                    f,
                    "cannot {step} {name}: {source}; `ip -d link show {name}` shows its state"
                )
            }
        }
    }
}

impl error::Error for TapError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NoTunDevice { source, .. } | Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The TAP works, with something its user should know.
#[derive(Debug)]
#[non_exhaustive]
pub enum TapWarning {
    /// It is administratively down, so nothing passes.
    Down {
        /// The TAP.
        name: String,
        /// The address that the host might have, if it has none by which it reaches the board.
        host: Option<Ipv4Cidr>,
    },
    /// The host has no address by which it reaches the board.
    NoAddress {
        /// The TAP.
        name: String,
        /// The address that it might have.
        host: Ipv4Cidr,
    },
    /// Another interface leads to the board's network as well.
    HostElsewhere {
        /// The TAP.
        name: String,
        /// The TAP's own addresses in that network.
        own: Vec<IpCidr>,
        /// The other's.
        hosts: Vec<IpCidr>,
        /// The other.
        other: Other,
    },
    /// The host side has no IPv6 address; IPv4 is unaffected.
    NoIpv6 {
        /// The TAP.
        name: String,
        /// Why the kernel refused it.
        source: io::Error,
    },
    /// The kernel refuses segmentation offload; each frame is a system call.
    NoOffload {
        /// The TAP.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The host may send frames longer than the board takes; those are dropped.
    LongFrames {
        /// The TAP.
        name: String,
        /// Its MTU, bytes.
        mtu: u32,
    },
}

/// An interface that has an address of the board's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: OtherKind,
}

/// What an interface is, as far as it matters to a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// A bridge.
    Bridge,
    /// A TAP, of another board perhaps.
    Tap,
    /// Anything else.
    Else,
}

impl fmt::Display for TapWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress { name, host } => write!(
                f,
                "{name} has no address in the board's network, so that this host does not reach the board; \
                 give it one with `sudo ip addr add {host} dev {name}`, or make it a port of a bridge"
            ),
            Self::HostElsewhere { name, own, hosts, other: Other { name: other, kind } } => {
                let list = hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                write!(
                    f,
                    "{other} leads to the board's network as well, with this host's {list}, so that this host \
                     may not find the board on {name}; "
                )?;
                let del = |addresses: &[IpCidr], from| {
                    let del = |address| format!("sudo ip addr del {address} dev {from} && ");
                    addresses.iter().map(del).collect::<String>()
                };
                let own = del(own, name);
                match kind {
                    OtherKind::Bridge => write!(
                        f,
                        "make it a port of that bridge: `{own}sudo ip link set {name} master {other}`"
                    ),
                    OtherKind::Tap => {
                        let others = del(hosts, other);
                        write!(
                            f,
                            "boards share a network over a bridge: `sudo ip link add br0 type bridge && \
                             {own}{others}sudo ip link set {other} master br0 && sudo ip link set {name} \
                             master br0 && sudo ip link set br0 up"
                        )?;
                        for host in hosts {
                            let nodad = if matches!(host, IpCidr::Ipv6(_)) { " nodad" } else { "" };
                            write!(f, " && sudo ip addr add {host} dev br0{nodad}")?;
                        }
                        f.write_str("`")
                    }
                    OtherKind::Else => write!(
                        f,
                        "choose another network with --ip, or make {other} and {name} ports of one bridge"
                    ),
                }
            }
            Self::Down { name, host: None } => {
                write!(f, "{name} is down; bring it up with `sudo ip link set {name} up`")
            }
            Self::Down { name, host: Some(host) } => write!(
                f,
                "{name} is down, and has no address in the board's network; bring it up with `sudo ip addr \
                 add {host} dev {name} && sudo ip link set {name} up`"
            ),
            Self::NoIpv6 { name, source } => write!(
                f,
                "{name} has no IPv6 address on the host side ({source}); if IPv6 is switched off, \
                 `sudo sysctl net.ipv6.conf.all.disable_ipv6=0` switches it on"
            ),
            Self::NoOffload { name, source } => write!(
                f,
                "{name} works frame by frame, which is slow: the kernel refuses to pass many \
                 segments at once ({source}); `--offload off` does not try it"
            ),
            Self::LongFrames { name, mtu } => write!(
                f,
                "{name} has an MTU of {mtu}, and what is longer than 1500 is dropped; lower it \
                 with `sudo ip link set {name} mtu 1500`"
            ),
        }
    }
}
