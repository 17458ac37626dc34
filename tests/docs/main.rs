//! The documents: every command of README.md, CONTRIBUTING.md and `docs/` is carried out here and prints what
//! the page shows, or is one that something else does, by name; every link leads somewhere.
//!
//! Commands are in blocks that begin with ```` ```console ````, each with `$ ` before it and what it prints after
//! it. Words after `console` tell this test more: the command `stays` and has printed what is shown while it
//! runs; what stayed before it ends, so that it is `alone`; its `figures` may differ, or its `speed` alone; it `fails`.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod elsewhere;
mod layers;
mod links;
mod markdown;
mod recording;
mod session;
mod shown;
mod workflow;

use std::collections::BTreeSet;

use common::netns::{self, sh};
use elsewhere::{bare, is_elsewhere, listed};
use markdown::{Page, pages};
use session::{Session, built};

/// What the pages use, beside the programs under test, with its Debian package.
const TOOLS: [(&str, &str); 5] = [
    ("nc", "netcat-openbsd"),
    ("ping", "iputils-ping"),
    ("tshark", "tshark"),
    ("bridge", "iproute2"),
    ("bash", "bash"),
];

/// How long a page may take, seconds.
const LIMIT_S: u32 = 300;

/// Carries out a page's commands in a namespace of its own.
fn carry_out(test: &str, path: &str) {
    let needed = [
        "tapboard-host",
        "examples/own_service",
        "examples/line_service",
        "examples/bad_cable",
        "examples/slow_transfer",
        "examples/echo",
        "examples/plain_smoltcp",
    ];
    if let Some(program) = needed.iter().find(|program| !built().join(program).is_file()) {
        return netns::skip(test, &format!("{program} is not built; run `cargo test --workspace`"));
    }
    netns::run_within(LIMIT_S, test, &TOOLS, || {
        sh("ip link set lo up");
        let page = Page::read(path);
        let mut session = Session::new(test);
        for block in page.blocks.iter().filter(|block| block.is("console")) {
            session.block(&page, block);
        }
    });
}

macro_rules! pages {
    ($($test:ident $path:literal),* $(,)?) => {
        const CARRIED_OUT: &[&str] = &[$($path),*];
        $(#[test]
        fn $test() {
            carry_out(stringify!($test), $path);
        })*
    };
}

pages! {
    contributing "CONTRIBUTING.md",
    readme "README.md",
    captures "docs/captures.md",
    ci "docs/ci.md",
    conformance "docs/conformance.md",
    dashboard "docs/dashboard.md",
    design "docs/design.md",
    fleet "docs/fleet.md",
    guest "docs/guest.md",
    harness "docs/harness.md",
    host "docs/host.md",
    migrating "docs/migrating.md",
    no_answer "docs/no-answer.md",
    page "docs/page.md",
    replay "docs/replay.md",
    service "docs/service.md",
    sim "docs/sim.md",
    sizes "docs/sizes.md",
    sockets "docs/sockets.md",
    speed "docs/speed.md",
    tap "docs/tap.md",
    user "docs/user.md",
}

#[test]
fn every_page_is_carried_out() {
    let carried_out: Vec<String> = CARRIED_OUT.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(
        pages(),
        carried_out.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
}

/// A command in another kind of block would be one that nobody runs.
#[test]
fn commands_are_in_console_blocks_only() {
    const WORDS: [&str; 6] = ["console", "stays", "alone", "figures", "speed", "fails"];
    const LANGUAGES: [&str; 5] = ["text", "rust", "yaml", "toml", "diff"];
    for page in pages().iter().map(|path| Page::read(path)) {
        for block in &page.blocks {
            let at = page.at(block.line);
            if block.info.first().is_some_and(|word| word == "console") {
                let unknown = block.info.iter().find(|word| !WORDS.contains(&word.as_str()));
                assert!(unknown.is_none(), "{at}: what is {unknown:?}?");
                assert!(!block.commands().is_empty(), "{at}: no command");
                assert!(!block.is("stays") || block.commands().len() == 1, "{at}: one that stays");
                continue;
            }
            let language = block.info.first().map_or("", String::as_str);
            assert!(
                LANGUAGES.contains(&language),
                "{at}: {language:?} is no language of these pages"
            );
            let command = block.text.iter().find(|line| line.starts_with("$ "));
            assert!(command.is_none(), "{at}: {command:?} is not in a console block");
        }
        let indented = page.prose.iter().find(|(_, line)| line.starts_with("    $ "));
        assert!(indented.is_none(), "{}: {indented:?}", page.path.display());
    }
}

#[test]
fn what_is_done_elsewhere_is_still_on_some_page() {
    let mut all = BTreeSet::new();
    for page in pages().iter().map(|path| Page::read(path)) {
        for block in page.blocks.iter().filter(|block| block.is("console")) {
            all.extend(block.commands().iter().map(|command| bare(&command.text).to_owned()));
        }
    }
    all.extend(workflow::commands());
    for command in listed() {
        assert!(all.contains(command), "no page has `{command}` any more");
        assert!(is_elsewhere(command));
    }
}

/// What is shown of the examples, the firmware's included, and of the minimal board is in one of them; line breaks
/// aside.
#[test]
fn code_is_that_of_an_example() {
    let bare = |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
    let directories = ["examples", "firmware/examples", "firmware/boards/minimal/src"];
    let paths = directories.iter().flat_map(|directory| {
        let listed = std::fs::read_dir(markdown::root().join(directory)).expect("the examples");
        listed.map(|entry| entry.expect("it can be listed").path())
    });
    let rust = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let examples: Vec<String> =
        rust.map(|path| bare(&std::fs::read_to_string(path).expect("UTF-8"))).collect();
    let mut count = 0;
    for page in pages().iter().map(|path| Page::read(path)) {
        let code = page.blocks.iter().filter(|block| block.is("rust") && !block.is("sketch"));
        for block in code {
            count += 1;
            let shown = bare(&block.text.join("\n"));
            let found = examples.iter().any(|example| example.contains(&shown));
            assert!(found, "{}: in no example", page.at(block.line));
        }
    }
    assert!(count >= 4, "{count} blocks: they are not found");
}

/// What the README says a chip needs is what `.ci/boards` has checked.
#[test]
fn the_readme_has_the_sizes_of_a_board() {
    let sizes = Page::read("docs/sizes.md");
    let row = sizes.prose.iter().find_map(|(_, line)| line.strip_prefix("| lm3s6965evb, IPv4 |"));
    let row: Vec<&str> = row.expect("the row of that board").split('|').map(str::trim).collect();
    let [flash, ram] = [row[0], row[2]].map(|kib| kib.parse::<f64>().expect("KiB").round());
    let said = format!("[{flash} KiB of flash and {ram} KiB of RAM](docs/sizes.md)");
    let readme = Page::read("README.md");
    assert!(readme.prose.iter().any(|(_, line)| line.contains(&said)), "README.md lacks {said}");
}

/// What another crate is told to depend on is what this one does.
#[test]
fn versions_are_those_of_the_workspace() {
    let manifest = std::fs::read_to_string(markdown::root().join("Cargo.toml")).unwrap();
    let version = |line: &str| line.split('"').nth(1).map(str::to_owned).unwrap_or_default();
    let mut count = 0;
    for page in pages().iter().map(|path| Page::read(path)) {
        for block in page.blocks.iter().filter(|block| block.is("toml")) {
            let lines = block.text.iter().filter_map(|line| line.split_once(" = "));
            for (name, value) in lines {
                count += 1;
                let at = page.at(block.line);
                if value.contains("path = ") {
                    // `../tapboard` is this tree.
                    let path = version(value).replacen("../tapboard", ".", 1);
                    let manifest = markdown::root().join(path).join("Cargo.toml");
                    let manifest = std::fs::read_to_string(manifest).unwrap_or_default();
                    let package = format!("[package]\nname = \"{name}\"");
                    assert!(manifest.contains(&package), "{at}: {name} is not there");
                    continue;
                }
                if value.contains("git = ") {
                    let address = format!("repository = \"{}\"", version(value));
                    assert!(manifest.contains(&address), "{at}: {name} from elsewhere");
                    continue;
                }
                let ours = manifest.lines().find(|line| line.starts_with(&format!("{name} = ")));
                let ours = version(ours.unwrap_or_else(|| panic!("{at}: {name} is none of ours")));
                assert_eq!(version(value), ours, "{at}: {name}");
            }
        }
    }
    assert!(count > 0, "they are not found");
}

#[test]
fn contributing_has_the_steps_of_ci() {
    let ci = std::fs::read_to_string(markdown::root().join(".ci/run")).unwrap();
    let begun = |line: &&str| line.starts_with("step \"") || line.starts_with("beside \"");
    let steps: Vec<&str> =
        ci.lines().filter(begun).filter_map(|line| line.split('"').nth(1)).collect();
    let page = Page::read("CONTRIBUTING.md");
    let table = page.prose.iter().skip_while(|(_, line)| !line.starts_with("| step "));
    let rows = table.skip(2).map_while(|(_, line)| line.strip_prefix("| ")?.split_once(" |"));
    assert_eq!(rows.map(|(name, _)| name).collect::<Vec<_>>(), steps);
}

#[test]
fn the_readme_is_short() {
    let lines =
        std::fs::read_to_string(markdown::root().join("README.md")).unwrap().lines().count();
    assert!(
        lines <= 230,
        "README.md has {lines} lines, of 230 at most; what is new belongs into docs/"
    );
}
