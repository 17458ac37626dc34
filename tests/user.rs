//! `tapboard user` against the kernel: what goes through it, both ways, whole or not at all.
//! Starting, ending and what it costs are in `user_process.rs`. `nc` means netcat-openbsd, as everywhere in this
//! project.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use common::ports::{free_port, local};
use common::process::{PATIENCE, breaks, connect, echo, pattern, readable};
use common::user::{Collector, User, field, line, run};
use tapboard::clock::RealClock;

#[test]
fn nc_gets_its_echo() {
    let user = User::quiet(&[]);
    assert_eq!(run(&format!("printf hello | nc -N 127.0.0.1 {}", user.echo.port())), "hello");
    assert_eq!(run(&format!("echo hi | nc -u -W 1 127.0.0.1 {}", user.echo.port())), "hi\n");
}

#[test]
fn nc_gets_the_socket_table() {
    let user = User::quiet(&[]);
    let table = run(&format!("printf 'netstat\\n' | nc -N 127.0.0.1 {}", user.shell.port()));
    for port in [7, 9, 19, 23, 80] {
        let listens = |line: &str| line.contains(&format!("*:{port} ")) && line.ends_with("LISTEN");
        assert!(table.lines().any(listens), "{table}");
    }
    assert!(table.contains("192.0.2.1:23 "), "the session itself is missing: {table}");
}

#[test]
fn chargen_and_discard_do_what_their_rfcs_say() {
    let user = User::quiet(&[]);
    let mut chargen = connect(user.chargen);
    let mut text = vec![0; 74 * 95 * 3];
    chargen.read_exact(&mut text).unwrap();
    let printing = |n: usize| b' ' + u8::try_from(n % 95).unwrap();
    for (row, line) in text.chunks(74).enumerate() {
        let expected = (0..72).map(|column| printing(row + column)).chain(*b"\r\n");
        assert!(line.iter().copied().eq(expected), "line {row}: {line:?}");
    }
    let discard = connect(user.discard);
    assert_eq!(echo(&discard, &pattern(1, 1_000_000)).unwrap(), b"");
}

#[test]
fn ten_megabytes_come_back_intact() {
    let user = User::quiet(&[]);
    let data = pattern(2, 10_000_000);
    let back = echo(&connect(user.echo), &data).unwrap();
    assert!(back == data, "{} bytes came back, changed", back.len());
}

#[test]
fn the_small_profile_echoes_as_well() {
    let user = User::quiet(&["--profile", "mcu"]);
    assert!(user.process.output().contains("; profile mcu: 2 KiB buffers\n"));
    let data = pattern(3, 1_000_000);
    assert!(echo(&connect(user.echo), &data).unwrap() == data);
}

#[test]
fn thirty_two_clients_at_once_are_all_served_by_eight_slots() {
    for profile in ["large", "mcu"] {
        let user = User::quiet(&["--profile", profile]);
        thread::scope(|scope| {
            for client in 0..32 {
                scope.spawn(move || {
                    let data = pattern(client, 100_000);
                    let back = echo(&connect(user.echo), &data);
                    let back = back.unwrap_or_else(|error| panic!("client {client}: {error}"));
                    assert!(back == data, "client {client}: {} bytes, changed", back.len());
                });
            }
        });
        // No SYN had to come again because the board had forgotten it.
        assert_eq!(user.shell().counter("syn_dropped"), 0, "{profile}");
    }
}

/// More clients than the gateway holds: the rest wait in the kernel, and all are served in the end.
#[test]
fn a_crowd_larger_than_the_gateway_is_served() {
    let user = User::quiet(&[]);
    // All connect before the first is served to its end.
    let crowd: Vec<_> = (0..100).map(|_| connect(user.echo)).collect();
    thread::scope(|scope| {
        for client in &crowd {
            scope.spawn(|| assert_eq!(echo(client, b"here").unwrap(), b"here"));
        }
    });
}

#[test]
fn a_reader_that_stops_stops_the_sender_and_costs_no_memory() {
    let user = User::quiet(&[]);
    let before = user.process.resident();
    let readers: Vec<_> = (0..4).map(|_| connect(user.chargen)).collect();
    // Everything between the board and its readers fills up; then the board can send no more.
    user.shell().until_full(19, &user.process);
    let grown = user.process.resident().saturating_sub(before);
    // The gateway's buffers, 5 MiB in all, are memory from their first use on.
    assert!(grown < 8 * 1024, "{grown} KiB more for four connections");
    for mut reader in readers {
        let mut text = vec![0; 3_000_000];
        reader.read_exact(&mut text).unwrap();
        assert!(text.chunks(74 * 95).all(|period| text.starts_with(period)));
    }
}

#[test]
fn a_client_that_shuts_down_its_side_gets_the_rest() {
    let user = User::quiet(&[]);
    let mut client = connect(user.echo);
    let data = pattern(5, 40_000);
    client.write_all(&data).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).unwrap();
    assert!(back == data);
}

/// Without this, `close` would send a FIN.
fn reset(client: TcpStream) {
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// The board has no urgent data, RFC 9293 3.8.5: it comes in line with the rest.
#[test]
fn urgent_bytes_come_back_where_they_were() {
    let user = User::quiet(&[]);
    let mut client = connect(user.echo);
    let mut send = |bytes: &[u8], back: &[u8]| {
        socket2::SockRef::from(&client).send_out_of_band(bytes).unwrap();
        client.write_all(b"de").unwrap();
        let mut echoed = vec![0; back.len()];
        client.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, back);
    };
    send(b"c", b"cde");
    send(b"abc", b"abcde");
}

#[test]
fn a_client_that_resets_mid_transfer_resets_the_board_s_connection() {
    let user = User::quiet(&[]);
    let mut shell = user.shell();
    let resets = shell.counter("resets_in");
    let mut reader = connect(user.chargen);
    reader.read_exact(&mut vec![0; 100_000]).unwrap();
    reset(reader);
    assert!(shell.until(|shell| shell.connection(19).is_none()), "it stays");
    assert_eq!(shell.counter("resets_in"), resets + 1);
    // An idle connection as well.
    let mut idle = connect(user.echo);
    idle.write_all(b"x").unwrap();
    idle.read_exact(&mut [0]).unwrap();
    reset(idle);
    assert!(shell.until(|shell| shell.connection(7).is_none()), "it stays");
    assert_eq!(shell.counter("resets_in"), resets + 2);
}

/// Clients that come, break off and go in every way at once cost the others nothing and leave nothing.
#[test]
fn a_mob_leaves_nothing_behind() {
    let user = User::quiet(&["--profile", "mcu"]);
    thread::scope(|scope| {
        for client in 0..16_u32 {
            let user = &user;
            scope.spawn(move || (0..15).for_each(|round| misbehave(user, client + round)));
        }
    });
    let mut shell = user.shell();
    let alone = |table: &str| table.lines().filter(|line| line.contains("192.0.2.1:")).count() == 1;
    assert!(shell.until(|shell| alone(&shell.ask("netstat"))), "{}", shell.ask("netstat"));
    let data = pattern(9, 100_000);
    assert!(echo(&connect(user.echo), &data).unwrap() == data);
}

fn misbehave(user: &User, kind: u32) {
    match kind % 5 {
        0 => drop(connect(user.echo)),
        1 => reset(connect(user.discard)),
        2 => {
            let mut client = connect(user.echo);
            client.write_all(&pattern(kind, 50_000)).unwrap();
            reset(client);
        }
        3 => {
            let mut client = connect(user.chargen);
            client.read_exact(&mut [0; 1000]).unwrap();
            // With what it has not read, this is a reset too.
            drop(client);
        }
        _ => {
            let data = pattern(kind, 10_000);
            assert!(echo(&connect(user.echo), &data).unwrap() == data);
        }
    }
}

/// Every slot is held by a client that does not read: the others wait without a busy loop, and get in
/// as soon as one is free.
#[test]
fn waiting_for_a_slot_costs_nothing() {
    let user = User::quiet(&[]);
    // Some slots are reserves of the other ports: as many as get one hold it, and one is told of none.
    let (mut shell, mut holders) = (user.shell(), Vec::new());
    loop {
        let unanswered = shell.counter("syn_unanswered");
        let mut holder = connect(user.echo);
        holder.write_all(b"x").unwrap();
        let mut served = false;
        assert!(shell.until(|shell| {
            served = readable(&holder, Duration::ZERO);
            served || shell.counter("syn_unanswered") > unanswered
        }));
        if !served {
            break;
        }
        holders.push(holder);
    }
    assert!(!holders.is_empty());
    shell.leave("exit");
    let waiting: Vec<_> = (0..30).map(|_| connect(user.echo)).collect();
    let spent = user.process.wakeups(|| assert!(!readable(&waiting[0], Duration::from_secs(3))));
    // A SYN of each at 0, 1 and 3 s.
    assert!(spent.count <= 50 * spent.seconds, "{spent:?}");
    drop(holders);
    thread::scope(|scope| {
        for client in &waiting {
            scope.spawn(|| assert_eq!(echo(client, b"here").unwrap(), b"here"));
        }
    });
}

/// The kernel has accepted by the time the board refuses: the client sees a connection, then a reset.
#[test]
fn a_board_port_nobody_listens_on_is_a_connection_that_is_reset() {
    let port = free_port();
    let user = User::quiet(&["-p", &format!("{port}:777")]);
    let mut client = connect(local(port));
    let error = client.read(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let banner = user.process.output();
    let forward = format!("  127.0.0.1:{port:<5} -> board port 777   your own\n");
    assert!(banner.contains(&forward), "{banner}");
}

/// The board refuses each at once, so that many places in the gateway are free again in one turn.
#[test]
fn a_crowd_larger_than_the_gateway_is_refused_to_the_last() {
    let port = free_port();
    let user = User::quiet(&["-p", &format!("{port}:777")]);
    // These stay, so that fewer are refused in a turn than would bring on another by themselves; nor
    // does anything else, when no timer of theirs runs any more.
    let holders: Vec<_> = (0..4).map(|_| connect(user.echo)).collect();
    for holder in &holders {
        assert_eq!(echo_byte(holder), b'x');
    }
    user.process.settles();
    // The kernel connects them while the gateway sleeps: it finds them all at once.
    user.process.signal("STOP");
    let mut crowd: Vec<_> = (0..100).map(|_| connect(local(port))).collect();
    user.process.signal("CONT");
    for client in &mut crowd {
        // Before the holders' keep-alive probes wake the gateway, 20 s after their last byte.
        client.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let error = client.read(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

/// Sends a byte and reads one; the connection stays open.
fn echo_byte(mut client: &TcpStream) -> u8 {
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).unwrap();
    byte[0]
}

/// The board has closed, the client has not: what the client still sends is refused, as on a cable.
#[test]
fn a_client_that_talks_on_after_the_board_has_closed_is_reset() {
    let user = User::quiet(&[]);
    let mut client = connect(user.shell);
    client.write_all(b"exit\n").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("bye\r\n"), "{rest}");
    client.write_all(b"are you there?\n").unwrap();
    assert!(breaks(&client), "the reset does not come through");
}

#[test]
fn telemetry_arrives_and_survives_its_collector() {
    let collector = Collector::on(free_port());
    let port = collector.port();
    let user = User::with_telemetry(port);
    let mut telemetry = collector.accept();
    let first = line(&mut telemetry);
    let second = line(&mut telemetry);
    assert_eq!(field(&second, "seq"), field(&first, "seq") + 1);
    assert!(field(&second, "uptime_ms") > field(&first, "uptime_ms"));
    assert!((20_000..=30_000).contains(&field(&second, "temp_mc")), "{second}");
    drop((telemetry, collector));

    // Gone; the board notices when its next line is answered with a reset.
    let mut shell = user.shell();
    let failed = shell.counter("failed_connects");
    assert!(shell.until(|shell| shell.counter("failed_connects") > failed));
    let collector = Collector::on(port);
    let third = line(&mut collector.accept());
    assert!(field(&third, "seq") > field(&second, "seq"));
    assert!(field(&third, "uptime_ms") > field(&second, "uptime_ms"));
}

#[test]
fn the_board_reaches_only_what_is_allowed() {
    let forbidden = Collector::on(free_port());
    let to = format!("192.0.2.2:{}", forbidden.port());
    let allowed = free_port().to_string();
    let user = User::start(&["--telemetry", &to, "--allow", &allowed], common::process::tapboard);
    let mut shell = user.shell();
    // Refused twice, and nothing came through.
    assert!(shell.until(|shell| shell.counter("failed_connects") >= 2));
    assert!(!readable_now(&forbidden), "the board reached a port that was not allowed");
    // The user can know why.
    let output = user.process.output();
    assert!(output.contains(&format!("add --allow {}", forbidden.port())), "{output}");
}

fn readable_now(collector: &Collector) -> bool {
    collector.is_found_within(Duration::ZERO)
}

#[test]
fn telemetry_finds_a_collector_that_comes_late() {
    let port = free_port();
    let user = User::with_telemetry(port);
    let mut shell = user.shell();
    assert!(shell.until(|shell| shell.counter("failed_connects") >= 3));
    let collector = Collector::on(port);
    line(&mut collector.accept());
}

#[test]
fn reset_power_cycles_the_board() {
    let collector = Collector::on(free_port());
    let user = User::with_telemetry(collector.port());
    let mut before = collector.accept();
    line(&mut before);
    let mut bystander = connect(user.echo);
    bystander.write_all(b"x").unwrap();
    bystander.read_exact(&mut [0]).unwrap();

    let shell = user.shell();
    let asked = RealClock::new();
    assert!(shell.leave("reset").contains("resetting"));
    user.process.prints("board: reset");
    let mut after = collector.accept();
    let first = line(&mut after);
    assert_eq!(field(&first, "seq"), 0);
    // It counts from its restart.
    let since_asked = asked.now().total_millis().cast_unsigned();
    assert!(field(&first, "uptime_ms") <= since_asked, "{first} after {since_asked} ms");
    // The board knows nothing of the connections of its last boot, and says so when it hears of them: now, or
    // before, if the gateway still had to acknowledge something.
    let heard = bystander.write_all(b"x").and_then(|()| bystander.read(&mut [0]));
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(echo(&connect(user.echo), b"new").unwrap(), b"new");
}

#[test]
fn datagrams_of_many_clients_find_their_way_back() {
    let user = User::quiet(&[]);
    // More clients than there are conversations: the longest idle ones make room.
    for client in 0..100_u8 {
        let socket = std::net::UdpSocket::bind(local(0)).unwrap();
        let datagram = vec![client; 1 + usize::from(client) * 14];
        let mut back = [0; 2000];
        socket.send_to(&datagram, user.echo).unwrap();
        assert!(readable(&socket, PATIENCE), "client {client} got nothing");
        let (count, from) = socket.recv_from(&mut back).unwrap();
        assert_eq!((&back[..count], from), (&datagram[..], user.echo));
    }
}

#[test]
fn a_burst_of_datagrams_comes_back_whole() {
    for profile in ["large", "mcu"] {
        let user = User::quiet(&["--profile", profile]);
        let socket = std::net::UdpSocket::bind(local(0)).unwrap();
        // As many as a kernel keeps for a socket that nobody reads for a while.
        let burst: Vec<_> =
            (0..100_u8).map(|number| vec![number; 1 + usize::from(number)]).collect();
        for datagram in &burst {
            socket.send_to(datagram, user.echo).unwrap();
        }
        let mut back = [0; 2000];
        for datagram in &burst {
            assert!(readable(&socket, PATIENCE), "{profile}: {} is missing", datagram[0]);
            let (count, _) = socket.recv_from(&mut back).unwrap();
            assert_eq!(&back[..count], datagram);
        }
    }
}
