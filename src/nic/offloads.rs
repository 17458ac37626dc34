//! Work on TCP and UDP that one side of a NIC leaves to the other.

/// What is offloaded: by the board to its NIC, or by a NIC to the kernel behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// The checksums of TCP and UDP are neither computed nor verified by who offloads.
    pub checksum: bool,
    /// Segmentation: who offloads sends superframes, each to be cut into segments (TSO).
    pub segmentation: bool,
    /// Reception: who offloads takes superframes, each of several segments (LRO).
    pub receive: bool,
}

impl Offloads {
    /// Nothing: frames of at most 1514 bytes, with all their checksums.
    pub const NONE: Self = Self { checksum: false, segmentation: false, receive: false };
    /// Everything.
    pub const ALL: Self = Self { checksum: true, segmentation: true, receive: true };
    /// The checksums alone.
    pub const CHECKSUM: Self = Self { checksum: true, ..Self::NONE };

    /// Whether frames of a TAP come and go with a virtio-net header, which says what is left of this for each.
    #[cfg(target_os = "linux")]
    pub(super) fn header(self) -> bool {
        self != Self::NONE
    }

    /// With the checksums as well if there are superframes, whose segments get theirs where they are made. (Virtio
    /// 1.2 5.1.3.1 has the same rule.)
    #[must_use]
    pub const fn complete(self) -> Self {
        Self { checksum: self.checksum || self.segmentation || self.receive, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superframes_leave_the_checksums_as_well() {
        assert_eq!(Offloads::NONE.complete(), Offloads::NONE);
        assert_eq!(Offloads::CHECKSUM.complete(), Offloads::CHECKSUM);
        for superframes in [
            Offloads { segmentation: true, ..Offloads::NONE },
            Offloads { receive: true, ..Offloads::NONE },
        ] {
            assert_eq!(superframes.complete(), Offloads { checksum: true, ..superframes });
        }
    }
}
