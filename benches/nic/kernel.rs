//! The same services on the kernel's own sockets: the other end of a veth, or of a bridge.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tapboard_host::bench::cyclic_pattern::CyclicPattern;
use tapboard_host::bench::plan::Test;

use crate::http;
use crate::lossy::limit;
use crate::namespace::{run, send_unpaced};
use crate::peer::{PREFIX, peer_address};
use crate::role::{UNPACED, UP_APART, say, say_up};

/// Bytes of one read or write.
const CHUNK: usize = 64 * 1024;

/// Serves on `device` of this process's own namespace, which is there once standard input ends; either [`UNPACED`], or
/// with that congestion control.
pub(crate) fn serve(device: &str, subnet: u8, control: &str) -> Result<(), String> {
    if control == UNPACED {
        send_unpaced();
    }
    say(UP_APART);
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .map_err(|error| format!("cannot wait for {device}: {error}"))?;
    let address = peer_address(subnet);
    run("ip", "link set lo up")?;
    run("ip", &format!("addr add {address}/{PREFIX} dev {device}"))?;
    run("ip", &format!("link set {device} up"))?;
    if control != UNPACED {
        limit(device, subnet, address, control)?;
    }
    let listen = |port: u16, service: fn(&TcpStream) -> rustix::io::Result<()>| {
        let address = SocketAddr::new(address.into(), port);
        let listener = TcpListener::bind(address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        Ok::<_, String>(thread::spawn(move || accept(&listener, service)))
    };
    let port = |test: Test| test.service().port;
    let threads = [
        listen(port(Test::To), discard)?,
        listen(port(Test::From), chargen)?,
        listen(port(Test::Duplex), echo)?,
        listen(http::PORT, http::serve)?,
    ];
    say_up();
    for thread in threads {
        thread.join().map_err(|_| "a service has panicked".to_owned())??;
    }
    Ok(())
}

/// Serves each connection on a thread of its own; the client makes one at a time.
fn accept(
    listener: &TcpListener,
    service: fn(&TcpStream) -> rustix::io::Result<()>,
) -> Result<(), String> {
    loop {
        let (stream, _) = listener.accept().map_err(|error| format!("cannot accept: {error}"))?;
        thread::spawn(move || {
            // A client that resets its connection has had enough.
            let _ = stream.set_nodelay(true);
            let _ = service(&stream);
        });
    }
}

// `read` and `write` of the descriptor, not `recv` and `send` of the socket: /proc/PID/io counts these.

fn discard(stream: &TcpStream) -> rustix::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while rustix::io::read(stream, &mut buffer)? > 0 {}
    Ok(())
}

fn chargen(stream: &TcpStream) -> rustix::io::Result<()> {
    let pattern = CyclicPattern::chargen(CHUNK);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let result = discard(stream);
            ended.store(true, Ordering::Relaxed);
            result
        });
        let mut sent = 0;
        while !ended.load(Ordering::Relaxed) {
            sent += rustix::io::write(stream, pattern.slice(sent, CHUNK))? as u64;
        }
        let _ = stream.shutdown(Shutdown::Write);
        Ok(())
    })
}

fn echo(stream: &TcpStream) -> rustix::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = rustix::io::read(stream, &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let mut sent = 0;
        while sent < length {
            sent += rustix::io::write(stream, &buffer[sent..length])?;
        }
    }
}
