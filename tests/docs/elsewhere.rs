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
    // The same programs from the same lock file.
    (
        "cargo install --locked --git https://github.com/tapboard/tapboard tapboard tapboard-host",
        ".ci/run",
        "cargo build --release --workspace",
    ),
    ("sudo apt-get install -y netcat-openbsd", ".ci/run", "netcat-openbsd"),
    // The same tests, from a file that includes them.
    ("cargo test --example own_service", "tests/examples.rs", "mod own_service;"),
    // The same tests, by their manifest.
    (
        "cd examples/embassy-net && cargo test",
        ".ci/run",
        "cargo test --manifest-path examples/embassy-net/Cargo.toml",
    ),
    // A directory that is not in the repository.
    (
        "PACKETDRILL_SCRIPTS=/path cargo test --test packetdrill -- --ignored --nocapture",
        "tests/packetdrill/main.rs",
        "PACKETDRILL_SCRIPTS",
    ),
    // The same pages, not opened.
    ("cargo doc --open -p tapboard-firmware", ".ci/run", "cargo doc"),
    // All of it; this is a part.
    (".ci/run", ".ci/run", "cargo test --workspace"),
    // Some programs, in place of an hour of them.
    (".ci/fuzz 3600", ".ci/run", "beside \"Fuzzing\" .ci/fuzz"),
    // The same tests, once.
    (".ci/repeat 30", ".ci/run", "cargo test --workspace"),
    (".ci/repeat 200 user/reset_power bench/resets_early", ".ci/run", "cargo test --workspace"),
    // Shorter rounds of it, and a few of its worlds.
    ("cargo bench --bench nic", ".ci/run", "cargo bench --bench nic --profile dev -- --quick"),
    (
        "cargo bench --bench nic -- --quick",
        ".ci/run",
        "cargo bench --bench nic --profile dev -- --quick",
    ),
    (
        "cargo bench --bench nic -- lossy",
        ".ci/run",
        "cargo bench --bench nic --profile dev -- --quick --rows 10% lossy",
    ),
    (
        "cargo bench --bench nic -- http",
        ".ci/run",
        "cargo bench --bench nic --profile dev -- --quick http",
    ),
    (
        "cargo bench --bench nic -- frames",
        ".ci/run",
        "cargo bench --bench nic --profile dev -- --quick --rows ACK frames",
    ),
    // That it runs.
    ("cargo bench --bench sim", ".ci/run", "cargo bench --bench sim --profile dev"),
    // The boards are built for their targets, and run in QEMU by the runner that cargo starts.
    (
        "rustup target add thumbv7m-none-eabi && sudo apt-get install qemu-system-arm",
        ".ci/run",
        "qemu-system-arm qemu-system-misc",
    ),
    (
        "rustup target add riscv32imac-unknown-none-elf && sudo apt-get install qemu-system-misc",
        ".ci/run",
        "qemu-system-arm qemu-system-misc",
    ),
    (
        "cd firmware/boards/lm3s6965evb && cargo run --release",
        ".ci/boot",
        "firmware/boards/qemu \"$machine\" \"$elf\" \"$@\"",
    ),
    (
        "cd firmware/boards/riscv-virt && cargo run --release",
        ".ci/boot",
        "firmware/boards/qemu \"$machine\" \"$elf\" \"$@\"",
    ),
    (
        "cd firmware/boards/lm3s6965evb && cargo run --release -- --wire 7100",
        ".ci/boot",
        "start --wire 7100",
    ),
];

/// A command without the comment behind it.
pub(crate) fn bare(command: &str) -> &str {
    command.split("  #").next().unwrap_or(command).trim()
}

/// Whether the command is left to something else. That something has to exist.
pub(crate) fn is_elsewhere(command: &str) -> bool {
    let command = bare(command);
    let file = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    // Steps of CI, word for word, or a line of one.
    let is_step = |line: &str| line.starts_with("step ") && line.ends_with(command);
    if file(".ci/run").lines().any(|line| is_step(line) || line.trim_start() == command) {
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
