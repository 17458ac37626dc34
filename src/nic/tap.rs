//! The Linux TAP: the board as a host of its own, next to the kernel's network stack.
//!
//! [`Tap::open`] attaches to the TAP of that name, or creates it; what it created goes away with
//! it. An existing one keeps its addresses and its state. Only its offloads are set, and switched off
//! at the end, because they outlive the process that asked for them and would bring the next one frames
//! without checksums.
//!
//! **Contract.** Nothing blocks, nothing panics, whatever is done to the interface meanwhile. A
//! driver sleeps in `poll(2)` on the file descriptor ([`AsFd`]) and asks [`Tap::status`] when it
//! wakes:
//!
//! - [`Up`](LinkStatus::Up): wait for `POLLIN`; `POLLOUT` is always set. Going down does not wake
//!   the driver, for there is nothing to lose: the next write gives `EIO`, and `transmit` returns
//!   `None` from then on.
//! - [`Down`](LinkStatus::Down): wait for `POLLIN` and `POLLOUT`. Neither is set, nor `POLLERR`, so
//!   poll sleeps; `POLLOUT` comes when the interface does (since Linux 5.2). Reads give `EAGAIN`,
//!   writes `EIO`.
//! - [`Gone`](LinkStatus::Gone): stop polling, for `POLLERR`, which woke the driver, stays set for
//!   ever. Reads and writes give `EBADFD`.
//!
//! A driver whose poll tells of each frame only once (`EPOLLET`) also asks [`Tap::unread`] before it
//! sleeps: after a row of frames too long, `receive` returns `None` with more of them waiting.
//!
//! That is what Linux 6.18 was seen to do. So the file descriptor alone tells the whole state, also
//! after the interface was renamed, and no netlink monitor is needed.
//!
//! What the board sends may wait for more of the same connection, to be written with it: the driver
//! calls [`Tap::flush`] after each poll of the board, or [`Tap::end_poll`]. A frame read from the host does not
//! overtake it.
//!
//! **Offload.** With [`KernelOffload::Segments`] the kernel gives us many TCP segments in one read, and takes
//! many in one write, as it does with a NIC that segments. The board sees frames of at most 1514 bytes
//! with all checksums all the same: `segmenter` and `coalesce` are that NIC. Where the kernel refuses it,
//! each frame is a system call, and a warning says so. A board that leaves segmentation to its NIC sends and gets
//! superframes ([`Tap::set_offloads`]).
//!
//! Nobody needs the checksums of TCP and UDP where the kernel is at the other end and the cable between
//! changes nothing: [`Tap::set_offloads`].
//!
//! **Cost.** One system call for up to 64 KiB of a connection, or for any other frame, and one for each
//! `None` of `receive`; one pass over each segment for its checksum each way, no copy; two buffers of
//! 64 KiB, no allocation after `open`. A frame lost is counted in [`TapCounters`], with the reason.

mod coalesce;
mod error;
mod host;
mod incoming;
mod netlink;
mod port;
mod read_backoff;
mod sys;
mod virtio;

use std::ffi::c_short;
use std::fmt;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::event::Timespec;
use rustix::io::Errno;
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use self::coalesce::Coalescer;
pub use self::error::{Other, OtherKind, TapError, TapWarning};
use self::host::elsewhere;
pub use self::host::{HostSide, machine_addresses};
use self::incoming::Incoming;
use self::netlink::{Link, Netlink, TapLink};
use self::port::Port;
pub use self::port::{FRAME_LEN_MAX, LinkStatus, RxToken, TapCounters, TxToken};
use super::{KernelOffload, Offloads};

/// [`FRAME_LEN_MAX`] without the Ethernet header: the largest MTU of an interface that suits us,
/// bytes.
const MTU_MAX: u32 = FRAME_LEN_MAX as u32 - 14;
/// A superframe of half a window, TCP's largest without window scaling (RFC 9293 3.1), and its headers.
const HALF_WINDOW: usize = 33 * 1024;
/// How long a new interface may take to come up, seconds. It is up at once; this only bounds the
/// wait.
const UP_TIMEOUT_S: i64 = 1;

/// Which TAP, and the host's addresses if it has to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapConfig {
    /// The interface: 1 to 15 bytes.
    pub name: String,
    /// The host's own IPv4 address on it, with the length of the on-link prefix.
    pub host_ipv4: Ipv4Cidr,
    /// The host's own IPv6 address on it, if any.
    pub host_ipv6: Option<Ipv6Cidr>,
    /// What the kernel may leave to us, and we to it.
    pub offload: KernelOffload,
}

impl Default for TapConfig {
    /// `tap0`, 192.0.2.2/24 (RFC 5737) and `2001:db8::2/64` (RFC 3849), with the default offload.
    fn default() -> Self {
        let ipv6 = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
        Self {
            name: "tap0".into(),
            host_ipv4: Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 2), 24),
            host_ipv6: Some(Ipv6Cidr::new(ipv6, 64)),
            offload: KernelOffload::default(),
        }
    }
}

impl TapConfig {
    /// The shell command by which an administrator makes this TAP once, for the user who runs it.
    #[must_use]
    pub fn setup_command(&self) -> String {
        let Self { name, host_ipv4, host_ipv6, .. } = self;
        let ipv6 = host_ipv6.map_or_else(String::new, |host_ipv6| {
            format!(" && sudo ip addr add {host_ipv6} dev {name} nodad")
        });
        format!(
            "sudo ip tuntap add {name} mode tap user $(id -un) && \
             sudo ip addr add {host_ipv4} dev {name} && sudo ip link set {name} up{ipv6}"
        )
    }

    /// The host's addresses.
    fn hosts(&self) -> Vec<IpCidr> {
        let ipv6 = self.host_ipv6.map(IpCidr::Ipv6);
        [IpCidr::Ipv4(self.host_ipv4)].into_iter().chain(ipv6).collect()
    }

    /// Narrower than the kernel, which would take `tap0;reboot`: errors show commands to copy to a
    /// shell.
    fn check_name(&self) -> Result<(), TapError> {
        let name = &self.name;
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
        let name = name.clone();
        Err(TapError::InvalidName { name, rule })
    }
}

/// An open TAP. Dropping it closes it, which also deletes the interface if [`Tap::created`].
pub struct Tap {
    port: Port,
    incoming: Incoming,
    outgoing: Coalescer,
    name: String,
    created: bool,
    /// What the board leaves to us.
    board: Offloads,
    host: HostSide,
    warnings: Vec<TapWarning>,
}

impl Tap {
    /// Attaches to the TAP `config.name`; if there is none, creates it with the host's addresses
    /// and brings it up. Look at [`Tap::warnings`] afterwards.
    pub fn open(config: &TapConfig) -> Result<Self, TapError> {
        config.check_name()?;
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

    /// Whether `open` made the interface, set its addresses, and so will take it away.
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's side, as found by `open`.
    #[must_use]
    pub const fn host(&self) -> &HostSide {
        &self.host
    }

    /// What its user should know, as found by `open`.
    #[must_use]
    pub fn warnings(&self) -> &[TapWarning] {
        &self.warnings
    }

    /// Frames, bytes and losses so far.
    #[must_use]
    pub fn counters(&self) -> TapCounters {
        self.port.counters()
    }

    /// Whether `receive` last returned `None` with frames still waiting.
    #[must_use]
    pub fn unread(&self) -> bool {
        self.port.unread()
    }

    /// Writes what waits for more of the same connection: to be called when the board was polled.
    pub fn flush(&mut self) {
        self.outgoing.flush(|batch| self.port.write(batch));
    }

    /// Leaves `board` to us from now on, as far as the kernel does it; returns what that is. The checksums of TCP
    /// and UDP, which the board then neither computes nor looks at, stay with it while frames wait that were read
    /// for a board that looks. It takes superframes whenever the checksums are left to us.
    pub fn set_offloads(&mut self, board: Offloads) -> Offloads {
        let kernel = self.kernel();
        let ready = self.board.checksum || self.incoming.is_empty();
        let board = Offloads {
            checksum: board.checksum && kernel.checksum && ready,
            segmentation: board.segmentation && kernel.segmentation,
            receive: board.receive && kernel.receive,
        };
        if self.board != board {
            self.flush();
            self.board = board;
            self.incoming.set_offloads(board);
            self.outgoing.set_offloads(board);
        }
        board
    }

    /// What the kernel does for us: with segmentation, many segments pass in one system call.
    #[must_use]
    pub fn kernel(&self) -> Offloads {
        self.port.kernel()
    }

    /// Ends a poll of the board: writes what waits, then looks for what came meanwhile. Says whether there is a
    /// frame. For a driver that calls this after every poll; to it a poll gives few frames at a time, and asks
    /// the kernel less often.
    pub fn end_poll(&mut self) -> bool {
        self.flush();
        self.port.end_poll(&mut self.incoming)
    }

    /// Whether the other end takes frames while we make more, because it runs on another core. Then a window
    /// goes out in halves: one is read while the other is made. On the same core that would be one system
    /// call more for nothing. A superframe that the board made itself goes out as it is.
    pub fn set_concurrent(&mut self, concurrent: bool) {
        self.outgoing.set_limit(if concurrent { HALF_WINDOW } else { usize::MAX });
    }

    /// Shows the host the cable as plugged in, or not (`NO-CARRIER`). What is read and written is not
    /// affected. An error if this kernel, before Linux 5.0, cannot.
    pub fn set_carrier(&mut self, carrier: bool) -> std::io::Result<()> {
        Ok(sys::set_carrier(self.as_fd(), carrier)?)
    }

    /// The state of the interface as far as it is known: as it was when it was last asked for, or a read or
    /// write failed.
    #[must_use]
    pub fn link(&self) -> LinkStatus {
        self.port.link()
    }

    /// The state of the interface now. One system call that does not wait.
    pub fn status(&mut self) -> LinkStatus {
        self.port.look()
    }

    fn attach(config: &TapConfig, link: &Link, netlink: &mut Netlink) -> Result<Self, TapError> {
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
        let shared = |tap: &TapLink| {
            tap.queues > 1 || tap.packet_info || tap.vnet_header != tied.kernel.header()
        };
        if link.tap.as_ref().is_some_and(shared) {
            return Err(TapError::Busy { name: name() });
        }
        let mut tap = Self::new(config, tied, false);
        let addresses = netlink
            .addresses()
            .map_err(|errno| system_error(config, "look up the addresses of", errno))?;
        tap.host = HostSide::of(&link, &addresses, netlink)
            .map_err(|errno| system_error(config, "look up the bridge of", errno))?;
        let mut missing = None;
        // A port of a bridge needs no address: others than this host may be on the bridge.
        if tap.host.master.is_none() {
            let hosts = config.hosts();
            let own = tap.host.addresses_in(&hosts);
            let found: Vec<_> =
                hosts.iter().filter_map(|host| elsewhere(*host, &link, &addresses)).collect();
            if !found.is_empty() {
                let warning = host::warning(config, &found, own, netlink);
                tap.warnings
                    .extend(warning.map_err(|errno| system_error(config, "look beside", errno))?);
            } else if !own.iter().any(|own| matches!(own, IpCidr::Ipv4(_))) {
                missing = Some(config.host_ipv4);
            }
        }
        if !link.up {
            tap.warnings.push(TapWarning::Down { name: name(), host: missing });
        } else if let Some(host) = missing {
            tap.warnings.push(TapWarning::NoAddress { name: name(), host });
        }
        if link.mtu > MTU_MAX {
            tap.warnings.push(TapWarning::LongFrames { name: name(), mtu: link.mtu });
        }
        Ok(tap)
    }

    /// Gives the interface just created its addresses and brings it up.
    fn configure(config: &TapConfig, tied: Tied, netlink: &mut Netlink) -> Result<Self, TapError> {
        let system = |step| move |errno| system_error(config, step, errno);
        let mut tap = Self::new(config, tied, true);
        let link = netlink
            .link(&config.name)
            .map_err(system("look up"))?
            .ok_or_else(|| TapError::Gone { name: config.name.clone() })?;
        let index = link.index;
        let addresses = netlink.addresses().map_err(system("look up the addresses of"))?;
        tap.host = HostSide::of(&link, &addresses, netlink).map_err(system("look up"))?;
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
                Ok(()) => tap.host.addresses.push(host),
                Err(errno) if ipv6 => {
                    let name = config.name.clone();
                    tap.warnings.push(TapWarning::NoIpv6 { name, source: errno.into() });
                }
                Err(errno) => return Err(system("set the IPv4 address of")(errno)),
            }
        }
        netlink.set_up(index).map_err(system("bring up"))?;
        if !found.is_empty() {
            let warning = host::warning(config, &found, Vec::new(), netlink);
            tap.warnings.extend(warning.map_err(system("look beside"))?);
        }
        let timeout = Timespec { tv_sec: UP_TIMEOUT_S, tv_nsec: 0 };
        match tap.port.wait(&timeout) {
            LinkStatus::Up => Ok(tap),
            LinkStatus::Down => Err(system_error(config, "bring up", Errno::TIMEDOUT)),
            LinkStatus::Gone => Err(TapError::Gone { name: config.name.clone() }),
        }
    }

    fn new(config: &TapConfig, tied: Tied, created: bool) -> Self {
        let Tied { file, kernel, refusal } = tied;
        let name = config.name.clone();
        let refused = |errno: Errno| TapWarning::NoOffload { name, source: errno.into() };
        Self {
            port: Port::new(file, kernel),
            incoming: Incoming::new(kernel),
            outgoing: Coalescer::new(kernel),
            name: config.name.clone(),
            created,
            board: Offloads::NONE,
            host: HostSide::default(),
            warnings: refusal.map(refused).into_iter().collect(),
        }
    }
}

impl Drop for Tap {
    /// The offloads outlive us, if the interface does, and who opens it next may know nothing of them.
    fn drop(&mut self) {
        self.flush();
        if !self.created {
            // Nobody is left to be told of a failure.
            let _ = sys::set_offload(self.port.as_fd(), 0);
        }
    }
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
fn open_device(config: &TapConfig, exists: bool) -> Result<File, TapError> {
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

impl Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    /// The next frame of the host. The kernel gave it up: dropping the token drops the frame.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if self.incoming.is_empty() {
            self.flush();
        }
        let rx = self.port.receive(&mut self.incoming)?;
        Some((rx, TxToken { port: &mut self.port, outgoing: &mut self.outgoing, segment: None }))
    }

    /// `None` while the interface is down or gone. It asks the kernel whether that is still so.
    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.port.may_write().then_some(TxToken {
            port: &mut self.port,
            outgoing: &mut self.outgoing,
            segment: None,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // Checksums stay as they are by default, for the board; [`mac`](super::mac) takes them over.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("name", &self.name)
            .field("created", &self.created)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
