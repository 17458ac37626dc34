//! Slab with numbers that stay, for what the kernel's events name by its number.

/// So many places at most. The first vacant one is filled, and vacant ones at the end are cut off, so that
/// going through them costs what is there, not what there could be.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    limit: usize,
}

impl<T> Slab<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: Vec::with_capacity(limit), limit }
    }

    /// All numbers in use, and perhaps some that are not.
    pub(crate) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.entries.len()
    }

    /// What is there, with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(number, entry)| Some((number, entry.as_ref()?)))
    }

    /// What is there, with its number.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(number, entry)| Some((number, entry.as_mut()?)))
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number)?.as_mut()
    }

    /// The number that the next one is to have.
    pub(crate) fn vacant(&self) -> Option<usize> {
        let gap = self.entries.iter().position(Option::is_none);
        gap.or_else(|| (self.entries.len() < self.limit).then_some(self.entries.len()))
    }

    /// Fills an entry that [`Slab::vacant`] named, or that was just taken.
    pub(crate) fn put(&mut self, number: usize, value: T) {
        if number == self.entries.len() {
            self.entries.push(None);
        }
        self.entries[number] = Some(value);
    }

    pub(crate) fn take(&mut self, number: usize) -> Option<T> {
        let taken = self.entries.get_mut(number)?.take();
        let last = self.entries.iter().rposition(Option::is_some);
        self.entries.truncate(last.map_or(0, |last| last + 1));
        taken
    }
}
