//! Commands of the pages that are not carried out by these tests, because they take minutes, change the machine
//! or need the Internet - and what does in their place.

use std::fs;

use crate::markdown::root;

/// A command; the file that does the same; the words of it that do.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    // The address is the package's own.
    (
        "git clone https://github.com/tapboard/tapboard && cd tapboard",
        "Cargo.toml",
        "repository = \"https://github.com/tapboard/tapboard\"",
    ),
    (".ci/run", ".ci/run", "step \"Tests: workspace\" cargo test --workspace"),
];

/// Whether the command is left to something else. That something has to exist.
pub(crate) fn is_elsewhere(command: &str) -> bool {
    let command = command.split("  #").next().unwrap_or(command).trim();
    let file = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    // Steps of CI, word for word.
    if file(".ci/run").lines().any(|line| line.starts_with("step ") && line.ends_with(command)) {
        return true;
    }
    let entry = ELSEWHERE.iter().find(|(text, _, _)| *text == command);
    let Some((text, path, words)) = entry else { return false };
    let does =
        file(path).lines().any(|line| line.contains(words) && !line.trim_start().starts_with('#'));
    assert!(does, "`{text}` is said to be done by {path}, which does not have {words:?}");
    true
}

/// The commands of the list, which the pages have to have.
pub(crate) fn listed() -> impl Iterator<Item = &'static str> {
    ELSEWHERE.iter().map(|(text, _, _)| *text)
}
