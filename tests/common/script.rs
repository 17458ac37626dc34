//! Clients of the board's services, step by step, generic over the stack: the same calls on the firmware's
//! sockets and on the kernel's.

use std::net::{Ipv4Addr, SocketAddr};

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack, nb};
use smoltcp::time::Instant;

use super::recorder::Recorder;

/// One side of a run: gets a turn whenever something may have happened.
pub(crate) trait Actor<S> {
    /// Uses the stack. `true`: it has done all it wanted.
    fn turn(&mut self, now: Instant, stack: &mut Recorder<'_, S>) -> bool;
}

impl<S, F: FnMut(Instant, &mut Recorder<'_, S>) -> bool> Actor<S> for F {
    fn turn(&mut self, now: Instant, stack: &mut Recorder<'_, S>) -> bool {
        self(now, stack)
    }
}

/// A port that nobody registers.
pub(crate) const NOBODY: u16 = 4242;

/// A port of the board.
pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), port))
}

/// Connects, then for each part sends it and waits for an answer that ends as expected, then closes.
/// With `until_end` the service closes first.
pub(crate) fn tcp_client<S: TcpFullStack>(
    port: u16,
    parts: &'static [(&'static [u8], &'static [u8])],
    until_end: bool,
) -> impl Actor<S> {
    let mut socket = None;
    let mut connected = false;
    let mut next = 0;
    let mut sent = 0;
    let mut heard = Vec::new();
    move |_now: Instant, stack: &mut Recorder<'_, S>| {
        let mut handle = match socket.take() {
            Some(handle) => handle,
            None => TcpClientStack::socket(stack).unwrap(),
        };
        if !connected {
            match TcpClientStack::connect(stack, &mut handle, at(port)) {
                Ok(()) => connected = true,
                Err(nb::Error::WouldBlock) => {}
                Err(nb::Error::Other(_)) => {
                    TcpClientStack::close(stack, handle).unwrap();
                    return true;
                }
            }
        }
        let mut buffer = [0; 512];
        loop {
            if !connected {
                break;
            }
            if let Some((question, answer)) = parts.get(next) {
                if sent < question.len() {
                    match TcpClientStack::send(stack, &mut handle, &question[sent..]) {
                        Ok(count) => sent += count,
                        Err(nb::Error::WouldBlock) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                    continue;
                }
                if heard.ends_with(answer) && !heard.is_empty() {
                    (next, sent) = (next + 1, 0);
                    heard.clear();
                    continue;
                }
            } else if !until_end {
                TcpClientStack::close(stack, handle).unwrap();
                return true;
            }
            match TcpClientStack::receive(stack, &mut handle, &mut buffer) {
                Ok(0) => {
                    TcpClientStack::close(stack, handle).unwrap();
                    return true;
                }
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        socket = Some(handle);
        false
    }
}

/// Sends each part once the one before has come back.
pub(crate) fn udp_client<S: UdpFullStack>(parts: &'static [&'static [u8]]) -> impl Actor<S> {
    let mut socket = None;
    let mut next = 0;
    move |_now: Instant, stack: &mut Recorder<'_, S>| {
        let mut handle = if let Some(handle) = socket.take() {
            handle
        } else {
            let mut handle = UdpClientStack::socket(stack).unwrap();
            UdpClientStack::connect(stack, &mut handle, at(7)).unwrap();
            UdpClientStack::send(stack, &mut handle, parts[0]).unwrap();
            handle
        };
        let mut buffer = [0; 2048];
        if let Ok((count, _)) = UdpClientStack::receive(stack, &mut handle, &mut buffer) {
            assert_eq!(&buffer[..count], parts[next]);
            next += 1;
            let Some(part) = parts.get(next) else {
                UdpClientStack::close(stack, handle).unwrap();
                return true;
            };
            UdpClientStack::send(stack, &mut handle, part).unwrap();
        }
        socket = Some(handle);
        false
    }
}
