//! The board's settings in a file: made in the shell, kept by the program, in effect after a reset.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Read;
use std::net::SocketAddr;

use common::netns;
use common::process::{Process, connect, finished, tapboard};
use common::scratch::Scratch;
use common::user::{Shell, User, run};

/// The first line of a session with the shell at that address.
fn greeting(shell: SocketAddr) -> String {
    let (mut stream, mut text) = (connect(shell), Vec::new());
    while !text.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a greeting");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn a_name_outlives_a_reset_and_the_program() {
    let scratch = Scratch::new();
    let path = scratch.path("board.conf");
    let user = User::quiet(&["--settings", &path]);
    let mut shell = user.shell();
    assert!(
        shell.ask("set name greenhouse").starts_with("name is greenhouse, after save and reset")
    );
    assert!(shell.ask("set ip 192.0.2.0/24").starts_with("ip is dhcp, or the ADDR/LEN of a host"));
    assert!(shell.ask("set gateway 192.0.2.254").starts_with("gateway is 192.0.2.254, after"));
    assert!(greeting(user.shell).starts_with("tapboard-02005e000001, "), "it is not in effect yet");
    assert!(shell.ask("save").starts_with("saved"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "name=greenhouse\ngateway=192.0.2.254\n");
    run(&format!("printf 'reset\\n' | nc -N 127.0.0.1 {}", user.shell.port()));
    user.process.prints("settings: name is greenhouse\n");
    user.process.prints("settings: gateway 192.0.2.254 is without effect, the gateway here knows");
    assert!(greeting(user.shell).starts_with("greenhouse, "));
    drop(user);

    let user = User::quiet(&["--settings", &path]);
    assert!(greeting(user.shell).starts_with("greenhouse, "));
    let mut shell = user.shell();
    shell.ask("unset name");
    shell.ask("save");
    assert_eq!(fs::read_to_string(&path).unwrap(), "gateway=192.0.2.254\n");
    drop(user);

    fs::write(&path, "name=greenhouse\n").unwrap();
    let user = User::quiet(&["--settings", &path, "--board-name", "shed"]);
    user.process.prints("settings: name greenhouse is without effect, --board-name is given\n");
    assert!(greeting(user.shell).starts_with("shed, "));
}

#[test]
fn what_is_not_saved_is_gone_after_a_reset() {
    let scratch = Scratch::new();
    let user = User::quiet(&["--settings", &scratch.path("board.conf")]);
    user.shell().ask("set name greenhouse");
    run(&format!("printf 'reset\\n' | nc -N 127.0.0.1 {}", user.shell.port()));
    user.process.prints("board: reset\n");
    assert!(greeting(user.shell).starts_with("tapboard-02005e000001, "));
    assert!(user.shell().ask("set name").starts_with("name       (as built)"));
}

#[test]
fn a_damaged_file_ends_the_program_before_the_board_is_up() {
    let scratch = Scratch::new();
    for command in ["user", "tap"] {
        let path = scratch.file("board.conf", "ip: dhcp\n");
        let output = finished(&[command, "--settings", &path]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{errors}");
        let why =
            format!("the settings in {path} are damaged: line 1 is not NAME=VALUE; mend it, or");
        assert!(errors.contains(&why), "{errors}");
    }
    assert!(
        Process::spawn(tapboard(&["--guest", "udp:7100", "--settings", "x"]), None).exit()
            == Some(2)
    );
}

#[test]
fn an_address_is_the_boards_after_the_next_reset() {
    let tools = &[("ping", "iputils-ping"), ("nc", "netcat-openbsd")];
    netns::run("an_address_is_the_boards_after_the_next_reset", tools, || {
        let scratch = Scratch::new();
        let path = scratch.path("board.conf");
        let board = Process::up(&["tap", "--no-telemetry", "--settings", &path]);
        let mut shell = Shell::new(connect(([192, 0, 2, 1], 23).into()));
        shell.ask("set ip 192.0.2.9/24");
        shell.ask("set gateway 192.0.2.2");
        assert!(shell.ask("save").starts_with("saved"));
        run("ping -c 1 -W 20 192.0.2.1");
        run("printf 'reset\\n' | nc -N 192.0.2.1 23");
        board.prints("settings: ip is 192.0.2.9/24\nsettings: gateway is 192.0.2.2\n");
        run("ping -c 1 -W 20 192.0.2.9");
        let mut shell = Shell::new(connect(([192, 0, 2, 9], 23).into()));
        let ip = shell.ask("ip");
        assert!(ip.contains("192.0.2.9/24") && ip.contains("192.0.2.2"), "{ip}");
        // To where the host is not.
        shell.ask("set ip 198.51.100.9/24");
        shell.ask("set gateway 198.51.100.1");
        shell.ask("save");
        run("printf 'reset\\n' | nc -N 192.0.2.9 23");
        board.complains("the board is 198.51.100.9/24 now, and this host is 192.0.2.2/24 on tap0");
        drop(board);
        fs::write(&path, "ip=192.0.2.9/24\n").unwrap();
        // The interface was the program's; the next one has the host's addresses for the board's new one.
        let board = Process::up(&["tap", "--no-telemetry", "--settings", &path]);
        assert!(board.output().starts_with("The board is up: 192.0.2.9 on tap0."));
        run("ping -c 1 -W 20 192.0.2.9");
    });
}
