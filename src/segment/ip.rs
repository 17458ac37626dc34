//! IPv4 and IPv6 headers, as far as they were captured: lengths are what the header says, not what is there.

use std::net::IpAddr;

use super::checksum::{self, Checksum};
use super::layer::LAYERS_MAX;
use super::view::View;

/// A packet's header, extension headers included, and what it carries.
#[derive(Clone, Debug)]
pub(super) struct Ip<'a> {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) protocol: u8,
    pub(super) payload: View<'a>,
    /// Whether it is a part: its number, where it begins, and whether more follow.
    pub(super) fragment: Option<(u32, usize, bool)>,
    /// IPv4's own.
    pub(super) checksum: Checksum,
    /// Extension headers by name.
    pub(super) extensions: Vec<&'static str>,
}

impl<'a> Ip<'a> {
    /// `None` for what is no header, or was not captured as far as its addresses.
    pub(super) fn read(view: View<'a>) -> Option<Self> {
        match view.u8(0)? >> 4 {
            4 => Self::v4(view),
            6 => Self::v6(view),
            _ => None,
        }
    }

    /// RFC 791, 3.1.
    fn v4(view: View<'a>) -> Option<Self> {
        let header_len = usize::from(view.u8(0)? & 0xf) * 4;
        let (total_len, part) = (usize::from(view.u16(2)?), view.u16(6)?);
        if header_len < 20 {
            return None;
        }
        let header = view.limit(header_len);
        let checksum = match view.u16(10)? {
            0 => Checksum::None,
            _ => checksum::plain(header, 0),
        };
        // A frame that is left to the NIC to cut has no total length.
        let packet = if total_len < header_len { view } else { view.limit(total_len) };
        let (offset, more) = (usize::from(part & 0x1fff) * 8, part & 0x2000 != 0);
        let mut ip = Self {
            from: IpAddr::from(view.array::<4>(12)?),
            to: IpAddr::from(view.array::<4>(16)?),
            protocol: view.u8(9)?,
            payload: packet.skip(header_len),
            fragment: (more || offset > 0).then_some((view.u16(4)?.into(), offset, more)),
            checksum,
            extensions: Vec::new(),
        };
        if ip.protocol == 51 && ip.fragment.is_none() {
            ip.extension();
        }
        Some(ip)
    }

    /// RFC 8200, 3 and 4.
    fn v6(view: View<'a>) -> Option<Self> {
        let len = usize::from(view.u16(4)?);
        let packet = view.skip(40);
        let mut ip = Self {
            from: IpAddr::from(view.array::<16>(8)?),
            to: IpAddr::from(view.array::<16>(24)?),
            protocol: view.u8(6)?,
            // A jumbogram's and a frame's that is left to the NIC to cut is 0.
            payload: if len == 0 { packet } else { packet.limit(len) },
            fragment: None,
            checksum: Checksum::Right,
            extensions: Vec::new(),
        };
        for _ in 0..LAYERS_MAX {
            // Behind a later part's header stands anything.
            if ip.fragment.is_some_and(|(_, offset, _)| offset > 0) || !ip.extension() {
                break;
            }
        }
        Some(ip)
    }

    /// Takes an extension header off, if there is one.
    fn extension(&mut self) -> bool {
        let view = self.payload;
        let name = match self.protocol {
            0 => "hop-by-hop options",
            43 => "routing header",
            44 => "fragment header",
            51 => "AH",
            60 => "destination options",
            135 => "mobility header",
            139 => "HIP",
            140 => "Shim6",
            _ => return false,
        };
        let (Some(next), Some(len)) = (view.u8(0), view.u8(1)) else {
            return false;
        };
        let len = match self.protocol {
            44 => {
                let (Some(part), Some(id)) = (view.u16(2), view.u32(4)) else { return false };
                let (offset, more) = (usize::from(part & 0xfff8), part & 1 != 0);
                self.fragment = (more || offset > 0).then_some((id, offset, more));
                8
            }
            51 => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        self.extensions.push(name);
        self.protocol = next;
        self.payload = view.skip(len);
        true
    }
}
