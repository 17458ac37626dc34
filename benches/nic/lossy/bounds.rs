//! What the board's figures are to be beside the kernel's, and beside what is possible.
//!
//! With 64 KiB: a median not above that of the kernel's CUBIC, a worst seed within 1.25 of its worst, and at 10 % loss a
//! median within 2 of BBR's. With 2 KiB: a median within 1.3 of the floor.

use super::row::Row;
use super::simulated::Ends;
use super::{BBR, CUBIC, Cell, Far, Peer};

/// Prints how often that is so, and where it is not.
pub(super) fn print(cells: &[Cell]) {
    let mut bounds = Bounds::default();
    for cell in cells.iter().filter(|cell| is_board(cell.peer)) {
        let Some((median, worst)) = cell.figures() else { continue };
        let of = |peer: Peer| {
            let cell = cells.iter().find(|other| other.row == cell.row && other.peer == peer);
            cell.and_then(Cell::figures)
        };
        let Row { fault, .. } = cell.row;
        if let Some((cubic, cubic_worst)) = of(CUBIC) {
            bounds.check(cell, "median, CUBIC's", median, cubic);
            bounds.check(cell, "worst, 1.25 of CUBIC's", worst, 1.25 * cubic_worst);
        }
        if let Some((bbr, _)) = of(BBR).filter(|_| fault == ("loss", "10%")) {
            bounds.check(cell, "median, 2 of BBR's", median, 2.0 * bbr);
        }
        if let Some(floor) = cell.row.floor() {
            bounds.check(cell, "median, 1.3 of the floor", median, 1.3 * floor);
        }
    }
    println!("{} of {} bounds hold.", bounds.held, bounds.held + bounds.missed.len());
    for missed in &bounds.missed {
        println!("- {missed}");
    }
}

const fn is_board(peer: Peer) -> bool {
    matches!(
        peer,
        Peer::Simulated(Ends::BoardAndSmoltcp | Ends::BoardAndBoard) | Peer::Real(Far::Tap(_))
    )
}

#[derive(Debug, Default)]
struct Bounds {
    held: usize,
    missed: Vec<String>,
}

impl Bounds {
    fn check(&mut self, cell: &Cell, what: &str, seconds: f64, bound: f64) {
        // Without an end on either side, neither is slower.
        if seconds <= bound {
            self.held += 1;
            return;
        }
        let (table, link) = cell.row.name();
        let peer = cell.peer.name();
        self.missed.push(format!("{table}, {link}, {peer}: {what}: {seconds:.2} > {bound:.2}"));
    }
}
