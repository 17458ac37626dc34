//! What is wrong with a link from the start, as a run is told.

use super::chance::Chance;
use super::faults::Faults;
use super::model::Link;
use super::setting::Setting;
use super::side::Side;

/// The faults of a link, and what its chances follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkOptions {
    /// Each for one direction, or for both; of two for the same direction the later one holds.
    pub settings: Vec<(Option<Side>, Setting)>,
    /// The seed; drawn anew for each run unless given.
    pub seed: Option<u64>,
}

impl LinkOptions {
    /// A link with these faults, whose chances follow from `seed`.
    #[must_use]
    pub fn link(&self, seed: u64) -> Link {
        let mut link = Link::new(seed);
        for &(to, setting) in &self.settings {
            link.set(to, setting);
        }
        link
    }

    /// Warns of a direction in which nothing passes, although other faults are given for it: these show
    /// only when that is taken away, while it runs.
    pub fn warn(&self) {
        for direction in self.hidden() {
            log::warn!(
                "nothing passes {direction}, so that its other faults do not show while that is so"
            );
        }
    }

    pub(crate) fn hidden(&self) -> Vec<&'static str> {
        let link = self.link(0);
        let directions = [("to the board", Side::Board), ("from the board", Side::Peer)];
        let hidden = directions.into_iter().filter(|(_, to)| {
            let faults = *link.faults(*to);
            let closed = Faults { partition: true, ..Faults::NONE };
            let lossy = Faults { loss: Chance::ALWAYS, ..Faults::NONE };
            (faults.partition && faults != closed)
                || (faults.loss == Chance::ALWAYS && faults != lossy)
        });
        hidden.map(|(direction, _)| direction).collect()
    }
}
