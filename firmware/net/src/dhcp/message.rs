//! DHCP's messages (RFC 2131 2) and their options (RFC 2132): a server's is read, a client's written.

use crate::ethernet::EthernetAddress;
use smoltcp::wire::Ipv4Address;

/// Kinds of messages (RFC 2132 9.6).
pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const DECLINE: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;

/// Options.
pub(super) const SUBNET_MASK: u8 = 1;
pub(super) const ROUTERS: u8 = 3;
pub(super) const NAME_SERVERS: u8 = 6;
pub(super) const HOST_NAME: u8 = 12;
#[cfg(feature = "sntp")]
pub(super) const TIME_SERVERS: u8 = 42;
pub(super) const REQUESTED_ADDRESS: u8 = 50;
pub(super) const LEASE_TIME: u8 = 51;
const MESSAGE_TYPE: u8 = 53;
pub(super) const SERVER: u8 = 54;
const WANTED: u8 = 55;
const SIZE_MAX: u8 = 57;
pub(super) const RENEWAL_TIME: u8 = 58;
pub(super) const REBINDING_TIME: u8 = 59;
const CLIENT: u8 = 61;
/// Without a length: nothing, and the end.
const PAD: u8 = 0;
const END: u8 = 255;

/// Who asks, who answers, and the hardware: Ethernet, with addresses of six bytes.
const REQUEST_HEADER: [u8; 3] = [1, 1, 6];
const REPLY_HEADER: [u8; 3] = [2, 1, 6];
/// Where the parts of a message are: a number that both sides know it by, the client's address and what becomes that, its
/// MAC address, and the cookie before the options.
const XID: usize = 4;
const CIADDR: usize = 12;
const YIADDR: usize = 16;
const CHADDR: usize = 28;
const COOKIE: usize = 236;
const OPTIONS: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// The longest of ours: its kind, who we are, which address, whose, what we want, how long an answer may be, our name.
const LEN: usize = OPTIONS + 3 + 9 + 6 + 6 + 6 + 4 + 34 + 1;
/// The shortest that relays pass on (RFC 1542 2.1); what is not used of it is zero, which is padding.
const LEN_MIN: usize = 300;
/// What every client has room for (RFC 2131 2), and we have more: Ethernet's packets without the largest IPv4 header.
const ANSWER_MAX: u16 = 1500 - 60 - 8;

/// A server's message to us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'m> {
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    /// The address that is offered or given.
    pub(crate) address: Ipv4Address,
    options: &'m [u8],
}

impl<'m> Received<'m> {
    /// Reads a server's message to the client at `mac`. `None`: it is none.
    pub(crate) fn parse(message: &'m [u8], mac: EthernetAddress) -> Option<Self> {
        let (header, options) = message.split_first_chunk::<OPTIONS>()?;
        let [_, _, _, _, xid @ ..] = *header.first_chunk::<8>()?;
        let address = *header[YIADDR..].first_chunk::<4>()?;
        let mut this =
            Self { kind: 0, xid: u32::from_be_bytes(xid), address: address.into(), options };
        this.kind = *this.option(MESSAGE_TYPE)?.first()?;
        let ours = header[..3] == REPLY_HEADER && header[CHADDR..CHADDR + 6] == mac.0;
        (ours && header[COOKIE..] == MAGIC).then_some(this)
    }

    /// What the first option of this kind says.
    #[inline(never)]
    pub(super) fn option(&self, kind: u8) -> Option<&'m [u8]> {
        let mut rest = self.options;
        loop {
            let (&this, behind) = rest.split_first()?;
            rest = behind;
            if this == PAD {
                continue;
            }
            // One that is cut off is no option.
            let (&len, behind) = rest.split_first().filter(|_| this != END)?;
            let (data, behind) = behind.split_at_checked(len.into())?;
            if this == kind {
                return Some(data);
            }
            rest = behind;
        }
    }

    /// A number of 32 bits, or the first of several.
    pub(super) fn number(&self, kind: u8) -> Option<u32> {
        self.option(kind)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// An address, or the first of several.
    pub(super) fn address(&self, kind: u8) -> Option<Ipv4Address> {
        self.number(kind).map(Ipv4Address::from_bits)
    }
}

/// A message of ours.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: [u8; LEN],
    len: usize,
}

impl Message {
    /// A message of this kind from the client at `mac`, which has the address `client` or none.
    #[inline(never)]
    pub(crate) fn new(kind: u8, xid: u32, mac: EthernetAddress, client: Ipv4Address) -> Self {
        let mut this = Self { bytes: [0; LEN], len: OPTIONS };
        let header = &mut this.bytes;
        header[..3].copy_from_slice(&REQUEST_HEADER);
        header[XID..XID + 4].copy_from_slice(&xid.to_be_bytes());
        header[CIADDR..CIADDR + 4].copy_from_slice(&client.octets());
        header[CHADDR..CHADDR + 6].copy_from_slice(&mac.0);
        header[COOKIE..OPTIONS].copy_from_slice(&MAGIC);
        this.option(MESSAGE_TYPE, &[kind]);
        let mut client = [REQUEST_HEADER[1]; 7];
        client[1..].copy_from_slice(&mac.0);
        this.option(CLIENT, &client);
        this
    }

    /// It is about this address.
    pub(crate) fn about(&mut self, address: Ipv4Address) {
        self.option(REQUESTED_ADDRESS, &address.octets());
    }

    /// It is for this server alone.
    pub(crate) fn name_server(&mut self, server: Ipv4Address) {
        self.option(SERVER, &server.octets());
    }

    /// It asks for what goes with an address, in the name of `hostname`.
    pub(crate) fn ask(&mut self, hostname: &[u8]) {
        #[cfg(not(feature = "sntp"))]
        let wanted = [SUBNET_MASK, ROUTERS, NAME_SERVERS];
        #[cfg(feature = "sntp")]
        let wanted = [SUBNET_MASK, ROUTERS, NAME_SERVERS, TIME_SERVERS];
        self.option(WANTED, &wanted);
        self.option(SIZE_MAX, &ANSWER_MAX.to_be_bytes());
        if !hostname.is_empty() {
            self.option(HOST_NAME, hostname);
        }
    }

    #[inline(never)]
    fn option(&mut self, kind: u8, data: &[u8]) {
        let end = self.len + 2 + data.len();
        // There is room for one of each.
        if let Some([this, len, room @ ..]) = self.bytes.get_mut(self.len..end) {
            (*this, *len) = (kind, data.len() as u8);
            room.copy_from_slice(data);
            self.len = end;
        }
    }

    /// All of it, as long as relays want it. It has no more options.
    pub(crate) fn end(&mut self) -> &[u8] {
        self.bytes[self.len] = END;
        &self.bytes[..(self.len + 1).max(LEN_MIN)]
    }
}
