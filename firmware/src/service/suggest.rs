//! "Did you mean": the command that a word came closest to. A feature, as a chip has no flash for manners.

/// The longest word that is compared with the commands' names for likeness.
const WORD: usize = 12;

/// Edits up to which a word is taken for a misspelt command.
const EDITS: usize = 2;

/// The one of `names` that `word` begins, or else the one it is the fewest edits away from.
pub(super) fn closest<'n>(
    word: &[u8],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Option<&'n str> {
    let begins = |name: &&str| {
        let name = name.as_bytes();
        name.len() >= word.len() && name[..word.len()].eq_ignore_ascii_case(word)
    };
    names.clone().find(begins).or_else(|| {
        names
            .filter_map(|name| Some((distance(word, name.as_bytes())?, name)))
            .filter(|&(edits, _)| edits <= EDITS && edits < word.len())
            .min_by_key(|&(edits, _)| edits)
            .map(|(_, name)| name)
    })
}

/// Insertions, deletions and substitutions that make `name` of `word` (Levenshtein), or `None` if
/// `word` is longer than any command could be misspelt.
fn distance(word: &[u8], name: &[u8]) -> Option<usize> {
    let mut row = [0; WORD + 1];
    let row = row.get_mut(..=word.len())?;
    for (edits, cell) in row.iter_mut().enumerate() {
        *cell = edits;
    }
    for letter in name {
        let mut diagonal = row[0];
        row[0] += 1;
        for (index, typed) in word.iter().enumerate() {
            let substituted = diagonal + usize::from(!typed.eq_ignore_ascii_case(letter));
            diagonal = row[index + 1];
            row[index + 1] = substituted.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closest(word: &[u8]) -> Option<&'static str> {
        let names = ["help", "led", "temp", "uptime", "netstat", "stats", "reset", "exit", "quit"];
        super::closest(word, names.into_iter())
    }

    #[test]
    fn a_misspelt_command_is_recognised_and_nonsense_is_not() {
        for (word, name) in [
            ("hlep", "help"),
            ("tmep", "temp"),
            ("net", "netstat"),
            ("NETSTART", "netstat"),
            ("stat", "stats"),
            ("q", "quit"),
            ("resett", "reset"),
            ("lde", "led"),
        ] {
            assert_eq!(closest(word.as_bytes()), Some(name), "{word}");
        }
        for word in
            [&b"xyzzy"[..], b"z", "\u{e9}".as_bytes(), b"averyveryverylongword", b"gibberish"]
        {
            assert_eq!(closest(word), None, "{}", word.escape_ascii());
        }
        assert_eq!(closest(b"\xff\xfe\x80\x81"), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance(b"kitten", b"sitting"), Some(3));
        assert_eq!(distance(b"", b"led"), Some(3));
        assert_eq!(distance(b"exactly12chr", b"led").is_some(), WORD >= 12);
        assert_eq!(distance(b"thirteenchars", b"led"), None);
    }
}
