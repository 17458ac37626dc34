//! The ioctls of `/dev/net/tun`, which no crate offers: the only `unsafe` code of the simulator.
//!
//! Numbers and layouts are those of `<linux/if_tun.h>` and `<linux/if.h>`, which are part of the
//! kernel's stable interface. Each function is one system call and keeps no pointer.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_short};
use std::os::fd::BorrowedFd;

use rustix::io;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};

/// `IFF_TAP`: frames of Ethernet, not packets of IP.
pub(super) const TAP: c_short = 0x0002;
/// `IFF_MULTI_QUEUE`: must be given exactly if the interface was created with it.
pub(super) const MULTI_QUEUE: c_short = 0x0100;
/// `IFF_NO_PI`: no four bytes of packet information in front of each frame.
pub(super) const NO_PI: c_short = 0x1000;
/// `IFF_VNET_HDR`: a virtio-net header in front of each frame.
pub(super) const VNET_HEADER: c_short = 0x4000;
/// `IFF_TUN_EXCL`: create the interface, or fail with `EBUSY` if there is one of that name.
pub(super) const EXCLUSIVE: c_short = 0x8000_u16.cast_signed();

/// `TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN`: the kernel may leave checksums to us, and give
/// us TCP's segments as one frame.
pub(super) const SEGMENTS: u32 = 1 | 2 | 4 | 8;

/// The longest interface name; `IFNAMSIZ` counts its terminating zero too.
pub(super) const NAME_LEN_MAX: usize = 15;

/// `_IOW('T', 202, int)`. The size in the number is that of an int, yet the argument is an `ifreq`.
const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
/// `_IOW('T', 208, unsigned int)`. The argument is the number itself, not a pointer to it.
const TUNSETOFFLOAD: Opcode = opcode::write::<c_int>(b'T', 208);
/// `_IOW('T', 216, int)`.
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
/// `_IOW('T', 226, int)`, since Linux 5.0.
const TUNSETCARRIER: Opcode = opcode::write::<c_int>(b'T', 226);

/// `struct ifreq` as `TUNSETIFF` uses it. Its union is 24 bytes on 64-bit systems and 16 on 32-bit
/// ones; the larger is right for both, as the kernel copies no more than its own size.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_LEN_MAX + 1],
    flags: c_short,
    _union: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

/// Ties `tun`, an open `/dev/net/tun`, to the interface `name`, which is created if there is none.
///
/// `EBUSY`: another file is tied to it. `EINVAL`: not a TAP, or `MULTI_QUEUE` differs. `EPERM`: it
/// has another owner, or it would have to be created and the process lacks `CAP_NET_ADMIN`.
pub(super) fn set_interface(tun: BorrowedFd<'_>, name: &str, flags: c_short) -> io::Result<()> {
    assert!(name.len() <= NAME_LEN_MAX, "the name was not checked");
    let mut request = InterfaceRequest { name: [0; NAME_LEN_MAX + 1], flags, _union: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the kernel's TUNSETIFF reads and writes one `struct ifreq`, which `InterfaceRequest`
    // has the layout and at least the size of (asserted above); every byte of it is initialised,
    // any bytes written to it are a valid value, and it outlives the call.
    unsafe { ioctl(tun, Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request)) }
}

/// Shows the kernel the cable as plugged in, or not.
pub(super) fn set_carrier(tun: BorrowedFd<'_>, carrier: bool) -> io::Result<()> {
    // SAFETY: TUNSETCARRIER reads one int from where its argument points, which is the setter's own.
    unsafe { ioctl(tun, Setter::<TUNSETCARRIER, c_int>::new(c_int::from(carrier))) }
}

/// Sets the length of the virtio-net header. An earlier user of the TAP may have changed it.
pub(super) fn set_header_len(tun: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    let len = c_int::try_from(len).expect("a few bytes");
    // SAFETY: TUNSETVNETHDRSZ reads one int from where its argument points, which is the setter's own.
    unsafe { ioctl(tun, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }
}

/// Says which work the kernel may leave to us, as `TUN_F_*` bits; 0: none, every frame comes with
/// its checksums computed and no longer than the MTU.
pub(super) fn set_offload(tun: BorrowedFd<'_>, offload: u32) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and dereferences nothing; bits that the
    // kernel does not know give EINVAL.
    unsafe { ioctl(tun, IntegerSetter::<TUNSETOFFLOAD>::new_usize(offload as usize)) }
}
