//! What one board said in the capture, beside what another says in the replay: datagrams, pings, addresses, errors.

use super::align::Alignment;
use super::difference::{Difference, Kind, shown};
use super::said::{Said, What};
use crate::output::counted;

/// Compares one after the other.
pub(super) fn compare(then: &[&Said], now: &[&Said], found: &mut Vec<Difference>) {
    for (then, now) in then.iter().zip(now) {
        if let Some((kind, words)) = pair(&then.what, &now.what) {
            found.push(Difference {
                kind,
                frame: Some(then.number),
                after: then.after,
                then: words.0,
                now: words.1,
            });
            if kind.matters() {
                break;
            }
        }
    }
    let (had, have) = (then.len(), now.len());
    if had != have {
        let first = then.get(have);
        let after = first.or(now.get(had)).map_or(0, |said| said.after);
        let words = |count: usize| counted(count, "answer");
        found.push(Difference {
            kind: Kind::Datagram,
            frame: first.map(|said| said.number),
            after,
            then: words(had),
            now: words(have),
        });
    }
}

/// What differs between two answers.
fn pair(then: &What, now: &What) -> Option<(Kind, (String, String))> {
    if then == now {
        return None;
    }
    let (What::Datagram(old), What::Datagram(new)) = (then, now) else {
        return Some((Kind::Datagram, (then.to_string(), now.to_string())));
    };
    let mut alignment = Alignment::default();
    alignment.advance(old, new, true);
    let whole = alignment.place(old.len()) == new.len();
    let (kind, (left, right)) = match (alignment.differs, alignment.value) {
        (Some(place), _) => (Kind::Datagram, place),
        (None, Some(place)) if whole => (Kind::Value, place),
        _ => {
            let words = (counted(old.len(), "byte"), counted(new.len(), "byte"));
            return Some((Kind::Datagram, words));
        }
    };
    let words = |bytes: &[u8], at: usize| format!("{} at byte {at}", shown(bytes, at));
    Some((kind, (words(old, left), words(new, right))))
}
