//! Pairs of buffers in memory that the system has zeroed, of which a page is used when something is first written there.
//!
//! A vector of long arrays would be written when it is made, all of it.

/// Pairs (receive, send) of buffers of `SIZE` bytes each.
#[derive(Debug)]
pub(crate) struct Zeroed<const SIZE: usize>(Vec<u8>);

impl<const SIZE: usize> Zeroed<SIZE> {
    /// So many pairs.
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![0; count * 2 * SIZE])
    }

    /// All of them.
    pub(crate) fn pairs(&mut self) -> &mut [[[u8; SIZE]; 2]] {
        self.0.as_chunks_mut().0.as_chunks_mut().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_were_asked_for() {
        let mut buffers = Zeroed::<3>::new(2);
        assert_eq!(buffers.pairs(), [[[0; 3]; 2]; 2]);
        buffers.pairs()[1][0] = [1; 3];
        assert_eq!(buffers.pairs(), [[[0; 3]; 2], [[1; 3], [0; 3]]]);
    }
}
