//! How a driver reaches its chip: by offset, one 32-bit register at a time.

/// A block of 32-bit registers.
///
/// An access may have side effects in the hardware; an implementation makes each exactly once, in order.
pub trait Registers {
    /// Reads the register at `offset` bytes.
    fn read(&mut self, offset: usize) -> u32;

    /// Writes the register at `offset` bytes.
    fn write(&mut self, offset: usize, value: u32);
}
