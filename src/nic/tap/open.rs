//! How a TAP is opened: attached to if it exists, created and given its addresses if not.

use std::ffi::c_short;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::Timespec;
use rustix::io::Errno;
use smoltcp::wire::IpCidr;

use super::config::TapConfig;
use super::error::{TapError, TapWarning};
use super::file::{LinkStatus, TapFile};
use super::host::{self, HostSide, elsewhere};
use super::netlink::{NetDevice, Netlink, TapAttributes};
use super::{sys, virtio};
use crate::nic::header_layout::FRAME_LEN_MAX;
use crate::nic::{KernelOffload, Offloads};

/// [`FRAME_LEN_MAX`] without the Ethernet header: the largest MTU of an interface that suits us,
/// bytes.
const MTU_MAX: u32 = FRAME_LEN_MAX as u32 - 14;
/// How long a new interface may take to come up, seconds. It is up at once; this only bounds the
/// wait.
const UP_TIMEOUT_S: i64 = 1;

/// A TAP that was opened, and what was found on the way.
pub(super) struct Opened {
    pub(super) file: TapFile,
    /// The interface was made, and goes with the file.
    pub(super) created: bool,
    pub(super) host: HostSide,
    pub(super) warnings: Vec<TapWarning>,
}

impl Opened {
    /// Attaches to the TAP `config.name`; if there is none, creates it with the host's addresses
    /// and brings it up.
    pub(super) fn open(config: &TapConfig) -> Result<Self, TapError> {
        check_name(&config.name)?;
        let system = |step| move |errno| system_error(config, step, errno);
        let mut netlink = Netlink::open().map_err(system("ask the kernel about"))?;
        if let Some(link) = netlink.link(&config.name).map_err(system("look up"))? {
            return Self::attach(config, &link, &mut netlink);
        }
        let tied = Tied::new(config, sys::EXCLUSIVE, false, |errno| match errno {
            // Someone created it since we looked.
            Errno::BUSY => TapError::Busy { name: config.name.clone() },
            Errno::PERM => TapError::NotPermitted { config: config.clone() },
            errno => system_error(config, "create", errno),
        })?;
        Self::configure(config, tied, &mut netlink)
    }

    fn attach(
        config: &TapConfig,
        link: &NetDevice,
        netlink: &mut Netlink,
    ) -> Result<Self, TapError> {
        let name = || config.name.clone();
        let tap = link.tap.as_ref().ok_or_else(|| TapError::NotTap { name: name() })?;
        // The kernel would give each reader of a multi-queue TAP a share of the connections.
        if tap.queues > 0 {
            return Err(TapError::Busy { name: name() });
        }
        let multi_queue = if tap.multi_queue { sys::MULTI_QUEUE } else { 0 };
        let tied = Tied::new(config, multi_queue, true, |errno| match errno {
            Errno::BUSY => TapError::Busy { name: name() },
            Errno::PERM => TapError::NotOwner { name: name(), owner: tap.owner },
            errno => system_error(config, "attach to", errno),
        })?;
        // A sole reader decides what precedes each frame (Linux changes the flags that the TAP was
        // created with); where it does not, another reader came since we looked.
        let link = netlink
            .link(&config.name)
            .map_err(|errno| system_error(config, "look up", errno))?
            .ok_or_else(|| TapError::Gone { name: name() })?;
        let shared = |tap: &TapAttributes| {
            tap.queues > 1 || tap.packet_info || tap.vnet_header != tied.kernel.header()
        };
        if link.tap.as_ref().is_some_and(shared) {
            return Err(TapError::Busy { name: name() });
        }
        let mut opened = Self::new(config, tied, false);
        if let Err(error) = opened.survey(config, &link, netlink) {
            opened.file.switch_off_offloads();
            return Err(error);
        }
        Ok(opened)
    }

    /// Looks at the host's side of the TAP `link`, and at what its user should know of both.
    fn survey(
        &mut self,
        config: &TapConfig,
        link: &NetDevice,
        netlink: &mut Netlink,
    ) -> Result<(), TapError> {
        let name = || config.name.clone();
        let addresses = netlink
            .addresses()
            .map_err(|errno| system_error(config, "look up the addresses of", errno))?;
        self.host = HostSide::of(link, &addresses, netlink)
            .map_err(|errno| system_error(config, "look up the bridge of", errno))?;
        let mut missing = None;
        // A port of a bridge needs no address: others than this host may be on the bridge.
        if self.host.master.is_none() {
            let hosts = config.hosts();
            let own = self.host.addresses_in(&hosts);
            let found: Vec<_> =
                hosts.iter().filter_map(|host| elsewhere(*host, link, &addresses)).collect();
            if !found.is_empty() {
                let warning = host::warning(config, &found, own, netlink);
                self.warnings
                    .extend(warning.map_err(|errno| system_error(config, "look beside", errno))?);
            } else if !own.iter().any(|own| matches!(own, IpCidr::Ipv4(_))) {
                missing = Some(config.host_ipv4);
            }
        }
        if !link.up {
            self.warnings.push(TapWarning::Down { name: name(), host: missing });
        } else if let Some(host) = missing {
            self.warnings.push(TapWarning::NoAddress { name: name(), host });
        }
        if link.mtu > MTU_MAX {
            self.warnings.push(TapWarning::LongFrames { name: name(), mtu: link.mtu });
        }
        Ok(())
    }

    /// Gives the interface just created its addresses and brings it up.
    fn configure(config: &TapConfig, tied: Tied, netlink: &mut Netlink) -> Result<Self, TapError> {
        let system = |step| move |errno| system_error(config, step, errno);
        let mut opened = Self::new(config, tied, true);
        let link = netlink
            .link(&config.name)
            .map_err(system("look up"))?
            .ok_or_else(|| TapError::Gone { name: config.name.clone() })?;
        let index = link.index;
        let addresses = netlink.addresses().map_err(system("look up the addresses of"))?;
        opened.host = HostSide::of(&link, &addresses, netlink).map_err(system("look up"))?;
        // Or else IPv6 addresses vanish at each `ip link set tap0 down`. Where this file cannot be
        // written (a container's /proc/sys is read-only) they do, and nothing else is lost.
        let keep = format!("/proc/sys/net/ipv6/conf/{}/keep_addr_on_down", config.name);
        let _ = fs::write(keep, "1");
        // An address of a network to which another interface leads would be in vain, or lead away from there.
        let mut found = Vec::new();
        for host in config.hosts() {
            let ipv6 = matches!(host, IpCidr::Ipv6(_));
            if ipv6 {
                netlink.set_up(index).map_err(system("bring up"))?;
            }
            if let Some(elsewhere) = elsewhere(host, &link, &addresses) {
                found.push(elsewhere);
                continue;
            }
            match netlink.add_address(index, host.address().into(), host.prefix_len()) {
                Ok(()) => opened.host.addresses.push(host),
                Err(errno) if ipv6 => {
                    let name = config.name.clone();
                    opened.warnings.push(TapWarning::NoIpv6 { name, source: errno.into() });
                }
                Err(errno) => return Err(system("set the IPv4 address of")(errno)),
            }
        }
        netlink.set_up(index).map_err(system("bring up"))?;
        if !found.is_empty() {
            let warning = host::warning(config, &found, Vec::new(), netlink);
            opened.warnings.extend(warning.map_err(system("look beside"))?);
        }
        let timeout = Timespec { tv_sec: UP_TIMEOUT_S, tv_nsec: 0 };
        match opened.file.wait(&timeout) {
            LinkStatus::Up => Ok(opened),
            LinkStatus::Down => Err(system_error(config, "bring up", Errno::TIMEDOUT)),
            LinkStatus::Gone => Err(TapError::Gone { name: config.name.clone() }),
        }
    }

    fn new(config: &TapConfig, tied: Tied, created: bool) -> Self {
        let Tied { file, kernel, refusal } = tied;
        let name = config.name.clone();
        let refused = |errno: Errno| TapWarning::NoOffload { name, source: errno.into() };
        Self {
            file: TapFile::new(file, kernel),
            created,
            host: HostSide::default(),
            warnings: refusal.map(refused).into_iter().collect(),
        }
    }
}

/// Narrower than the kernel, which would take `tap0;reboot`: errors show commands to copy to a
/// shell.
pub(super) fn check_name(name: &str) -> Result<(), TapError> {
    let odd = |c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c);
    let rule = if name.is_empty() {
        "it is empty"
    } else if name.len() > sys::NAME_LEN_MAX {
        "it is longer than 15 bytes"
    } else if name.contains(odd) {
        "it has something other than letters, digits, '.', '_' and '-'"
    } else if name.starts_with('-') || name == "." || name == ".." {
        "commands would not take it for a name"
    } else {
        return Ok(());
    };
    let name = name.to_owned();
    Err(TapError::InvalidName { name, rule })
}

/// An open file that is tied to its interface.
struct Tied {
    file: File,
    /// What the kernel does: all, with a virtio-net header before each frame, or nothing.
    kernel: Offloads,
    /// Why it does nothing, although it was asked to.
    refusal: Option<Errno>,
}

impl Tied {
    /// Opens `/dev/net/tun` and ties it to the interface of that name, with further `flags`; `error`
    /// explains why that cannot be. `exists`: for a TAP that is already there.
    fn new(
        config: &TapConfig,
        flags: c_short,
        exists: bool,
        error: impl Fn(Errno) -> TapError,
    ) -> Result<Self, TapError> {
        let flags = flags | sys::TAP | sys::NO_PI;
        let mut refusal = None;
        if config.offload != KernelOffload::Off {
            let file = open_device(config, exists)?;
            match offload(file.as_fd(), &config.name, flags) {
                Ok(()) => return Ok(Self { file, kernel: Offloads::ALL, refusal: None }),
                Err(errno @ (Errno::BUSY | Errno::PERM)) => return Err(error(errno)),
                // Whatever came of it, closing the file undoes it.
                Err(errno) => refusal = Some(errno),
            }
        }
        let file = open_device(config, exists)?;
        sys::set_interface(file.as_fd(), &config.name, flags).map_err(error)?;
        sys::set_offload(file.as_fd(), 0)
            .map_err(|errno| system_error(config, "switch off the offloads of", errno))?;
        Ok(Self { file, kernel: Offloads::NONE, refusal })
    }
}

/// Ties `tun` to the interface, with all offloads.
fn offload(tun: BorrowedFd<'_>, name: &str, flags: c_short) -> rustix::io::Result<()> {
    sys::set_interface(tun, name, flags | sys::VNET_HEADER)?;
    sys::set_header_len(tun, virtio::HEADER_LEN)?;
    sys::set_offload(tun, sys::SEGMENTS)
}

fn system_error(config: &TapConfig, step: &'static str, errno: Errno) -> TapError {
    TapError::System { name: config.name.clone(), step, source: errno.into() }
}

/// Opens `/dev/net/tun`, non-blocking and closed on exec. `exists`: for a TAP that is already
/// there.
pub(super) fn open_device(config: &TapConfig, exists: bool) -> Result<File, TapError> {
    let file = File::options().read(true).write(true).open("/dev/net/tun");
    let file = file.map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR) => {
            TapError::NoTunDevice { name: config.name.clone(), source }
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            TapError::DeviceNotPermitted { config: config.clone(), exists }
        }
        _ => TapError::System { name: config.name.clone(), step: "open /dev/net/tun for", source },
    })?;
    rustix::io::ioctl_fionbio(&file, true)
        .map_err(|errno| system_error(config, "make non-blocking", errno))?;
    Ok(file)
}
