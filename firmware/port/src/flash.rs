//! A driver of NOR flash beside the chip: those with Intel's command set (CFI primary command set 1), in pairs of 16 bits
//! on a bus of 32, as QEMU's machine `virt` has them.
//!
//! Each command goes to both halves at once. A write and an erasure are waited for, up to a number of readings; then
//! the flash is an array to be read again, whatever came of it.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::registers::Registers;

/// Bytes of a word of the bus.
const WORD: usize = 4;

/// A command, or a status, of both halves.
const fn both(half: u32) -> u32 {
    half << 16 | half
}

const READ_ARRAY: u32 = both(0xff);
const CLEAR_STATUS: u32 = both(0x50);
const WRITE: u32 = both(0x40);
const ERASE: u32 = both(0x20);
const CONFIRM: u32 = both(0xd0);
/// No command is under way.
const READY: u32 = both(0x80);
/// The last ones have failed: to erase, to write, for want of power, at a block that is locked.
const FAILED: u32 = both(0x3a);

/// Readings of the status until a command is given up: at a tenth of a microsecond each, five times the seconds that an
/// erasure may take.
const READINGS: u32 = if cfg!(test) { 10 } else { 200_000_000 };

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// The addresses are not whole words or blocks, or none of the flash.
    Address(NorFlashErrorKind),
    /// It did not come to an end.
    Busy,
    /// The flash says that it failed.
    Failed,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Address(kind) => *kind,
            Self::Busy | Self::Failed => NorFlashErrorKind::Other,
        }
    }
}

/// Two flash chips, of which a block has `BLOCK` bytes, both halves together.
#[derive(Debug)]
pub struct IntelFlash<R, const BLOCK: usize> {
    registers: R,
    size: usize,
}

impl<R: Registers, const BLOCK: usize> IntelFlash<R, BLOCK> {
    /// The flash of `size` bytes at `registers`.
    pub fn new(registers: R, size: u32) -> Self {
        let mut flash = Self { registers, size: size as usize };
        // A reset of the processor alone may have come in the midst of a command.
        flash.registers.write(0, READ_ARRAY);
        flash
    }

    /// Gives a command, which has two parts, and waits for its end.
    fn command(&mut self, offset: usize, first: u32, second: u32) -> Result<(), FlashError> {
        self.registers.write(offset, CLEAR_STATUS);
        self.registers.write(offset, first);
        self.registers.write(offset, second);
        let mut readings = (0..READINGS).map(|_| self.registers.read(offset));
        let result = match readings.find(|status| status & READY == READY) {
            None => Err(FlashError::Busy),
            Some(status) if status & FAILED != 0 => Err(FlashError::Failed),
            Some(_) => Ok(()),
        };
        self.registers.write(offset, READ_ARRAY);
        result
    }

    /// Whether the addresses are those of whole units of the flash.
    fn check(&self, offset: usize, length: usize, unit: usize) -> Result<(), FlashError> {
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::Address(NorFlashErrorKind::NotAligned));
        }
        let end = offset.checked_add(length).filter(|&end| end <= self.size);
        end.map(|_| ()).ok_or(FlashError::Address(NorFlashErrorKind::OutOfBounds))
    }
}

impl<R, const BLOCK: usize> ErrorType for IntelFlash<R, BLOCK> {
    type Error = FlashError;
}

impl<R: Registers, const BLOCK: usize> ReadNorFlash for IntelFlash<R, BLOCK> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let offset = offset as usize;
        self.check(offset, bytes.len(), WORD)?;
        for (word, at) in bytes.as_chunks_mut::<WORD>().0.iter_mut().zip((offset..).step_by(WORD)) {
            *word = self.registers.read(at).to_le_bytes();
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.size
    }
}

impl<R: Registers, const BLOCK: usize> NorFlash for IntelFlash<R, BLOCK> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let (from, to) = (from as usize, to as usize);
        let length = to.checked_sub(from);
        let length = length.ok_or(FlashError::Address(NorFlashErrorKind::OutOfBounds))?;
        self.check(from, length, BLOCK)?;
        (from..to).step_by(BLOCK).try_for_each(|block| self.command(block, ERASE, CONFIRM))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let offset = offset as usize;
        self.check(offset, bytes.len(), WORD)?;
        let words = bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word));
        let mut places = (offset..).step_by(WORD).zip(words);
        places.try_for_each(|(at, word)| self.command(at, WRITE, word))
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    const BLOCK: usize = 64;
    const SIZE: usize = 4 * BLOCK;

    /// What the chips do with the next access.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Mode {
        Array,
        Write,
        Erase,
        Status,
    }

    /// The chips.
    struct Model {
        words: Vec<u32>,
        mode: Mode,
        /// Readings until a command is over.
        takes: u32,
        left: u32,
        status: u32,
        /// The next command fails with this status, of one half.
        fails: Option<u32>,
    }

    impl Model {
        fn new() -> Self {
            Self {
                words: vec![0; SIZE / WORD],
                mode: Mode::Status,
                takes: 3,
                left: 0,
                status: READY,
                fails: None,
            }
        }

        fn end(&mut self) {
            self.status |= self.fails.take().unwrap_or(0);
            (self.mode, self.left) = (Mode::Status, self.takes);
        }
    }

    impl Registers for &mut Model {
        fn read(&mut self, offset: usize) -> u32 {
            match self.mode {
                Mode::Array => self.words[offset / WORD],
                Mode::Status if self.left > 0 => {
                    self.left -= 1;
                    // One half is ready before the other.
                    if self.left == 0 { 0x80 } else { 0 }
                }
                Mode::Status => self.status,
                mode => panic!("read in the midst of {mode:?}"),
            }
        }

        fn write(&mut self, offset: usize, value: u32) {
            match (self.mode, value) {
                (Mode::Write, data) => {
                    self.words[offset / WORD] &= data;
                    self.end();
                }
                (Mode::Erase, CONFIRM) => {
                    assert!(offset.is_multiple_of(BLOCK));
                    self.words[offset / WORD..][..BLOCK / WORD].fill(u32::MAX);
                    self.end();
                }
                (Mode::Erase, other) => panic!("{other:#x} in place of a confirmation"),
                (_, READ_ARRAY) => self.mode = Mode::Array,
                (_, CLEAR_STATUS) => self.status = READY,
                (_, WRITE) => self.mode = Mode::Write,
                (_, ERASE) => self.mode = Mode::Erase,
                (_, other) => panic!("{other:#x} is no command"),
            }
        }
    }

    fn flash(model: &mut Model) -> IntelFlash<&mut Model, BLOCK> {
        IntelFlash::new(model, SIZE as u32)
    }

    #[test]
    fn what_is_written_into_erased_blocks_is_read() {
        let mut model = Model::new();
        let mut flash = flash(&mut model);
        flash.erase(BLOCK as u32, 3 * BLOCK as u32).unwrap();
        let data: [u8; 8] = [1, 2, 3, 4, 0x50, 0x20, 0x40, 0xff];
        flash.write(BLOCK as u32 + 8, &data).unwrap();
        let mut read = [0; 24];
        flash.read(BLOCK as u32, &mut read).unwrap();
        assert_eq!(read[8..16], data);
        assert!(read[..8].iter().chain(&read[16..]).all(|&byte| byte == 0xff));
        let erased = flash.registers.words.iter().filter(|&&word| word != 0).count();
        assert_eq!(erased, 2 * BLOCK / WORD, "and no other block");
    }

    #[test]
    fn what_fails_is_an_error_and_the_next_is_none() {
        for (fails, error) in [(both(0x20), FlashError::Failed), (0x10, FlashError::Failed)] {
            let mut model = Model { fails: Some(fails), ..Model::new() };
            let mut flash = flash(&mut model);
            assert_eq!(flash.erase(0, BLOCK as u32), Err(error), "{fails:#x}");
            assert_eq!(flash.erase(0, BLOCK as u32), Ok(()));
            assert_eq!(flash.registers.mode, Mode::Array);
        }
    }

    #[test]
    fn a_command_without_an_end_is_given_up() {
        let mut model = Model { takes: READINGS + 1, ..Model::new() };
        let mut flash = flash(&mut model);
        assert_eq!(flash.erase(0, BLOCK as u32), Err(FlashError::Busy));
        assert_eq!(flash.registers.mode, Mode::Array);
    }

    #[test]
    fn addresses_are_whole_words_and_blocks_of_the_flash() {
        use NorFlashErrorKind::{NotAligned, OutOfBounds};
        let mut model = Model::new();
        let mut flash = flash(&mut model);
        let (end, block) = (SIZE as u32, BLOCK as u32);
        let of = |kind| Err(FlashError::Address(kind));
        assert_eq!(flash.read(2, &mut [0; 4]), of(NotAligned));
        assert_eq!(flash.read(0, &mut [0; 3]), of(NotAligned));
        assert_eq!(flash.read(end, &mut [0; 4]), of(OutOfBounds));
        assert_eq!(flash.write(u32::MAX - 3, &[0; 8]), of(OutOfBounds));
        assert_eq!(flash.write(1, &[0; 4]), of(NotAligned));
        assert_eq!(flash.erase(4, block + 4), of(NotAligned));
        assert_eq!(flash.erase(block, 0), of(OutOfBounds));
        assert_eq!(flash.erase(0, end + block), of(OutOfBounds));
    }
}
