//! From a text to a filter, by recursive descent. Whatever the text is, the depth is bounded.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use smoltcp::wire::{EthernetAddress, IpCidr};

use super::error::FilterError;
use super::words;
use super::{End, Node, Test};
use crate::ladder::printable::printable;
use crate::ladder::time::{Utc, read_seconds};

/// Parentheses and `not`s within each other.
const DEPTH_MAX: usize = 64;

const TESTS: &str = "host, net, port, conversation, frame, time, vlan, a protocol as tcp, udp, icmp, arp or dns, \
                     marked, retransmission or dropped";

/// What is left out most often, by those who know tcpdump's filters.
const JOINED: &str = "; tests are joined, as tcp and port 80";

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Node, FilterError> {
    // A line that can be shown with what is wrong in it.
    let text: String = text.chars().map(printable).collect();
    let mut parser = Parser { text: &text, at: 0, depth: 0 };
    let node = parser.any()?;
    match parser.peek() {
        None => Ok(node),
        Some(Token { text: ")", .. }) => {
            Err(parser.wrong("there is no ( before this; leave it out"))
        }
        Some(_) => {
            Err(parser.wrong(format!("and, or, or the end of the filter was to come here{JOINED}")))
        }
    }
}

/// A piece of the text and where it begins.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// The next piece: a sign, or a word up to a space or parenthesis.
    fn peek(&self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        let at = self.at + rest.len() - trimmed.len();
        let sign = ["(", ")", "&&", "||", "!"].into_iter().find(|sign| trimmed.starts_with(sign));
        let end = match sign {
            Some(sign) => sign.len(),
            None => trimmed
                .find(|c: char| c.is_whitespace() || "()&|!".contains(c))
                .unwrap_or(trimmed.len()),
        };
        // A lone & or | is wrong, and a word all the same.
        let end = if end == 0 { trimmed.chars().next()?.len_utf8() } else { end };
        Some(Token { text: &trimmed[..end], at })
    }

    /// Takes the next piece, if it is one of these.
    fn take(&mut self, which: &[&str]) -> Option<&'a str> {
        let token = self.peek().filter(|token| which.contains(&token.text))?;
        self.at = token.at + token.text.len();
        Some(token.text)
    }

    /// Takes the next piece, whatever it is.
    fn word(&mut self, remedy: &str) -> Result<Token<'a>, FilterError> {
        let Some(token) = self.peek().filter(|token| !matches!(token.text, "(" | ")")) else {
            return Err(self.wrong(remedy));
        };
        self.at = token.at + token.text.len();
        Ok(token)
    }

    /// The next piece is wrong, or missing.
    fn wrong(&self, remedy: impl Into<String>) -> FilterError {
        let end = self.text.trim_end().len();
        // Behind one space, which may be any.
        let space = self.text[end..].chars().next().map_or(0, char::len_utf8);
        let gap = if end == 0 { 0 } else { end + space };
        let at = self.peek().map_or((gap, gap), |token| (token.at, token.at + token.text.len()));
        FilterError { text: self.text.to_string(), at, remedy: remedy.into() }
    }

    fn error(&self, token: Token<'_>, remedy: impl Into<String>) -> FilterError {
        let at = (token.at, token.at + token.text.len());
        FilterError { text: self.text.to_string(), at, remedy: remedy.into() }
    }

    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.take(&["or", "||"]).is_some() {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.one()?];
        while self.take(&["and", "&&"]).is_some() {
            nodes.push(self.one()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self) -> Result<Node, FilterError> {
        let opening = ["not", "!", "("];
        if self.depth == DEPTH_MAX && self.peek().is_some_and(|t| opening.contains(&t.text)) {
            return Err(self.wrong(format!("no more than {DEPTH_MAX} are read within each other")));
        }
        self.depth += 1;
        let node = if self.take(&["not", "!"]).is_some() {
            Node::Not(Box::new(self.one()?))
        } else if self.take(&["("]).is_some() {
            let node = self.any()?;
            if self.take(&[")"]).is_none() {
                return Err(self.wrong(format!("and, or, or ) was to come here{JOINED}")));
            }
            node
        } else {
            Node::Test(self.test()?)
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        let end = match self.take(&["src", "dst"]) {
            Some("src") => End::Source,
            Some(_) => End::Destination,
            None => End::Either,
        };
        if self.take(&["host"]).is_some() {
            return self.host(end);
        }
        if self.take(&["net"]).is_some() {
            let remedy = "a network is an address and its bits, as 192.0.2.0/24 or 2001:db8::/32";
            let token = self.word(remedy)?;
            let net = IpCidr::from_str(token.text);
            return net.map(|net| Test::Net(end, net)).map_err(|()| self.error(token, remedy));
        }
        if self.take(&["port"]).is_some() {
            let remedy = "a port is a number from 0 to 65535, or a range of two as 6000-6010";
            let ports = self.numbers(65_535, remedy)?;
            return Ok(Test::Port(end, *ports.start() as u16..=*ports.end() as u16));
        }
        if end != End::Either {
            return Err(self.wrong("host, net or port was to come here, as src host 192.0.2.1"));
        }
        if self.take(&["conversation"]).is_some() {
            let remedy = "a conversation is its number in --list, or a range of two as 3-5";
            return Ok(Test::Conversation(self.numbers(u64::MAX, remedy)?));
        }
        if self.take(&["frame"]).is_some() {
            let remedy = "a frame is its number, or a range as 10-20, 10- or -20";
            return Ok(Test::Frame(self.numbers(u64::MAX, remedy)?));
        }
        if self.take(&["vlan"]).is_some() {
            let is_number =
                |token: &Token<'_>| token.text.starts_with(|c: char| c.is_ascii_digit());
            return Ok(Test::Vlan(match self.peek().filter(is_number) {
                Some(_) => Some(self.numbers(4095, "a VLAN is a number from 0 to 4095")?),
                None => None,
            }));
        }
        if self.take(&["time"]).is_some() {
            return self.time();
        }
        let Some(token) = self.peek() else {
            return Err(self.wrong(format!("a test was to come here: {TESTS}")));
        };
        let Some(test) = words::test(token.text) else {
            let like = like(token.text);
            return Err(self.wrong(match like {
                Some(word) => format!("did you mean {word}? A test was to come here: {TESTS}"),
                None => format!("a test was to come here: {TESTS}"),
            }));
        };
        self.at = token.at + token.text.len();
        Ok(test)
    }

    fn host(&mut self, end: End) -> Result<Test, FilterError> {
        let remedy = "a host is an address, as 192.0.2.1, 2001:db8::1 or 02:00:5e:00:00:01; names are not looked up";
        let token = self.word(remedy)?;
        if let Ok(ip) = IpAddr::from_str(token.text) {
            return Ok(Test::Host(end, ip));
        }
        let mac = EthernetAddress::from_str(token.text);
        mac.map(|mac| Test::Mac(end, mac)).map_err(|()| self.error(token, remedy))
    }

    /// A number, or a range of which one end may be missing.
    fn numbers(&mut self, max: u64, remedy: &str) -> Result<RangeInclusive<u64>, FilterError> {
        let token = self.word(remedy)?;
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && *number <= max);
            number.ok_or_else(|| self.error(token, remedy))
        };
        let Some((start, end)) = token.text.split_once('-') else {
            return number(token.text).map(|number| number..=number);
        };
        if start.is_empty() && end.is_empty() {
            return Err(self.error(token, remedy));
        }
        let start = if start.is_empty() { 0 } else { number(start)? };
        let end = if end.is_empty() { max } else { number(end)? };
        self.forward(token, start..=end)
    }

    /// A range from a smaller number to a greater one.
    fn forward<T: PartialOrd>(
        &self,
        token: Token<'_>,
        range: RangeInclusive<T>,
    ) -> Result<RangeInclusive<T>, FilterError> {
        if range.start() > range.end() {
            return Err(self.error(token, "a range goes from the smaller to the greater end"));
        }
        Ok(range)
    }

    fn time(&mut self) -> Result<Test, FilterError> {
        let remedy = "a time range is of seconds since the first frame, as 0.5-2, 0.5- or -2, or of the \
                      calendar, as 2026-11-14T22:13:20-2026-11-14T22:13:25 in UTC";
        let token = self.word(remedy)?;
        let range = |is_utc: bool| {
            let read = |text: &'a str| match Utc::read(text) {
                Some((Utc(micros), rest)) if is_utc => Some((micros, rest)),
                None if !is_utc => read_seconds(text),
                _ => None,
            };
            let (start, rest) = match token.text.strip_prefix('-') {
                Some(_) => (0, token.text),
                None => read(token.text)?,
            };
            let end = match rest.strip_prefix('-')? {
                "" if token.text != "-" => i64::MAX,
                end => read(end).filter(|(_, rest)| rest.is_empty())?.0,
            };
            Some(start..=end)
        };
        if let Some(range) = range(true) {
            return self.forward(token, range).map(Test::Absolute);
        }
        let range = range(false).ok_or_else(|| self.error(token, remedy))?;
        self.forward(token, range).map(Test::Since)
    }
}

/// A word that was meant, perhaps: one letter is missing, too much, or another, or two have changed places.
fn like(word: &str) -> Option<&'static str> {
    const OTHERS: [&str; 10] =
        ["host", "net", "port", "conversation", "frame", "time", "vlan", "src", "dst", "not"];
    let is_like = |known: &&str| {
        let (a, b) = (word.as_bytes(), known.as_bytes());
        let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[start..], &b[start..]);
        match (a, b) {
            _ if word.len() < 3 => false,
            ([_, a @ ..], b) if a == b => true,
            (a, [_, b @ ..]) if a == b => true,
            ([_, a @ ..], [_, b @ ..]) if a == b => true,
            ([a, b, rest @ ..], [c, d, others @ ..]) => a == d && b == c && rest == others,
            _ => false,
        }
    };
    OTHERS.into_iter().chain(words::all()).find(is_like)
}
