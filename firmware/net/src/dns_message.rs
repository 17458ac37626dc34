//! DNS messages (RFC 1035 4), read where they are: names, questions, records.
//!
//! Nothing is copied, and nothing that a message says is believed before it was looked at: a pointer leads backwards only,
//! so that no name is endless, and a record lies within the message. What is broken ends the reading.

/// Families of addresses, in each of which neighbours are asked and told (RFC 6762 3); IPv4 is the first one.
pub(crate) const FAMILIES: usize = if cfg!(feature = "ipv6") { 2 } else { 1 };

/// Length of a message's header.
pub(crate) const HEADER: usize = 12;

/// Types of records (RFC 1035 3.2.2, RFC 3596 2.1, RFC 2782, RFC 4034 4, RFC 1035 3.2.3).
pub(crate) const A: u16 = 1;
#[cfg(feature = "dns")]
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;
/// The internet's class (RFC 1035 3.2.4).
pub(crate) const IN: u16 = 1;

/// A message's header: its number, its flags, and how many questions, answers, authorities and further records it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    pub(crate) counts: [u16; 4],
}

/// It is an answer (RFC 1035 4.1.1).
pub(crate) const RESPONSE: u16 = 0x8000;
/// What is asked for, 0 a name.
pub(crate) const OPCODE: u16 = 0x7800;
/// It was cut to the length of a datagram, or multicast DNS has more of what it knows to follow.
pub(crate) const TRUNCATED: u16 = 0x0200;
/// Ask others if need be.
#[cfg(feature = "dns")]
pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
/// How it went.
#[cfg(feature = "dns")]
pub(crate) const RCODE: u16 = 0x000f;

/// The two bytes at `at`.
pub(crate) fn word(message: &[u8], at: usize) -> Option<u16> {
    match message.get(at..)? {
        [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

impl Header {
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let mut words = [0; HEADER / 2];
        for (index, to) in words.iter_mut().enumerate() {
            *to = word(message, index * 2)?;
        }
        let [id, flags, counts @ ..] = words;
        Some(Self { id, flags, counts })
    }
}

/// The labels of a name in a message, one after another.
#[derive(Clone, Debug)]
pub(crate) struct Labels<'m> {
    message: &'m [u8],
    at: usize,
    /// Where pointers must lead below.
    limit: usize,
}

impl<'m> Labels<'m> {
    pub(crate) const fn new(message: &'m [u8], at: usize) -> Self {
        Self { message, at, limit: at }
    }

    /// Where the next one is.
    #[cfg(feature = "dns")]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Its end as it stands, before whatever it points to.
    pub(crate) fn end(message: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let len = usize::from(*message.get(at)?);
            match len {
                0 => return Some(at + 1),
                1..=63 => at += 1 + len,
                0xc0.. => return Some(at + 2),
                _ => return None,
            }
        }
    }

    /// The next one: an empty one is the name's end. `None`: it is broken.
    #[inline(never)]
    pub(crate) fn label(&mut self) -> Option<&'m [u8]> {
        loop {
            let len = usize::from(*self.message.get(self.at)?);
            match len {
                0..=63 => {
                    let begin = self.at + 1;
                    self.at = begin + len;
                    return self.message.get(begin..self.at);
                }
                0xc0.. => {
                    let target = usize::from(word(self.message, self.at)? & 0x3fff);
                    if target >= self.limit {
                        return None;
                    }
                    (self.at, self.limit) = (target, target);
                }
                _ => return None,
            }
        }
    }
}

/// Whether two names are the same (RFC 1035 2.3.3, RFC 4343). A broken one is none.
#[inline(never)]
pub(crate) fn same_name(mut one: Labels<'_>, mut other: Labels<'_>) -> bool {
    while let (Some(one), Some(other)) = (one.label(), other.label()) {
        if !one.eq_ignore_ascii_case(other) {
            break;
        }
        if one.is_empty() {
            return true;
        }
    }
    false
}

/// A question: where its name is, the type and the class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) name: usize,
    pub(crate) kind: u16,
    pub(crate) class: u16,
}

/// A record: where its name is, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'m> {
    pub(crate) name: usize,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    /// For how many seconds it is good.
    pub(crate) ttl: u32,
    pub(crate) data: &'m [u8],
    /// Where that is in the message: names in it may point elsewhere.
    pub(crate) data_at: usize,
}

/// What of a message is still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'m> {
    pub(crate) message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    /// From behind the header on.
    pub(crate) const fn new(message: &'m [u8]) -> Self {
        Self { message, at: HEADER }
    }

    /// What of the message has been read, behind the header.
    #[cfg(feature = "mdns")]
    pub(crate) fn passed(&self) -> &'m [u8] {
        self.message.get(HEADER..self.at).unwrap_or_default()
    }

    /// The next question. `None`: it is broken.
    #[inline(never)]
    pub(crate) fn question(&mut self) -> Option<Question> {
        let (name, at) = (self.at, Labels::end(self.message, self.at)?);
        self.at = at + 4;
        let [kind, more, class @ ..] = *self.message.get(at..)?.first_chunk::<4>()?;
        let kind = u16::from_be_bytes([kind, more]);
        Some(Question { name, kind, class: u16::from_be_bytes(class) })
    }

    /// The next record. `None`: it is broken.
    #[inline(never)]
    pub(crate) fn record(&mut self) -> Option<Record<'m>> {
        let Question { name, kind, class } = self.question()?;
        let [ttl @ .., len, more] = *self.message.get(self.at..)?.first_chunk::<6>()?;
        let data_at = self.at + 6;
        self.at = data_at + usize::from(u16::from_be_bytes([len, more]));
        let ttl = u32::from_be_bytes(ttl);
        let data = self.message.get(data_at..self.at)?;
        Some(Record { name, kind, class, ttl, data, data_at })
    }
}

/// A message that is being written. What does not fit is left out, and `full` says so.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    pub(crate) full: bool,
}

impl<'b> Writer<'b> {
    /// With a header of this number and these flags, and nothing else yet.
    pub(crate) fn new(buffer: &'b mut [u8], id: u16, flags: u16) -> Self {
        let mut this = Self { buffer, len: 0, full: false };
        this.put_word(id);
        this.put_word(flags);
        this.put(&[0; 8]);
        this
    }

    /// Without a header.
    pub(crate) fn bare(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, full: false }
    }

    /// Writes at `at`, where a word was left for it, how many bytes came behind that word.
    #[cfg(feature = "mdns")]
    pub(crate) fn fill_length(&mut self, at: usize) {
        self.add(at, self.len.wrapping_sub(at + 2));
    }

    /// Adds to the word at `at`.
    #[inline(never)]
    fn add(&mut self, at: usize, more: usize) {
        if let (Some(before), Some(to)) = (word(self.buffer, at), self.buffer.get_mut(at..at + 2)) {
            to.copy_from_slice(&before.wrapping_add(more as u16).to_be_bytes());
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// All that was written. `None`: there was more.
    pub(crate) fn written(self) -> Option<&'b [u8]> {
        self.buffer.get(..self.len).filter(|_| !self.full)
    }

    /// Adds bytes.
    #[inline(never)]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(room) if !self.full => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.full = true,
        }
    }

    #[inline(never)]
    pub(crate) fn put_word(&mut self, word: u16) {
        self.put(&word.to_be_bytes());
    }

    /// Adds a label.
    #[inline(never)]
    pub(crate) fn put_label(&mut self, label: &[u8]) {
        self.put(&[label.len() as u8]);
        self.put(label);
    }

    /// Adds labels with dots between them.
    #[inline(never)]
    pub(crate) fn put_labels(&mut self, labels: &[u8]) {
        for label in labels.split(|byte| *byte == b'.') {
            self.put_label(label);
        }
    }

    /// Counts one more in section `section`: questions, answers, authorities, further records.
    pub(crate) fn count(&mut self, section: usize) {
        self.add(4 + 2 * section, 1);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn labels(message: &[u8], at: usize) -> Vec<&[u8]> {
        let mut labels = Labels::new(message, at);
        std::iter::from_fn(|| labels.label().filter(|label| !label.is_empty())).collect()
    }

    #[test]
    fn a_name_is_read_through_its_pointers() {
        let message = b"\x05local\0\x04host\xc0\x00\x01x\xc0\x07";
        assert_eq!(labels(message, 0), [&b"local"[..]]);
        assert_eq!(labels(message, 7), [&b"host"[..], b"local"]);
        assert_eq!(labels(message, 14), [&b"x"[..], b"host", b"local"]);
        assert_eq!(Labels::end(message, 14), Some(18));
        let same = |at, name| same_name(Labels::new(message, at), Labels::new(name, 0));
        assert!(same(14, b"\x01X\x04HOST\x05local\0"));
        assert!(!same(7, b"\x01X\x04HOST\x05local\0"));
        assert!(!same(14, b"\x01X\x04HOST\0"));
        assert!(!same(14, b"\x01X\x04HOST\x05local"));
    }

    #[test]
    fn a_broken_name_is_no_others() {
        for broken in [
            // To itself, ahead, in a circle, cut, of a kind that is none.
            &b"\xc0\x00"[..],
            b"\xc0\x02\x01x\0",
            b"\x01a\xc0\x00",
            b"\x05loc",
            b"\x01x",
            b"\x40x\0",
            b"\x80x\0",
            b"\xc0",
            b"",
        ] {
            let mut name = Labels::new(broken, 0);
            let end = (0..10).find_map(|_| match name.label() {
                Some(b"") => Some(true),
                None => Some(false),
                Some(_) => None,
            });
            assert_eq!(end, Some(false), "{broken:?}");
            assert!(!same_name(Labels::new(broken, 0), Labels::new(broken, 0)));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer, 7, RESPONSE);
        writer.put_label(b"host");
        writer.put(&[0]);
        for word in [A, IN, 0, 60, 4] {
            writer.put_word(word);
        }
        writer.put(&[192, 0, 2, 1]);
        writer.count(1);
        let len = writer.len();
        let message = &buffer[..len];
        let header = Header::read(message).unwrap();
        assert_eq!(header, Header { id: 7, flags: RESPONSE, counts: [0, 1, 0, 0] });
        let record = Reader::new(message).record().unwrap();
        assert_eq!((record.name, record.kind, record.class, record.ttl), (12, A, IN, 60));
        assert_eq!((record.data, record.data_at), (&[192, 0, 2, 1][..], len - 4));
        for cut in 0..len {
            assert!(
                Header::read(&buffer[..cut]).is_none()
                    || Reader::new(&buffer[..cut]).record().is_none()
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut buffer = [0; 14];
        let mut writer = Writer::new(&mut buffer, 0, 0);
        writer.put(&[1, 2, 3]);
        writer.put(&[1]);
        assert!(writer.full);
        assert_eq!(writer.len(), 12);
    }
}
