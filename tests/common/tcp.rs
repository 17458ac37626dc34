//! The TCP calls of [`NetStack`] under one short name each: both `embedded-nal` client traits have a
//! `socket` and a `connect`.

use embedded_nal::nb;
use embedded_nal::{TcpClientStack, TcpFullStack};
use tapboard_firmware::{Error, NetStack, TcpSocket};

pub(crate) fn socket(stack: &mut NetStack<'_>) -> TcpSocket {
    TcpClientStack::socket(stack).expect("a handle costs nothing")
}

/// A socket that listens on `port`.
#[track_caller]
pub(crate) fn listener(stack: &mut NetStack<'_>, port: u16) -> TcpSocket {
    let mut listener = socket(stack);
    stack.bind(&mut listener, port).expect("a free port");
    stack.listen(&mut listener).expect("a bound socket");
    listener
}

pub(crate) fn accept(stack: &mut NetStack<'_>, listener: &mut TcpSocket) -> Option<TcpSocket> {
    super::ready(stack.accept(listener)).map(|(socket, _)| socket)
}

pub(crate) fn connect(
    stack: &mut NetStack<'_>,
    socket: &mut TcpSocket,
    remote: &str,
) -> nb::Result<(), Error> {
    let remote = remote.parse().expect("a literal address");
    TcpClientStack::connect(stack, socket, remote)
}

pub(crate) fn send(
    stack: &mut NetStack<'_>,
    socket: &mut TcpSocket,
    data: &[u8],
) -> nb::Result<usize, Error> {
    TcpClientStack::send(stack, socket, data)
}

pub(crate) fn receive(
    stack: &mut NetStack<'_>,
    socket: &mut TcpSocket,
    buffer: &mut [u8],
) -> nb::Result<usize, Error> {
    TcpClientStack::receive(stack, socket, buffer)
}

/// Appends what can be read now to `heard`; true once the peer's FIN was reached.
#[track_caller]
pub(crate) fn read(stack: &mut NetStack<'_>, socket: &mut TcpSocket, heard: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 512];
    loop {
        match super::ready(receive(stack, socket, &mut buffer)) {
            None => return false,
            Some(0) => return true,
            Some(count) => heard.extend_from_slice(&buffer[..count]),
        }
    }
}

#[track_caller]
pub(crate) fn close(stack: &mut NetStack<'_>, socket: TcpSocket) {
    TcpClientStack::close(stack, socket).expect("close never fails");
}
