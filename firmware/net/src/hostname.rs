//! The host's own name, for servers and neighbours.

/// Longest name kept, in bytes.
const LEN: usize = 32;

/// A host's name, as DHCP's option 12 has it (RFC 2132 3.14), and its label in multicast DNS (RFC 6762): letters, digits and hyphens (RFC 1123 2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hostname {
    bytes: [u8; LEN],
    len: u8,
}

impl Hostname {
    /// No name.
    pub const NONE: Self = Self { bytes: [0; LEN], len: 0 };

    /// The first 32 letters, digits and hyphens of `name`, in small letters; whatever else there is between them becomes
    /// one hyphen. None at the beginning or the end is a hyphen.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let (name, mut this, mut index) = (name.as_bytes(), Self::NONE, 0);
        let mut gap = false;
        while index < name.len() && (this.len as usize) < LEN {
            let byte = name[index].to_ascii_lowercase();
            index += 1;
            if !byte.is_ascii_alphanumeric() {
                gap = this.len > 0;
                continue;
            }
            if gap && (this.len as usize) + 1 < LEN {
                this.bytes[this.len as usize] = b'-';
                this.len += 1;
            } else if gap {
                break;
            }
            gap = false;
            this.bytes[this.len as usize] = byte;
            this.len += 1;
        }
        this
    }

    /// Its bytes, all ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl core::fmt::Debug for Hostname {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_host_may_be_called_is_left() {
        for (given, name) in [
            ("tapboard-02005e000001", "tapboard-02005e000001"),
            ("Greenhouse 2", "greenhouse-2"),
            ("--küche..", "k-che"),
            ("", ""),
            (" _ ", ""),
            ("0123456789012345678901234567890123", "01234567890123456789012345678901"),
            ("0123456789012345678901234567890 1", "0123456789012345678901234567890"),
        ] {
            assert_eq!(Hostname::new(given).as_str(), name, "{given}");
        }
    }
}
