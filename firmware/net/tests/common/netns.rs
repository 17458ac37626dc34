//! A test on a real device runs in a user and network namespace of its own, as root in there, so that it needs no right
//! outside and leaves nothing behind. Where the machine cannot make one, the test says so and passes; with `CI` set it fails.

use std::fs::File;
use std::process::{Command, Output};
use std::{env, fs};

/// Set inside, to the namespace that it was made from.
const INSIDE: &str = "TAPBOARD_NET_IN_NETNS";

/// Runs `body` in a namespace of its own. `test` is the full name of the calling test.
pub(crate) fn run(test: &str, body: impl FnOnce()) {
    let namespace = fs::read_link("/proc/self/ns/net").expect("/proc is mounted");
    if let Some(outside) = env::var_os(INSIDE) {
        assert_ne!(namespace, outside, "{INSIDE} is set, and this is no namespace of its own");
        return body();
    }
    let flags = match flags() {
        Ok(flags) => flags,
        Err(why) => {
            assert!(env::var_os("CI").is_none(), "{test} cannot run here: {why}");
            // Past libtest's capture: a test that did not run must not look like one that did.
            let say = ["-c", "echo \"SKIPPED $0: $1\" >&2", test, &why];
            let _ = Command::new("sh").args(say).status();
            return;
        }
    };
    let output = Command::new("timeout")
        .args(["--kill-after=5", "300", "unshare", flags])
        .arg(env::current_exe().expect("the test binary has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, namespace)
        .output()
        .expect("timeout starts");
    show(&output);
    assert!(output.status.success(), "{test} failed in its namespace: {}", output.status);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("1 passed"), "{test} is not the name of one test of this binary");
}

/// The flags with which `unshare` makes a namespace here, or why it cannot.
fn flags() -> Result<&'static str, String> {
    for (program, package) in [
        ("unshare", "util-linux"),
        ("timeout", "coreutils"),
        ("ip", "iproute2"),
        ("ping", "iputils-ping"),
    ] {
        if !succeeds("sh", &["-c", "command -v \"$0\"", program]) {
            return Err(format!("`{program}` is missing; run `sudo apt-get install {package}`"));
        }
    }
    File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun cannot be opened ({error})"))?;
    let flags = ["-rn", "-n"].into_iter().find(|flags| succeeds("unshare", &[flags, "true"]));
    flags.ok_or_else(|| "`unshare -rn true` fails: no user namespaces".to_owned())
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

fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

fn show(output: &Output) {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}
