//! The board's own page: what is in the firmware is what it was made of, and in a browser it does what it is for.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Read;

use common::browser::{Browser, CHROMIUM};
use common::netns;
use common::process::Process;
use common::user::{Forwards, run};
use flate2::read::GzDecoder;

const SOURCE: &str = "firmware/src/service/http/page.html";
const PAGE: &str = "firmware/src/service/http/page.html.gz";

/// The most that the page may take of a chip's flash, bytes.
const BUDGET: usize = 12 * 1024;

/// `gzip` would not do: what makes the page is no part of what it is.
#[test]
fn the_page_in_flash_is_the_one_in_the_source() {
    let source = fs::read_to_string(SOURCE).expect("the source");
    let packed = fs::read(PAGE).expect("the page");
    let mut page = String::new();
    let unpacked = GzDecoder::new(&packed[..]).read_to_string(&mut page);
    assert!(
        unpacked.is_ok() && page == source,
        "{PAGE} is not {SOURCE}; run: gzip -9nc {SOURCE} >{PAGE}"
    );
    assert!(packed.len() <= BUDGET, "{} bytes", packed.len());
    let (flags, time) = (packed[3], &packed[4..8]);
    assert!(flags == 0 && time == [0; 4], "with a name or a time; run: gzip -9nc {SOURCE} >{PAGE}");
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} leads elsewhere");
    }
}

const TOKEN: &str = "open-sesame";

/// What somebody at the page sees and does. `board` has a console, its shell is at `shell`.
fn at_the_page(board: &mut Process, url: &str, shell: &str) {
    let lit = || run(&format!("printf 'led\\n' | nc -N {shell}")).contains("led is on");
    let mut browser = Browser::start();
    browser.go(url);
    browser.until("document.getElementById('state')?.textContent === 'live'");
    browser.value("window.same = true");
    browser.until("document.getElementById('name').textContent.startsWith('tapboard-')");
    browser.until("/^2\\d\\.\\d\\d \\u00b0C$/.test(document.getElementById('temp').textContent)");
    browser.until("document.querySelectorAll('#sockets tr').length > 5");
    let line = "document.getElementById('line').getAttribute('d')";
    let before = browser.value(line);
    browser.until(&format!("{line} !== {before} && {line}.split('L').length > 2"));

    // With the keyboard alone. Without the token it asks for it, and nothing is switched.
    browser.press("Tab", 9, "");
    assert_eq!(browser.value("document.activeElement.id"), "led");
    browser.press(" ", 32, " ");
    browser.until("document.getElementById('login').open");
    assert_eq!(browser.value("document.activeElement.id"), "token");
    browser.press("Escape", 27, "");
    browser.until("!document.getElementById('login').open");
    let checked = "document.getElementById('led').getAttribute('aria-checked')";
    assert_eq!((browser.value(checked), lit()), ("false".into(), false));

    browser.press(" ", 32, " ");
    browser.until("document.getElementById('login').open");
    browser.write(TOKEN);
    browser.press("Enter", 13, "\r");
    browser.until(&format!("{checked} === 'true'"));
    assert!(lit(), "the board's LED is the one that was switched");
    assert_eq!(browser.complaints(false), [""; 0]);
    pictures(&mut browser, "live");

    // A cable that is out for three seconds.
    let lines = format!("{line}.split('M').length");
    let one = browser.value(&lines);
    board.command("unplug", "the cable is out");
    browser.until("document.getElementById('state').textContent === 'no answer for 3 s'");
    let ups = "document.getElementById('link-ups').textContent";
    assert_eq!(browser.value(ups), "unplugged, or off");
    browser.show_as((320, 640), "light");
    fits(&mut browser, "of a small phone, without an answer");
    pictures(&mut browser, "away");
    board.command("plug", "the cable is in");
    browser.until("document.getElementById('state').textContent === 'live'");
    browser.until(&format!("{lines} > {one}"));
    browser.until(&format!("{ups} === 'plugged in 1\\u00d7'"));

    // A board that forgets all.
    board.command("reset", "board: ");
    browser.until(&format!("{ups} === 'never unplugged' && {checked} === 'false'"));
    browser.until("document.getElementById('state').textContent === 'live'");
    browser.value("document.getElementById('led').click()");
    browser.until(&format!("{checked} === 'true'"));
    assert!(lit(), "whoever was logged in still is");
    assert_eq!(browser.value("window.same"), true, "it was not loaded anew");
    assert_eq!(browser.complaints(true), [""; 0]);
}

/// Nothing is beside the screen, and no text beside its tile.
fn fits(browser: &mut Browser, screen: &str) {
    for wide in [
        "document.documentElement.scrollWidth > innerWidth",
        "[...document.querySelectorAll('.tile')].some(tile => tile.scrollWidth > tile.clientWidth)",
    ] {
        assert_eq!(browser.value(wide), false, "{screen}: {wide}");
    }
}

/// Files for somebody to look at, if `TAPBOARD_PICTURES` names a directory.
fn pictures(browser: &mut Browser, what: &str) {
    let Some(directory) = std::env::var_os("TAPBOARD_PICTURES") else { return };
    for (name, size) in [("small", (320, 640)), ("phone", (390, 844)), ("desktop", (1100, 720))] {
        for scheme in ["light", "dark"] {
            browser.show_as(size, scheme);
            fits(browser, name);
            let path =
                std::path::Path::new(&directory).join(format!("{what}-{name}-{scheme}.base64"));
            fs::write(path, browser.picture()).expect("it can be written");
        }
    }
}

#[test]
fn in_a_browser_through_the_gateway() {
    if !netns::succeeds(CHROMIUM.0, &["--version"]) {
        return netns::skip("in_a_browser_through_the_gateway", "no chromium");
    }
    let forwards = Forwards::free();
    let mut board =
        Process::with_console(&forwards.arguments(&[], &["--no-telemetry", "--token", TOKEN]));
    let url = format!("http://{}/", forwards.http);
    at_the_page(&mut board, &url, &format!("127.0.0.1 {}", forwards.shell.port()));
}

#[test]
fn in_a_browser_on_a_tap() {
    netns::run("in_a_browser_on_a_tap", &[CHROMIUM, ("nc", "netcat-openbsd")], || {
        let mut board = Process::with_console(&["tap", "--no-telemetry", "--token", TOKEN]);
        at_the_page(&mut board, "http://192.0.2.1/", "192.0.2.1 23");
    });
}
