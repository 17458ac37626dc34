//! A program's bytes, read one choice at a time. Any bytes are a program, and a changed byte is a changed choice.

/// The unread bytes of a program. Behind the last one every choice is the first.
#[derive(Clone, Debug)]
pub(crate) struct Input<'i> {
    bytes: &'i [u8],
}

impl<'i> Input<'i> {
    pub(crate) const fn new(bytes: &'i [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        first
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Four bytes in the machine's order: libFuzzer puts the numbers there that the firmware compared with.
    pub(crate) fn long(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A number below `bound`, which is at most 256.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// `true` for one byte in `odds`, and never behind the last.
    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == odds - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.below(table.len())]
    }

    /// At most `len` bytes; fewer at the end of the program.
    pub(crate) fn take(&mut self, len: usize) -> &'i [u8] {
        let (taken, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }
}
