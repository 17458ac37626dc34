//! A map that remembers what was used last, in bounded memory and constant time.
//!
//! Two generations: what is used moves to the young one, and when that is full, the old one is forgotten and the
//! young one becomes it. So the latest [`Recent::GENERATION`] entries are always there.

use std::hash::Hash;
use std::mem;

use foldhash::{HashMap, HashMapExt};

/// The map. Nothing goes through it in its order, so that what is drawn is the same each time.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    forgotten: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), forgotten: 0 }
    }
}

impl<K, V> Recent<K, V> {
    /// Entries of a generation. At 300 bytes an entry, both are some 20 MB.
    pub(crate) const GENERATION: usize = 1 << 15;

    /// How many were forgotten so far.
    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    /// What is known under `key`, which is used by that.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let value = *self.old.get(key)?;
        Some(*self.entry(*key, || value))
    }
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// Looks without using.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Likewise, to change what is there.
    pub(crate) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// What is known under `key`, or else what `make` makes.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_else(make);
            if self.young.len() >= Self::GENERATION {
                self.forgotten += self.old.len() as u64;
                self.old = mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.get_mut(&key).expect("it was inserted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: usize = Recent::<(), ()>::GENERATION;

    #[test]
    fn what_is_used_stays_and_what_is_not_is_forgotten_and_counted() {
        let mut recent = Recent::default();
        for key in 0..3 * GENERATION {
            *recent.entry(key, || 0) += 1;
            *recent.entry(0, || 0) += 1;
            assert_eq!(recent.get(&1).is_some(), key > 0, "it was used again and again");
        }
        assert_eq!(recent.peek(&0), Some(&(3 * GENERATION + 1)));
        assert_eq!(recent.peek(&2), None);
        assert!(recent.peek(&(3 * GENERATION - 1)).is_some());
        let held = recent.young.len() + recent.old.len();
        assert_eq!(held as u64 + recent.forgotten(), 3 * GENERATION as u64);
        assert!(held <= 2 * GENERATION);
        recent.remove(&0);
        assert_eq!(recent.peek_mut(&0), None);
    }
}
