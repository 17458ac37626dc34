//! Output that is compared with a file in `tests/snapshots`, so that a change shows in a diff.
//!
//! With `UPDATE_SNAPSHOTS` set the files are written instead; `git diff` then tells what changed.

use std::path::Path;

/// Fails unless the snapshot `name` holds `actual`.
#[track_caller]
pub(crate) fn assert_is(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, actual).expect("the snapshot can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{} differs; if it should, run the test with UPDATE_SNAPSHOTS=1\n--- it holds\n{expected}\n\
         --- it should hold\n{actual}",
        path.display()
    );
}
