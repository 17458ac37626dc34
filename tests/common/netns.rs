//! Tests on a TAP: each runs in a user and network namespace of its own, as root in there, so
//! that it needs no right outside and leaves nothing behind.
//!
//! [`run`] starts the test binary again under `unshare`, for that one test, for at most [`LIMIT_S`]
//! seconds. Where the machine cannot make namespaces, or lacks a program or /dev/net/tun, the test
//! says so loudly and passes, but fails if `CI` is set.

// Compiled into several test binaries, none of which uses all of it.
#![allow(dead_code)]

use std::env;
use std::fs::{self, File};
use std::process::{Command, Output};

/// Set inside the namespace, to the namespace it was made from.
const INSIDE: &str = "TAPBOARD_IN_NETNS";
/// Set in a process started by [`again`]; its value is the stage.
const STAGE: &str = "TAPBOARD_STAGE";
/// How long a test may take, seconds, unless it says: far longer than the longest on a loaded machine, where each
/// wait of its own has a limit too.
const LIMIT_S: u32 = 600;
/// Program and Debian package of what `run` itself uses.
const TOOLS: [(&str, &str); 3] =
    [("unshare", "util-linux"), ("timeout", "coreutils"), ("ip", "iproute2")];

/// Runs `body` in a namespace of its own. `test` is the full name of the calling
/// test, `tools` the programs it needs, each with the Debian package that has it.
pub(crate) fn run(test: &str, tools: &[(&str, &str)], body: impl FnOnce()) {
    run_within(LIMIT_S, test, tools, body);
}

/// As [`run`], for a test that may take that many seconds.
pub(crate) fn run_within(limit_s: u32, test: &str, tools: &[(&str, &str)], body: impl FnOnce()) {
    let namespace = fs::read_link("/proc/self/ns/net").expect("/proc is mounted");
    if let Some(outside) = env::var_os(INSIDE) {
        assert_ne!(namespace, outside, "{INSIDE} is set, and this is no namespace of its own");
        return body();
    }
    let unshare = match unshare_flags(tools) {
        Ok(flags) => flags,
        Err(why) => return skip(test, &why),
    };
    // timeout kills unshare, which has become the test by exec.
    let mut command = Command::new("timeout");
    let limit_s = limit_s.to_string();
    command.args(["--kill-after=5", &limit_s, "unshare", unshare]).env(INSIDE, namespace);
    run_test(command, test);
}

/// The flags with which `unshare` makes a namespace here, once all `tools` are there; or why it cannot.
pub(crate) fn unshare_flags(tools: &[(&str, &str)]) -> Result<&'static str, String> {
    for &(program, package) in TOOLS.iter().chain(tools) {
        if !installed(program) {
            return Err(format!("`{program}` is missing; run `sudo apt-get install {package}`"));
        }
    }
    File::options().read(true).write(true).open("/dev/net/tun").map_err(|error| {
        let remedy = "run `sudo modprobe tun && sudo chmod 0666 /dev/net/tun`";
        format!("/dev/net/tun cannot be opened ({error}); {remedy}")
    })?;
    let flags = ["-rn", "-n"].into_iter().find(|flags| succeeds("unshare", &[flags, "true"]));
    flags.ok_or_else(|| {
        "`unshare -rn true` fails: no user namespaces; on Ubuntu run \
         `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
            .to_owned()
    })
}

/// Inside a namespace, runs the same test once more, under `wrapper` (a shell command line that
/// ends in executing its arguments, `"$@"`), in which [`stage`] then returns `name`.
pub(crate) fn again(test: &str, name: &str, wrapper: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", wrapper, "sh"]).env(STAGE, name);
    run_test(command, test);
}

/// The stage that [`again`] started, or "" in the first process of the namespace.
pub(crate) fn stage() -> String {
    env::var(STAGE).unwrap_or_default()
}

/// Appends this test binary with arguments for `test` alone, and runs it to success.
fn run_test(mut command: Command, test: &str) {
    let output = command
        .arg(env::current_exe().expect("the test binary has a path"))
        .args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"])
        .output()
        .expect("the test starts once more");
    show(&output);
    assert!(output.status.success(), "{test} failed in its namespace: {}", output.status);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("1 passed"), "{test} is not the name of one test of this binary");
}

/// Says that `test` did not run, and why; with `CI` set that is a failure.
pub(crate) fn skip(test: &str, why: &str) {
    assert!(env::var_os("CI").is_none(), "{test} cannot run here: {why}");
    // Past libtest's capture: a test that did not run must not look like one that did.
    let _ = Command::new("sh").args(["-c", "echo \"SKIPPED $0: $1\" >&2", test, why]).status();
}

/// Runs a shell command that must succeed, and returns its standard output.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("sh starts");
    if !output.status.success() {
        show(&output);
        panic!("`{command}`: {}", output.status);
    }
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether a program succeeds; its output is dropped.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// Whether there is such a program.
pub(crate) fn installed(program: &str) -> bool {
    succeeds("sh", &["-c", "command -v \"$0\"", program])
}

fn show(output: &Output) {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}
