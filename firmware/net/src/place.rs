//! Memory for values that are made when it is lent.

use core::mem::ManuallyDrop;

use heapless::Vec;

/// Room for `N` values, which are made when it is lent. Never dropped: what borrows for as long as it exists, as the
/// sockets do, must not be; and they own nothing.
#[derive(Debug)]
pub(crate) struct Place<T, const N: usize>(ManuallyDrop<Vec<T, N>>);

impl<T, const N: usize> Place<T, N> {
    pub(crate) const fn new() -> Self {
        Self(ManuallyDrop::new(Vec::new()))
    }

    pub(crate) fn lend(&mut self, mut value: impl FnMut() -> T) -> &mut [T] {
        self.0.clear();
        while !self.0.is_full() {
            let _ = self.0.push(value());
        }
        &mut self.0
    }
}

impl<T, const N: usize> Default for Place<T, N> {
    fn default() -> Self {
        Self::new()
    }
}
