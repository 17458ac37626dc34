//! Kinds of frames, and the peer that sends them.

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpProtocol,
    TcpControl, TcpSeqNumber,
};
use tapboard_firmware::{BOARD_NET, PEER_NET};

use crate::made::{Segment, endpoint, ethernet, ip_frame};

/// Bytes of a full segment, without headers.
const FULL: usize = 1460;
const DISCARD: &str = "192.0.2.1:9";
const CHARGEN: &str = "192.0.2.1:19";
const ECHO: &str = "192.0.2.1:7";

/// What arrives in each turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    OtherMac,
    Arp,
    Ping,
    OldAck,
    NewAck,
    Full,
    Byte,
    OutsideWindow,
    RstOutside,
    RstInside,
    SynRefused,
    SynCookie,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Nothing,
        Self::OtherMac,
        Self::Arp,
        Self::Ping,
        Self::OldAck,
        Self::NewAck,
        Self::Full,
        Self::Byte,
        Self::OutsideWindow,
        Self::RstOutside,
        Self::RstInside,
        Self::SynRefused,
        Self::SynCookie,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no frame",
            Self::OtherMac => "a frame for another MAC address",
            Self::Arp => "an ARP request",
            Self::Ping => "a ping of 56 bytes",
            Self::OldAck => "an ACK that says nothing new",
            Self::NewAck => "an ACK, and a full segment goes out",
            Self::Full => "a full segment",
            Self::Byte => "a byte, which goes back",
            Self::OutsideWindow => "a full segment outside the window",
            Self::RstOutside => "a spoofed RST outside the window",
            Self::RstInside => "a spoofed RST in the window",
            Self::SynRefused => "a SYN for a port nobody has",
            Self::SynCookie => "a SYN of a flood, and a cookie",
        }
    }

    /// The service that the peer has a connection to.
    const fn service(self) -> Option<&'static str> {
        match self {
            Self::NewAck => Some(CHARGEN),
            Self::Byte => Some(ECHO),
            Self::OldAck
            | Self::Full
            | Self::OutsideWindow
            | Self::RstOutside
            | Self::RstInside => Some(DISCARD),
            _ => None,
        }
    }
}

/// Who sends them.
#[derive(Debug)]
pub(crate) struct Peer {
    kind: Kind,
    /// The next segment of its connection: SYN, ACK, and what is measured.
    segment: Segment,
    /// Behind all that has come of the board, and what that has acknowledged.
    heard: TcpSeqNumber,
    acknowledged: TcpSeqNumber,
}

impl Peer {
    pub(crate) fn new(kind: Kind) -> Self {
        let segment = Segment {
            from: endpoint("192.0.2.2:40000"),
            to: endpoint(kind.service().unwrap_or(DISCARD)),
            control: TcpControl::Syn,
            seq: TcpSeqNumber(1000),
            ack: None,
            window: u16::MAX,
            scale: None,
            sacked: [None; 3],
            payload: Vec::new(),
        };
        Self { kind, segment, heard: TcpSeqNumber(0), acknowledged: TcpSeqNumber(0) }
    }

    /// Takes a frame of the board's.
    pub(crate) fn hear(&mut self, frame: &[u8]) {
        let Some(segment) = Segment::parse(frame).filter(|it| it.to == self.segment.from) else {
            return;
        };
        self.acknowledged = segment.ack.unwrap_or(self.acknowledged);
        if segment.is_syn_ack() {
            self.segment.seq += 1;
            self.heard = segment.seq + 1;
            self.segment.ack = Some(self.heard);
            self.segment.control = TcpControl::None;
        } else if segment.seq + segment.payload.len() > self.heard {
            self.heard = segment.seq + segment.payload.len();
        }
    }

    /// Whether the board has taken what is to be taken, but for the last, and nothing else.
    pub(crate) fn is_content(&self) -> bool {
        match self.kind.service() {
            Some(_) => {
                self.acknowledged + 2 * FULL >= self.segment.seq && self.segment.ack.is_some()
            }
            None => true,
        }
    }

    /// What arrives in this turn.
    pub(crate) fn next_frame(&mut self, turn: usize) -> Option<Vec<u8>> {
        if self.kind.service().is_some() && turn < 4 {
            // The handshake; its SYN-ACK leaves in the turn of the SYN.
            return (turn < 2).then(|| self.segment.frame());
        }
        let board = BOARD_NET.ipv4_address();
        match self.kind {
            Kind::Nothing => None,
            Kind::OtherMac => {
                let mut frame = self.full();
                frame[5] ^= 0x55;
                Some(frame)
            }
            Kind::Arp => {
                let repr = ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Request,
                    source_hardware_addr: PEER_NET.mac(),
                    source_protocol_addr: PEER_NET.ipv4_address(),
                    target_hardware_addr: EthernetAddress([0; 6]),
                    target_protocol_addr: board,
                };
                let to = EthernetAddress::BROADCAST;
                let ethertype = smoltcp::wire::EthernetProtocol::Arp;
                let mut frame = ethernet(to, ethertype, repr.buffer_len());
                repr.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
                Some(frame)
            }
            Kind::Ping => {
                let repr =
                    Icmpv4Repr::EchoRequest { ident: 7, seq_no: turn as u16, data: &[0x5a; 56] };
                let (from, to) = (PEER_NET.ipv4_address().into(), board.into());
                Some(ip_frame(from, to, IpProtocol::Icmp, repr.buffer_len(), |bytes| {
                    let mut packet = Icmpv4Packet::new_unchecked(bytes);
                    repr.emit(&mut packet, &smoltcp::phy::ChecksumCapabilities::default());
                }))
            }
            Kind::OldAck => Some(self.segment.frame()),
            Kind::NewAck => {
                let next = self.segment.ack? + FULL;
                // What is under way has to grow to the window first.
                self.segment.ack = Some(next.min(self.heard));
                Some(self.segment.frame())
            }
            Kind::Full => {
                let frame = self.full();
                self.segment.seq += FULL;
                Some(frame)
            }
            Kind::Byte => {
                self.segment.ack = Some(self.heard);
                let segment = Segment { payload: vec![0x5a], ..self.segment.clone() };
                self.segment.seq += 1;
                Some(segment.frame())
            }
            Kind::OutsideWindow => {
                let seq = self.segment.seq + 200_000;
                let segment = Segment { seq, payload: vec![0x5a; FULL], ..self.segment.clone() };
                Some(segment.frame())
            }
            Kind::RstOutside => Some(self.reset(200_000)),
            Kind::RstInside => Some(self.reset(1000)),
            Kind::SynRefused => {
                let segment = Segment { to: endpoint("192.0.2.1:1"), ..self.segment.clone() };
                Some(segment.frame())
            }
            Kind::SynCookie => {
                let mut segment = self.segment.clone();
                segment.from.port = 1024 + turn as u16;
                Some(segment.frame())
            }
        }
    }

    fn full(&self) -> Vec<u8> {
        Segment { payload: vec![0x5a; FULL], ..self.segment.clone() }.frame()
    }

    /// A reset that far ahead of what is due.
    fn reset(&self, ahead: usize) -> Vec<u8> {
        let seq = self.segment.seq + ahead;
        Segment { control: TcpControl::Rst, seq, ..self.segment.clone() }.frame()
    }
}
