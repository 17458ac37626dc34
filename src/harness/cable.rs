//! The cable as a test holds it: faults that stay, and faults that end with their scope.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use super::core::Core;
use crate::link::{Link, Setting, Side};

/// The cable of a [`Network`](super::Network), to be changed at any time. Clones are the same cable.
#[derive(Clone, Debug)]
pub struct Cable(pub(super) Rc<RefCell<Core>>);

impl Cable {
    /// The model itself. It is borrowed as by a [`RefCell`]: not while the network is driven.
    #[must_use]
    pub fn link(&self) -> RefMut<'_, Link> {
        RefMut::map(self.0.borrow_mut(), |core| core.impairment.link_mut())
    }

    /// Sets one fault of both directions, as at the console: `loss 5%`, `delay 40ms`. It stays.
    pub fn set(&self, fault: &str) -> Result<(), String> {
        self.link().set(None, fault.parse()?);
        Ok(())
    }

    /// Sets one fault of the direction to that side, or of both for `None`, until the guard is dropped. Then it is what
    /// it was before; other faults are left alone.
    #[must_use = "the fault ends with the guard"]
    pub fn fault(&self, to: Option<Side>, setting: Setting) -> Fault {
        let mut link = self.link();
        let sides =
            [Side::Board, Side::Peer].into_iter().filter(|&side| to.is_none_or(|to| to == side));
        let before = sides.map(|side| (side, link.faults(side).get(setting))).collect();
        link.set(to, setting);
        drop(link);
        Fault { cable: self.clone(), before }
    }

    /// Pulls the cable until the guard is dropped. What is under way is lost.
    #[must_use = "the cable is put in again with the guard"]
    pub fn unplugged(&self) -> Unplugged {
        let before = self.link().plugged();
        self.link().plug(false);
        Unplugged { cable: self.clone(), before }
    }

    /// Lets nothing through to that side, or either way for `None`, until the guard is dropped. What is under way
    /// arrives.
    #[must_use = "the partition ends with the guard"]
    pub fn partitioned(&self, to: Option<Side>) -> Fault {
        self.fault(to, Setting::Partition(true))
    }
}

/// A fault that ends when this is dropped.
#[derive(Debug)]
pub struct Fault {
    cable: Cable,
    before: Vec<(Side, Setting)>,
}

impl Drop for Fault {
    fn drop(&mut self) {
        let mut link = self.cable.link();
        for &(side, setting) in &self.before {
            link.set(Some(side), setting);
        }
    }
}

/// A cable that is out until this is dropped.
#[derive(Debug)]
pub struct Unplugged {
    cable: Cable,
    before: bool,
}

impl Drop for Unplugged {
    fn drop(&mut self) {
        self.cable.link().plug(self.before);
    }
}
