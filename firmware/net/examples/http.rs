//! A web server over [`NetStack`], without a program around it: each connection gets the same page.

use tapboard_net::embedded_nal::nb;
use tapboard_net::{NetStack, TcpSocket};

/// The answer to every request.
pub const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\
    Connection: close\r\n\r\nhello\n";

/// A listening socket, and the connections that have not sent their whole request yet.
#[derive(Debug)]
pub struct Server<const N: usize>(pub TcpSocket, pub [Option<TcpSocket>; N]);

/// One turn, to be taken between two polls of the stack; it never waits.
pub fn serve<const N: usize>(stack: &mut NetStack<'_>, Server(listener, clients): &mut Server<N>) {
    for place in clients {
        if place.is_none() {
            *place = stack.tcp_accept(listener).ok().map(|(client, _)| client);
        }
        let Some(client) = place.take() else { continue };
        let mut request = [0; 1024];
        match stack.peek(&client, &mut request) {
            Ok(len) if request[..len].ends_with(b"\r\n\r\n") => {
                let _ = stack.tcp_receive(&client, &mut request[..len]);
                let _ = stack.tcp_send(&client, PAGE);
                stack.tcp_close(client);
            }
            // Too long, no more to come, or gone.
            Ok(0 | 1024) | Err(nb::Error::Other(_)) => stack.abort(client),
            Ok(_) | Err(nb::Error::WouldBlock) => *place = Some(client),
        }
    }
}
