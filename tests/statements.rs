//! What the project says about sockets, each statement a test, on one board's loopback in virtual time.

mod common;

use common::kernel_stack::{HANG, KernelStack};
use common::loopback::{Looped, LoopedMemory};
use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack, nb};
use smoltcp::time::Duration;
use tapboard::clock::RealClock;
use tapboard_firmware::config::{TCP_SLOTS, USER_TIMEOUT};
use tapboard_firmware::netstat::Protocol;
use tapboard_firmware::{Error, NetStack, TcpSocket};

const DELAY: Duration = Duration::from_millis(2);

fn listener(board: &mut Looped<'_>, port: u16) -> TcpSocket {
    let mut socket = TcpClientStack::socket(&mut board.stack).unwrap();
    TcpFullStack::bind(&mut board.stack, &mut socket, port).unwrap();
    TcpFullStack::listen(&mut board.stack, &mut socket).unwrap();
    socket
}

fn connected(board: &mut Looped<'_>, listener: &mut TcpSocket) -> (TcpSocket, TcpSocket) {
    let mut client = TcpClientStack::socket(&mut board.stack).unwrap();
    board.until(|stack| TcpClientStack::connect(stack, &mut client, Looped::at(7))).unwrap();
    let (served, _) = board.until(|stack| TcpFullStack::accept(stack, listener)).unwrap();
    (client, served)
}

fn send(board: &mut Looped<'_>, socket: &mut TcpSocket, bytes: &[u8]) {
    let sent = board.until(|stack| TcpClientStack::send(stack, socket, bytes));
    assert_eq!(sent, Ok(bytes.len()));
}

fn receive(board: &mut Looped<'_>, socket: &mut TcpSocket) -> Result<Vec<u8>, Error> {
    let mut buffer = [0; 256];
    let count = board.until(|stack| TcpClientStack::receive(stack, socket, &mut buffer))?;
    Ok(buffer[..count].to_vec())
}

fn close(board: &mut Looped<'_>, sockets: impl IntoIterator<Item = TcpSocket>) {
    for socket in sockets {
        TcpClientStack::close(&mut board.stack, socket).unwrap();
    }
    board.pass(Duration::from_secs(30));
    assert_eq!(board.stack.free_slots(), TCP_SLOTS);
}

#[test]
fn statement_1_a_client_socket_is_created_connects_sends_receives_and_closes() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    let mut listener = listener(&mut board, 7);

    let mut client = TcpClientStack::socket(&mut board.stack).expect("created");
    assert_eq!(board.stack.state_name(&client), "CLOSED");
    let connect =
        |stack: &mut NetStack<'_>| TcpClientStack::connect(stack, &mut client, Looped::at(7));
    board.until(connect).expect("connects");
    assert_eq!(board.stack.state_name(&client), "ESTABLISHED");

    let (mut served, _) = board.until(|stack| TcpFullStack::accept(stack, &mut listener)).unwrap();
    send(&mut board, &mut client, b"sends");
    assert_eq!(receive(&mut board, &mut served).unwrap(), b"sends");
    send(&mut board, &mut served, b"receives");
    assert_eq!(receive(&mut board, &mut client).unwrap(), b"receives");

    TcpClientStack::close(&mut board.stack, client).expect("closes");
    assert_eq!(receive(&mut board, &mut served).unwrap(), b"", "the server sees the end");
    close(&mut board, [served, listener]);
}

#[test]
fn statement_2_a_server_socket_is_bound_listens_and_accepts_and_data_flows_on_the_new_socket() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    let mut server = TcpClientStack::socket(&mut board.stack).expect("created");
    TcpFullStack::bind(&mut board.stack, &mut server, 7).expect("bound");
    assert_eq!(board.stack.state_name(&server), "CLOSED", "bound, and not listening yet");
    let accept = TcpFullStack::accept(&mut board.stack, &mut server);
    assert!(matches!(accept, Err(nb::Error::Other(Error::InvalidState))));
    TcpFullStack::listen(&mut board.stack, &mut server).expect("listens");
    assert_eq!(board.stack.state_name(&server), "LISTEN");
    let accept = TcpFullStack::accept(&mut board.stack, &mut server);
    assert!(matches!(accept, Err(nb::Error::WouldBlock)), "nobody asked yet");

    let (mut client, mut served) = connected(&mut board, &mut server);
    let (other, another) = connected(&mut board, &mut server);
    send(&mut board, &mut client, b"for the new socket");
    let data = TcpClientStack::receive(&mut board.stack, &mut server, &mut [0; 8]);
    assert_eq!(data, Err(nb::Error::Other(Error::InvalidState)), "the listener carries no data");
    let data = TcpClientStack::send(&mut board.stack, &mut server, b"x");
    assert_eq!(data, Err(nb::Error::Other(Error::InvalidState)), "neither way");
    assert_eq!(receive(&mut board, &mut served).unwrap(), b"for the new socket");
    assert_eq!(board.stack.state_name(&server), "LISTEN", "it goes on accepting");

    TcpClientStack::close(&mut board.stack, server).unwrap();
    assert_eq!(
        board.stack.state_name(&served),
        "ESTABLISHED",
        "a connection outlives its listener"
    );
    close(&mut board, [client, served, other, another]);
}

#[test]
fn statement_3_client_and_server_sockets_are_the_same_kind_and_only_the_order_of_calls_differs() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    // One array of one type; which is the client is decided by what is called on it.
    let [mut one, mut two]: [TcpSocket; 2] =
        std::array::from_fn(|_| TcpClientStack::socket(&mut board.stack).unwrap());
    TcpFullStack::bind(&mut board.stack, &mut one, 7).unwrap();
    TcpFullStack::listen(&mut board.stack, &mut one).unwrap();
    board.until(|stack| TcpClientStack::connect(stack, &mut two, Looped::at(7))).unwrap();
    let (mut three, _) = board.until(|stack| TcpFullStack::accept(stack, &mut one)).unwrap();
    // Once connected there is no difference left: either may speak first, and either may close.
    send(&mut board, &mut three, b"from the server");
    assert_eq!(receive(&mut board, &mut two).unwrap(), b"from the server");
    send(&mut board, &mut two, b"from the client");
    assert_eq!(receive(&mut board, &mut three).unwrap(), b"from the client");
    // And the calls of one are no calls for the other.
    let connect = TcpClientStack::connect(&mut board.stack, &mut one, Looped::at(9));
    assert_eq!(connect, Err(nb::Error::Other(Error::InvalidState)));
    let bind = TcpFullStack::bind(&mut board.stack, &mut two, 9);
    assert_eq!(bind, Err(Error::InvalidState));
    close(&mut board, [one, two, three]);
}

#[test]
fn statement_4_a_request_to_a_port_that_nobody_registered_is_refused() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    let listener = listener(&mut board, 7);
    let mut client = TcpClientStack::socket(&mut board.stack).unwrap();
    let result = board.until(|stack| TcpClientStack::connect(stack, &mut client, Looped::at(4242)));
    assert_eq!(result, Err(Error::ConnectionRefused));
    assert!(board.clock.now().total_millis() < 100, "refused, not timed out");
    // The same port, once registered, and no longer once it is not.
    TcpClientStack::close(&mut board.stack, listener).unwrap();
    let result = board.until(|stack| TcpClientStack::connect(stack, &mut client, Looped::at(7)));
    assert_eq!(result, Err(Error::ConnectionRefused));
    close(&mut board, [client]);
}

#[test]
fn statement_5_tcp_sockets_and_udp_sockets_both_exist() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    // Both on one port number: they are different namespaces.
    let mut tcp = listener(&mut board, 7);
    let mut udp = UdpClientStack::socket(&mut board.stack).unwrap();
    UdpFullStack::bind(&mut board.stack, &mut udp, 7).unwrap();

    let (client, served) = connected(&mut board, &mut tcp);
    let mut sender = UdpClientStack::socket(&mut board.stack).unwrap();
    UdpClientStack::connect(&mut board.stack, &mut sender, Looped::at(7)).unwrap();
    // A datagram keeps its bounds, which a stream does not have.
    for datagram in [&b"one"[..], b"two"] {
        board.until(|stack| UdpClientStack::send(stack, &mut sender, datagram)).unwrap();
    }
    let mut buffer = [0; 64];
    for expected in [&b"one"[..], b"two"] {
        let (count, from) =
            board.until(|stack| UdpClientStack::receive(stack, &mut udp, &mut buffer)).unwrap();
        assert_eq!(&buffer[..count], expected);
        board.until(|stack| UdpFullStack::send_to(stack, &mut udp, from, b"answer")).unwrap();
    }
    UdpClientStack::close(&mut board.stack, sender).unwrap();
    UdpClientStack::close(&mut board.stack, udp).unwrap();
    close(&mut board, [client, served, tcp]);
}

#[test]
fn statement_6_the_cable_is_unplugged_for_a_while_or_for_good() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    let mut listener = listener(&mut board, 7);
    let (mut client, mut served) = connected(&mut board, &mut listener);
    // For a while: what was sent meanwhile arrives when the cable is back.
    board.unplugged = true;
    send(&mut board, &mut client, b"into the void");
    board.pass(Duration::from_secs(10));
    assert_eq!(board.stack.state_name(&client), "ESTABLISHED");
    board.unplugged = false;
    assert_eq!(receive(&mut board, &mut served).unwrap(), b"into the void");
    board.pass(Duration::from_secs(1));
    // For good: both ends are given up after the stated time, and the slots come back.
    board.unplugged = true;
    send(&mut board, &mut client, b"never to arrive");
    let cut = board.clock.now();
    assert_eq!(receive(&mut board, &mut client), Err(Error::TimedOut));
    let gave_up = board.clock.now() - cut;
    let bound = USER_TIMEOUT + Duration::from_secs(40);
    assert!(gave_up >= USER_TIMEOUT && gave_up < bound, "{gave_up}");
    assert_eq!(receive(&mut board, &mut served), Err(Error::TimedOut));
    close(&mut board, [client, served, listener]);
}

#[test]
fn statement_6_traffic_is_delayed() {
    let mut memory = LoopedMemory::new();
    // Longer than a first retransmission takes: everything is sent at least twice.
    let mut board = Looped::new(&mut memory, Duration::from_millis(1200));
    let mut listener = listener(&mut board, 7);
    let (mut client, mut served) = connected(&mut board, &mut listener);
    for round in 0..10_u8 {
        send(&mut board, &mut client, &[round; 100]);
        assert_eq!(receive(&mut board, &mut served).unwrap(), [round; 100], "once, and in order");
    }
    let accepted = TcpFullStack::accept(&mut board.stack, &mut listener);
    assert!(matches!(accepted, Err(nb::Error::WouldBlock)), "repeated SYNs make no second one");
    close(&mut board, [client, served, listener]);
}

#[test]
fn statement_6_resources_run_out_and_come_back() {
    let mut memory = LoopedMemory::new();
    let mut board = Looped::new(&mut memory, DELAY);
    let mut listener = listener(&mut board, 7);
    // On a loopback a connection takes two of the eight slots.
    let pairs: Vec<_> = (0..3).map(|_| connected(&mut board, &mut listener)).collect();
    let mut first = TcpClientStack::socket(&mut board.stack).unwrap();
    let mut second = TcpClientStack::socket(&mut board.stack).unwrap();
    let connect = |stack: &mut NetStack<'_>, socket: &mut TcpSocket| {
        TcpClientStack::connect(stack, socket, Looped::at(7))
    };
    assert_eq!(connect(&mut board.stack, &mut first), Err(nb::Error::WouldBlock));
    assert_eq!(connect(&mut board.stack, &mut second), Err(nb::Error::WouldBlock));
    board.pass(Duration::from_secs(3));
    assert_eq!(board.stack.free_slots(), 0);
    let mut third = TcpClientStack::socket(&mut board.stack).unwrap();
    assert_eq!(
        connect(&mut board.stack, &mut third),
        Err(nb::Error::Other(Error::NoBufferSpace)),
        "an error, and nothing is lost"
    );
    // Once others are done, those that wait get in: nobody was refused.
    for (client, served) in pairs {
        TcpClientStack::close(&mut board.stack, client).unwrap();
        TcpClientStack::close(&mut board.stack, served).unwrap();
    }
    for socket in [&mut first, &mut second] {
        board.until(|stack| connect(stack, socket)).unwrap();
        assert_eq!(board.stack.state_name(socket), "ESTABLISHED");
    }
    close(&mut board, [first, second, third, listener]);
}

/// The call flow of statements 1 and 2, on any stack: `turn` gives the stack its turn.
fn call_flow<S: TcpFullStack>(
    stack: &mut S,
    remote: impl Fn(&S) -> std::net::SocketAddr,
    mut turn: impl FnMut(&mut S),
) -> Vec<String> {
    let mut heard = Vec::new();
    let mut server = stack.socket().unwrap();
    stack.bind(&mut server, 7).unwrap();
    stack.listen(&mut server).unwrap();
    let remote = remote(stack);
    let mut client = stack.socket().unwrap();
    let mut wait = |stack: &mut S, call: &mut dyn FnMut(&mut S) -> nb::Result<usize, S::Error>| {
        let clock = RealClock::new();
        while clock.now() < HANG {
            match call(stack) {
                Err(nb::Error::WouldBlock) => turn(stack),
                result => return result.map_err(|_| ()).expect("no error"),
            }
        }
        panic!("it does not happen");
    };
    wait(stack, &mut |stack| stack.connect(&mut client, remote).map(|()| 0));
    let mut accepted = None;
    wait(stack, &mut |stack| {
        accepted = Some(stack.accept(&mut server)?.0);
        Ok(0)
    });
    let mut served = accepted.expect("accepted");
    let mut buffer = [0; 64];
    wait(stack, &mut |stack| stack.send(&mut client, b"question"));
    let count = wait(stack, &mut |stack| stack.receive(&mut served, &mut buffer));
    heard.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
    wait(stack, &mut |stack| stack.send(&mut served, b"answer"));
    let count = wait(stack, &mut |stack| stack.receive(&mut client, &mut buffer));
    heard.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
    stack.close(client).unwrap();
    let count = wait(stack, &mut |stack| stack.receive(&mut served, &mut buffer));
    heard.push(format!("end {count}"));
    stack.close(served).unwrap();
    stack.close(server).unwrap();
    heard
}

#[test]
fn statement_7_the_same_call_flow_works_on_the_operating_systems_sockets() {
    let mut memory = LoopedMemory::new();
    let Looped { mut stack, mut nic, mut clock, .. } = Looped::new(&mut memory, DELAY);
    let on_the_board = call_flow(
        &mut stack,
        |_| Looped::at(7),
        |stack| {
            let next = stack.poll_with(clock.now(), &mut nic, |_, _| None);
            let next = [next, nic.next_arrival()].into_iter().flatten().min();
            clock.advance_to(next.expect("something is still to come"));
        },
    );
    let on_the_kernel = call_flow(
        &mut KernelStack::new(),
        |stack| {
            let port = stack.local_port(Protocol::Tcp, 7).expect("bound");
            (std::net::Ipv4Addr::LOCALHOST, port).into()
        },
        |_| std::thread::yield_now(),
    );
    assert_eq!(on_the_board, ["question", "answer", "end 0"]);
    assert_eq!(on_the_board, on_the_kernel);
}
