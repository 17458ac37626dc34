//! The adapter of the kernel's sockets keeps what those sockets mean: what fails, when, and with
//! what.

#[path = "common/kernel_stack.rs"]
mod kernel_stack;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, UdpFullStack, nb};
use kernel_stack::{Error, KernelStack, decided};
use socket2::SockRef;
use tapboard_firmware::netstat::Protocol;

/// An address that the tests map to one of their own.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9000);

/// A listening socket on the board's port 7.
fn listening(stack: &mut KernelStack) -> kernel_stack::TcpHandle {
    let mut listener = TcpClientStack::socket(stack).unwrap();
    TcpFullStack::bind(stack, &mut listener, 7).unwrap();
    TcpFullStack::listen(stack, &mut listener).unwrap();
    listener
}

#[test]
fn the_adapter_keeps_the_kernels_meaning_on_the_server_side() {
    let mut stack = KernelStack::new();
    let mut listener = listening(&mut stack);
    let mut second = TcpClientStack::socket(&mut stack).unwrap();
    assert_eq!(TcpFullStack::bind(&mut stack, &mut second, 7), Err(Error::AddressInUse));
    assert!(TcpFullStack::listen(&mut stack, &mut second).is_err(), "not bound");
    let nobody = stack.accept(&mut listener).map(drop);
    assert_eq!(nobody, Err(nb::Error::WouldBlock));
    let receive = TcpClientStack::receive(&mut stack, &mut listener, &mut [0; 1]);
    assert_eq!(receive, Err(nb::Error::Other(Error::NotConnected)), "a listener carries no data");

    let port = stack.local_port(Protocol::Tcp, 7).unwrap();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (mut accepted, remote) = decided(|| stack.accept(&mut listener)).unwrap();
    assert_eq!(remote, client.local_addr().unwrap());
    let mut buffer = [0; 8];
    let empty = TcpClientStack::receive(&mut stack, &mut accepted, &mut buffer);
    assert_eq!(empty, Err(nb::Error::WouldBlock));
    (&client).write_all(b"hi").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut receive =
        || decided(|| TcpClientStack::receive(&mut stack, &mut accepted, &mut buffer));
    assert_eq!((receive(), receive(), receive()), (Ok(2), Ok(0), Ok(0)), "data, then FIN");

    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let error = decided(|| match TcpClientStack::send(&mut stack, &mut accepted, b"x") {
        Err(nb::Error::Other(error)) => Ok(error),
        _ => Err(nb::Error::WouldBlock),
    });
    assert!(matches!(error, Ok(Error::Reset | Error::PipeClosed)), "{error:?}");
    for handle in [listener, second, accepted] {
        TcpClientStack::close(&mut stack, handle).unwrap();
    }
    assert_eq!(stack.open(), 0);
}

#[test]
fn the_adapter_keeps_the_kernels_meaning_on_the_client_side() {
    let mut stack = KernelStack::new();
    let mut listener = listening(&mut stack);
    let port = stack.local_port(Protocol::Tcp, 7).unwrap();
    stack.route(ELSEWHERE, (Ipv4Addr::LOCALHOST, port).into());
    let mut client = TcpClientStack::socket(&mut stack).unwrap();
    let send = TcpClientStack::send(&mut stack, &mut client, b"x");
    assert_eq!(send, Err(nb::Error::Other(Error::NotConnected)));
    decided(|| TcpClientStack::connect(&mut stack, &mut client, ELSEWHERE)).unwrap();
    let again = TcpClientStack::connect(&mut stack, &mut client, ELSEWHERE);
    assert_eq!(again, Err(nb::Error::Other(Error::AlreadyConnected)));
    let (accepted, _) = decided(|| stack.accept(&mut listener)).unwrap();
    assert_eq!(TcpClientStack::send(&mut stack, &mut client, b"x"), Ok(1));

    // The listener's port stays bound by the accepted connection, and nobody listens there now.
    TcpClientStack::close(&mut stack, listener).unwrap();
    let mut late = TcpClientStack::socket(&mut stack).unwrap();
    let refused = decided(|| TcpClientStack::connect(&mut stack, &mut late, ELSEWHERE));
    assert_eq!(refused, Err(Error::Refused));
    assert_eq!(Error::Refused.kind(), TcpErrorKind::Other);
    for handle in [client, accepted, late] {
        TcpClientStack::close(&mut stack, handle).unwrap();
    }
}

#[test]
fn the_adapter_keeps_the_kernels_meaning_for_udp() {
    use embedded_nal::UdpClientStack as Udp;

    let mut stack = KernelStack::new();
    let mut server = Udp::socket(&mut stack).unwrap();
    let mut buffer = [0; 8];
    let unbound = Udp::receive(&mut stack, &mut server, &mut buffer).map(drop);
    assert_eq!(unbound, Err(nb::Error::Other(Error::NotConnected)));
    UdpFullStack::bind(&mut stack, &mut server, 7).unwrap();
    let mut second = Udp::socket(&mut stack).unwrap();
    assert_eq!(UdpFullStack::bind(&mut stack, &mut second, 7), Err(Error::AddressInUse));
    let port = stack.local_port(Protocol::Udp, 7).unwrap();
    stack.route(ELSEWHERE, (Ipv4Addr::LOCALHOST, port).into());
    Udp::connect(&mut stack, &mut second, ELSEWHERE).unwrap();
    Udp::send(&mut stack, &mut second, b"hello").unwrap();
    let (length, remote) = decided(|| Udp::receive(&mut stack, &mut server, &mut buffer)).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    decided(|| stack.send_to(&mut server, remote, b"")).unwrap();
    let (length, _) = decided(|| Udp::receive(&mut stack, &mut second, &mut buffer)).unwrap();
    assert_eq!(length, 0);
    Udp::close(&mut stack, server).unwrap();
    Udp::close(&mut stack, second).unwrap();
    assert_eq!(stack.open(), 0);
}
