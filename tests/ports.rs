//! What `tests/common/ports.rs` promises: a port that a test was given is its own.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use common::ports::{free_offset, free_port, local};
use socket2::{Domain, Socket, Type};

/// Binds as who looks for a free port does, without `SO_REUSEADDR`.
fn look(port: u16) -> std::io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&local(port).into())
}

#[test]
fn a_port_refuses_clients_and_others_until_its_test_listens_there_and_after() {
    let port = free_port();
    for _ in 0..2 {
        let refused = TcpStream::connect(local(port)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(look(port).unwrap_err().kind(), ErrorKind::AddrInUse);
        let (listener, _udp) = (TcpListener::bind(local(port)), UdpSocket::bind(local(port)));
        let listener = listener.unwrap();
        let mut client = TcpStream::connect(local(port)).unwrap();
        listener.accept().unwrap().0.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn a_port_with_a_udp_socket_is_not_given() {
    let before = free_port();
    let taken: Vec<_> = (1..=10).map(|next| UdpSocket::bind(local(before + next))).collect();
    let taken: BTreeSet<_> =
        taken.iter().flatten().map(|socket| socket.local_addr().unwrap().port()).collect();
    assert!(!taken.is_empty());
    for _ in 0..10 {
        assert!(!taken.contains(&free_port()));
    }
}

#[test]
fn no_port_is_given_twice() {
    let ports: BTreeSet<_> = (0..100).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 100);
    let offset = free_offset(&[7, 1007]);
    for port in [offset + 7, offset + 1007] {
        assert!(!ports.contains(&port));
        assert_eq!(look(port).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
