//! The gateway's DNS: names of the wire are answered here, all others go to the host's resolver if that was allowed
//! (RFC 1035 4.1).
//!
//! Unless it was, every question is refused, so that who asks knows at once. Names of the wire are those of the domain
//! [`DOMAIN`], the same without it, and the addresses of the wire; they never go to the resolver, whether there is
//! such a name or not. Over TCP, where a cut answer is asked for again, everything goes to the resolver.

use std::net::IpAddr;

use super::names::{Found, Names};

/// The port of DNS.
pub(super) const PORT: u16 = 53;
/// How long an answer may be kept, seconds.
const TTL_S: u32 = 60;
/// Bytes of a message's header.
const HEADER: usize = 12;
/// Longest name (RFC 1035 2.3.4).
const NAME: usize = 255;

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const ANY: u16 = 255;
const CLASS_IN: u16 = 1;

/// Bits of the second word: it is a response, authoritative, recursion is desired, and available.
const RESPONSE: u16 = 1 << 15;
const AUTHORITATIVE: u16 = 1 << 10;
const RECURSION_DESIRED: u16 = 1 << 8;
const RECURSION_AVAILABLE: u16 = 1 << 7;
const OPCODE: u16 = 0xf << 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rcode {
    NoError = 0,
    FormErr = 1,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
}

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Screened {
    /// This is the answer.
    Answer(Vec<u8>),
    /// It is the resolver's to answer.
    Forward,
    /// It is none.
    Drop,
}

/// The server.
#[derive(Debug)]
pub(super) struct Dns {
    allowed: bool,
    pub(super) names: Names,
    /// Questions that were answered here, that went to the resolver, and that were refused.
    pub(super) answered: u64,
    pub(super) forwarded: u64,
    pub(super) refused: u64,
}

impl Dns {
    /// One that knows `names`; `allowed`: there is a resolver for the others.
    pub(super) fn new(names: Names, allowed: bool) -> Self {
        Self { allowed, names, answered: 0, forwarded: 0, refused: 0 }
    }

    /// Looks at a message.
    pub(super) fn screen(&mut self, message: &[u8]) -> Screened {
        let Some(query) = Query::parse(message) else { return Screened::Drop };
        if query.flags & OPCODE != 0 {
            self.refused += 1;
            return Screened::Answer(query.answer(Rcode::NotImp, &[]));
        }
        if !self.allowed {
            self.refused += 1;
            return Screened::Answer(query.answer(Rcode::Refused, &[]));
        }
        let Some(question) = &query.question else {
            self.refused += 1;
            return Screened::Answer(query.answer(Rcode::FormErr, &[]));
        };
        let found = match question.class {
            CLASS_IN | ANY => self.names.look_up(&question.name),
            _ => Found::Elsewhere,
        };
        let kind = question.kind;
        let (rcode, records) = match found {
            Found::Elsewhere => {
                self.forwarded += 1;
                return Screened::Forward;
            }
            // Top-level domains are none of the wire's: only that they have no address is told.
            Found::Nothing if !question.name.contains('.') => {
                if !matches!(kind, A | AAAA | ANY) {
                    self.forwarded += 1;
                    return Screened::Forward;
                }
                (Rcode::NoError, Vec::new())
            }
            Found::Nothing => (Rcode::NxDomain, Vec::new()),
            Found::Addresses(addresses) => {
                let asked = |address: &IpAddr| {
                    kind == ANY || kind == if address.is_ipv4() { A } else { AAAA }
                };
                (Rcode::NoError, addresses.into_iter().filter(asked).map(Record::from).collect())
            }
            Found::Name(name) if matches!(kind, PTR | ANY) => {
                (Rcode::NoError, vec![Record { kind: PTR, data: written(&name) }])
            }
            Found::Name(_) => (Rcode::NoError, Vec::new()),
        };
        self.answered += 1;
        Screened::Answer(query.answer(rcode, &records))
    }
}

/// An answer's record, whose name is the question's.
#[derive(Debug)]
struct Record {
    kind: u16,
    data: Vec<u8>,
}

impl From<IpAddr> for Record {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(ipv4) => Self { kind: A, data: ipv4.octets().into() },
            IpAddr::V6(ipv6) => Self { kind: AAAA, data: ipv6.octets().into() },
        }
    }
}

/// A name as a message has it.
fn written(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

#[derive(Debug)]
struct Question<'m> {
    /// In lower case, without the last dot.
    name: String,
    kind: u16,
    class: u16,
    bytes: &'m [u8],
}

#[derive(Debug)]
struct Query<'m> {
    id: [u8; 2],
    flags: u16,
    /// None: there is not just one, or it is broken.
    question: Option<Question<'m>>,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

impl<'m> Query<'m> {
    /// None: it is no query.
    fn parse(message: &'m [u8]) -> Option<Self> {
        let id = message.get(..2)?.try_into().ok()?;
        let flags = word(message, 2)?;
        let count = message.get(..HEADER).and_then(|header| word(header, 4))?;
        let question = if count == 1 { Question::parse(&message[HEADER..]) } else { None };
        (flags & RESPONSE == 0).then_some(Self { id, flags, question })
    }

    fn answer(&self, rcode: Rcode, records: &[Record]) -> Vec<u8> {
        let own = matches!(rcode, Rcode::NoError | Rcode::NxDomain);
        let kept = self.flags & (OPCODE | RECURSION_DESIRED);
        let more = if own { AUTHORITATIVE | RECURSION_AVAILABLE } else { 0 };
        let flags = RESPONSE | kept | more | rcode as u16;
        let mut bytes = self.id.to_vec();
        let questions = u16::from(self.question.is_some());
        for word in [flags, questions, records.len() as u16, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(self.question.iter().flat_map(|question| question.bytes));
        for Record { kind, data } in records {
            // The question's name, by a pointer to it (RFC 1035 4.1.4).
            for word in [0xc000 | HEADER as u16, *kind, CLASS_IN] {
                bytes.extend(word.to_be_bytes());
            }
            bytes.extend(TTL_S.to_be_bytes());
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(data);
        }
        bytes
    }
}

impl<'m> Question<'m> {
    /// The question that `bytes` begin with. There is nothing before it to which its name could point.
    fn parse(bytes: &'m [u8]) -> Option<Self> {
        let (mut name, mut at) = (String::new(), 0);
        loop {
            let len = usize::from(*bytes.get(at)?);
            let label = bytes.get(at + 1..at + 1 + len).filter(|_| len < 64)?;
            at += 1 + len;
            if len == 0 {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|&byte| char::from(byte.to_ascii_lowercase())));
        }
        let (kind, class) = (word(bytes, at)?, word(bytes, at + 2)?);
        (at <= NAME).then(|| Self { name, kind, class, bytes: &bytes[..at + 4] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::DOMAIN;
    use super::*;
    use crate::identity::Identity;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let [high, low] = kind.to_be_bytes();
        [&header[..], &written(name), &[high, low, 0, 1]].concat()
    }

    fn dns(allowed: bool) -> Dns {
        Dns::new(Names::new(tapboard_firmware::PEER_NET, &Identity::default()), allowed)
    }

    /// Result code, count of answers, and the last bytes.
    fn answer(dns: &mut Dns, query: &[u8]) -> (u16, u16, Vec<u8>) {
        let Screened::Answer(answer) = dns.screen(query) else { panic!("not answered here") };
        assert_eq!((&answer[..2], answer[2] >> 7), (&query[..2], 1));
        (word(&answer, 2).unwrap() & 15, word(&answer, 6).unwrap(), answer)
    }

    #[test]
    fn without_leave_every_question_is_refused_and_counted() {
        let mut dns = dns(false);
        for name in ["example.com", "gateway", "tapboard-02005e000001"] {
            let question = query(name, A);
            let (rcode, count, refusal) = answer(&mut dns, &question);
            assert_eq!((rcode, count), (Rcode::Refused as u16, 0));
            assert_eq!(refusal[HEADER..], question[HEADER..], "the question is in it");
        }
        assert_eq!((dns.refused, dns.answered, dns.forwarded), (3, 0, 0));
    }

    #[test]
    fn names_of_the_wire_are_answered_here_and_others_are_not() {
        let mut dns = dns(true);
        for name in [format!("Tapboard-02005E000001.{DOMAIN}"), "tapboard-02005e000001".into()] {
            let (rcode, count, ipv4) = answer(&mut dns, &query(&name, A));
            assert_eq!((rcode, count), (0, 1));
            assert!(ipv4.ends_with(&[0, 4, 192, 0, 2, 1]), "{ipv4:?}");
            let (_, count, ipv6) = answer(&mut dns, &query(&name, AAAA));
            assert!(count == 1 && ipv6.ends_with(&[0, 0, 0, 1]), "{ipv6:?}");
        }
        assert_eq!(answer(&mut dns, &query("gateway", ANY)).1, 2);
        assert_eq!(answer(&mut dns, &query("gateway", 15)).1, 0, "it has no mail server");
        let (rcode, _, name) = answer(&mut dns, &query("2.2.0.192.in-addr.arpa", PTR));
        assert!(rcode == 0 && name.ends_with(&written("gateway.tapboard.internal")));
        for unknown in ["nobody.tapboard.internal", "99.2.0.192.in-addr.arpa"] {
            assert_eq!(answer(&mut dns, &query(unknown, A)).0, Rcode::NxDomain as u16, "{unknown}");
        }
        // Were there no "com", there would be nothing below it (RFC 8020).
        let (rcode, count, _) = answer(&mut dns, &query("com", AAAA));
        assert_eq!((rcode, count, dns.forwarded), (0, 0, 0));
        assert_eq!(dns.screen(&query("com", 43)), Screened::Forward, "its signer's key");
        dns.forwarded = 0;
        for elsewhere in ["example.com", "gateway.example", "1.0.0.127.in-addr.arpa"] {
            assert_eq!(dns.screen(&query(elsewhere, A)), Screened::Forward, "{elsewhere}");
        }
        assert_eq!((dns.forwarded, dns.refused), (3, 0));
    }

    #[test]
    fn what_is_no_query_is_dropped_and_a_broken_one_told_of() {
        let mut dns = dns(true);
        let good = query("example.com", A);
        let mut response = good.clone();
        response[2] |= 0x80;
        assert_eq!(dns.screen(&response), Screened::Drop);
        for len in 0..HEADER {
            assert_eq!(dns.screen(&good[..len]), Screened::Drop, "{len}");
        }
        for len in HEADER..good.len() {
            assert_eq!(answer(&mut dns, &good[..len]).0, Rcode::FormErr as u16, "{len}");
        }
        let mut update = good.clone();
        update[2] |= 5 << 3;
        assert_eq!(answer(&mut dns, &update).0, Rcode::NotImp as u16);
        // A name that points to itself, and one that is too long.
        let mut pointer = good[..HEADER].to_vec();
        pointer.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(answer(&mut dns, &pointer).0, Rcode::FormErr as u16);
        let long = query(&["a"; 128].join("."), A);
        assert_eq!(answer(&mut dns, &long).0, Rcode::FormErr as u16);
    }
}
