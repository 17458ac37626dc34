//! A web server over `NetStack`: each connection gets the same page. `serve` is one turn of it, to be called whenever the
//! stack has been polled; it never waits.

use tapboard_net::embedded_nal::nb;
use tapboard_net::{NetStack, TcpSocket};

/// The answer to every request.
pub const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\
    Connection: close\r\n\r\nhello\n";

/// A listening socket, and the connections that have not sent their whole request yet.
pub struct Server<const N: usize> {
    pub listener: TcpSocket,
    pub clients: [Option<TcpSocket>; N],
}

pub fn serve<const N: usize>(stack: &mut NetStack<'_>, server: &mut Server<N>) {
    for place in &mut server.clients {
        if place.is_none() {
            *place = stack.tcp_accept(&server.listener).ok().map(|(client, _)| client);
        }
        let Some(client) = place.take() else { continue };
        let mut request = [0; 1024];
        match stack.peek(&client, &mut request) {
            Ok(len) if request[..len].windows(4).any(|end| end == b"\r\n\r\n") => {
                let _ = stack.tcp_receive(&client, &mut request[..len]);
                let _ = stack.tcp_send(&client, PAGE);
                stack.tcp_close(client);
            }
            // Nothing that fits, no more to come, or gone.
            Ok(0 | 1024) | Err(nb::Error::Other(_)) => stack.abort(client),
            Ok(_) | Err(nb::Error::WouldBlock) => *place = Some(client),
        }
    }
}
