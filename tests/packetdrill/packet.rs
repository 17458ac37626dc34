//! Packets in the language's notation, `S. 0:0(0) ack 1 win 1000 <mss 1460,sackOK>`, and as bytes.

use std::fmt::Write;

use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, TcpPacket};

use super::common::frames::ip_frame;
use super::script::{
    ACK, CWR, ECE, FIN, Icmp, Number, PSH, Packet, RST, SYN, TcpOption, URG, flag_letters,
};

/// Reads a segment, behind its `<` or `>`.
pub(crate) fn packet(line: &str) -> Result<Packet, String> {
    let (line, options) = match line.split_once('<') {
        Some((line, options)) => {
            let (options, rest) = options.split_once('>').ok_or("options without an end")?;
            if !rest.trim().is_empty() {
                return Err(format!("packet with {}", rest.trim()));
            }
            (line, self::options(options)?)
        }
        None => (line, Some(Vec::new())),
    };
    if line.contains("/udp") {
        return Err("TCP over UDP".to_owned());
    }
    let refused = || format!("packet {}", line.trim());
    let mut words = line.split_whitespace();
    let flags = flags(words.next().ok_or_else(refused)?).ok_or_else(refused)?;
    let place = words.next().ok_or_else(refused)?;
    let (place, absolute) = match place.strip_suffix('!') {
        Some(place) => (place, true),
        None => (place, false),
    };
    let (range, len) = place.split_once('(').ok_or_else(refused)?;
    let len = len.strip_suffix(')').and_then(|len| len.parse().ok()).ok_or_else(refused)?;
    let seq = if range == "..." {
        None
    } else {
        let (from, to) = range.split_once(':').ok_or_else(refused)?;
        let (from, to) = (number(from).ok_or_else(refused)?, number(to).ok_or_else(refused)?);
        if from.wrapping_add(len as u32) != to {
            return Err(format!("{range} is not {len} bytes long"));
        }
        Some(Number { value: from, absolute })
    };
    let mut packet = Packet { flags, seq, len, ack: None, window: None, options };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(refused)?;
        let (value, absolute) = match value.strip_suffix('!') {
            Some(value) => (value, true),
            None => (value, false),
        };
        match word {
            "ack" => {
                packet.ack = Some(Number { value: number(value).ok_or_else(refused)?, absolute });
            }
            "win" => packet.window = Some(value.parse().map_err(|_| refused())?),
            _ => return Err(refused()),
        }
    }
    Ok(packet)
}

/// Sequence numbers in front of 0 are written as such, or as 2^32 less.
fn number(text: &str) -> Option<u32> {
    let value: i64 = text.parse().ok()?;
    u32::try_from(value).ok().or_else(|| i32::try_from(value).ok().map(i32::cast_unsigned))
}

fn flags(text: &str) -> Option<u8> {
    let bit = |letter| {
        Some(match letter {
            'F' => FIN,
            'S' => SYN,
            'R' => RST,
            'P' => PSH,
            '.' => ACK,
            'U' => URG,
            'E' => ECE,
            'W' => CWR,
            '-' => 0,
            _ => return None,
        })
    };
    text.chars().try_fold(0, |flags, letter| Some(flags | bit(letter)?))
}

/// `None` for `...`.
fn options(text: &str) -> Result<Option<Vec<TcpOption>>, String> {
    if text.trim() == "..." {
        return Ok(None);
    }
    let option = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let refused = || format!("option {}", text.trim());
        let value = |word: &str| word.parse::<u32>().map_err(|_| refused());
        Ok(match words[..] {
            ["eol"] => TcpOption::Eol,
            ["nop"] => TcpOption::Nop,
            ["mss", size] => TcpOption::Mss(size.parse().map_err(|_| refused())?),
            ["wscale", shift] => TcpOption::WindowScale(shift.parse().map_err(|_| refused())?),
            ["sackOK"] => TcpOption::SackPermitted,
            ["TS", "val", val, "ecr", ecr] => TcpOption::Timestamp(value(val)?, value(ecr)?),
            ["sack", ref blocks @ ..] => TcpOption::Sack(
                blocks
                    .iter()
                    .map(|block| {
                        let (left, right) = block.split_once(':').ok_or_else(refused)?;
                        Ok((value(left)?, value(right)?))
                    })
                    .collect::<Result<_, String>>()?,
            ),
            _ => return Err(refused()),
        })
    };
    text.split(',').map(option).collect::<Result<Vec<_>, String>>().map(Some)
}

/// Reads an ICMP error, behind `icmp`.
pub(crate) fn icmp(line: &str) -> Result<Icmp, String> {
    let refused = || format!("icmp {line}");
    let (line, quoted) = line.split_once('[').ok_or_else(refused)?;
    let seq = quoted.split(':').next().and_then(number).ok_or_else(refused)?;
    let words: Vec<_> = line.split_whitespace().collect();
    let (what, mtu) = match words[..] {
        [_, what, "mtu", mtu] => (what, mtu.parse().map_err(|_| refused())?),
        [what, "mtu", mtu] => (what, mtu.parse().map_err(|_| refused())?),
        [_, what] | [what] => (what, 0),
        _ => return Err(refused()),
    };
    Ok(Icmp { what: what.to_owned(), mtu, seq })
}

/// A segment on the wire, numbers as they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) from: IpEndpoint,
    pub(crate) to: IpEndpoint,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) options: Vec<TcpOption>,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    /// The frame from the peer's end to the board's.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let options = option_bytes(&self.options);
        let mut bytes = [self.from.port.to_be_bytes(), self.to.port.to_be_bytes()].concat();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([(5 + options.len() as u8 / 4) << 4, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(options);
        bytes.extend(&self.payload);
        let (from, to) = (self.from.addr, self.to.addr);
        ip_frame(from, to, IpProtocol::Tcp, bytes.len(), |buffer| {
            buffer.copy_from_slice(&bytes);
            TcpPacket::new_unchecked(buffer).fill_checksum(&from, &to);
        })
    }

    /// The segment in the TCP header and data `bytes`.
    pub(crate) fn parse(from: IpAddress, to: IpAddress, bytes: &[u8]) -> Self {
        let packet = TcpPacket::new_checked(bytes).expect("a whole TCP header");
        Self {
            from: IpEndpoint::new(from, packet.src_port()),
            to: IpEndpoint::new(to, packet.dst_port()),
            flags: bytes[13],
            seq: packet.seq_number().0.cast_unsigned(),
            ack: packet.ack_number().0.cast_unsigned(),
            window: packet.window_len(),
            options: options_in(packet.options()),
            payload: packet.payload().to_vec(),
        }
    }

    /// In the language's notation, with the script's numbers.
    pub(crate) fn show(&self, seq: u32, ack: u32) -> String {
        let to = seq.wrapping_add(self.payload.len() as u32);
        let mut out = format!("{} {seq}:{to}({})", flag_letters(self.flags), self.payload.len());
        if self.flags & ACK != 0 {
            let _ = write!(out, " ack {ack}");
        }
        let _ = write!(out, " win {}", self.window);
        if !self.options.is_empty() {
            let _ = write!(out, " {:?}", self.options);
        }
        out
    }
}

fn option_bytes(options: &[TcpOption]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        match option {
            TcpOption::Eol => bytes.push(0),
            TcpOption::Nop => bytes.push(1),
            TcpOption::Mss(size) => bytes.extend([&[2, 4][..], &size.to_be_bytes()].concat()),
            TcpOption::WindowScale(shift) => bytes.extend([3, 3, *shift]),
            TcpOption::SackPermitted => bytes.extend([4, 2]),
            TcpOption::Sack(blocks) => {
                bytes.extend([5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    bytes.extend([left.to_be_bytes(), right.to_be_bytes()].concat());
                }
            }
            TcpOption::Timestamp(val, ecr) => {
                bytes.extend([8, 10]);
                bytes.extend([val.to_be_bytes(), ecr.to_be_bytes()].concat());
            }
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The options of a segment of the board's, which are well-formed.
fn options_in(mut bytes: &[u8]) -> Vec<TcpOption> {
    let mut options = Vec::new();
    while let [kind, rest @ ..] = bytes {
        if *kind < 2 {
            options.push(if *kind == 0 { TcpOption::Eol } else { TcpOption::Nop });
            bytes = rest;
            continue;
        }
        let len = usize::from(rest[0]);
        let data = &bytes[2..len];
        let word = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("4 bytes"));
        options.push(match kind {
            2 => TcpOption::Mss(u16::from_be_bytes([data[0], data[1]])),
            3 => TcpOption::WindowScale(data[0]),
            4 => TcpOption::SackPermitted,
            5 => TcpOption::Sack(
                (0..data.len()).step_by(8).map(|at| (word(at), word(at + 4))).collect(),
            ),
            8 => TcpOption::Timestamp(word(0), word(4)),
            _ => panic!("the board has no option {kind}"),
        });
        bytes = &bytes[len..];
    }
    options
}
