//! The same through the four embedded-nal traits, all imported at once: of one stack, and of one that several own.

use std::cell::RefCell;
use std::net::SocketAddr;

use crate::common::{Port, World, at, config};
use tapboard_net::embedded_nal::{
    TcpClientStack, TcpErrorKind, TcpFullStack, UdpClientStack, UdpFullStack, nb,
};
use tapboard_net::smoltcp::phy::Medium;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::{Error, NetStack, Shared, Sockets, Storage};

/// An echo server that knows of nothing but the trait.
struct EchoServer<S: TcpFullStack> {
    listener: S::TcpSocket,
    peer: Option<S::TcpSocket>,
}

impl<S: TcpFullStack> EchoServer<S> {
    fn new(stack: &mut S, port: u16) -> Result<Self, S::Error> {
        let mut listener = stack.socket()?;
        stack.bind(&mut listener, port)?;
        stack.listen(&mut listener)?;
        Ok(Self { listener, peer: None })
    }

    fn turn(&mut self, stack: &mut S) {
        if self.peer.is_none() {
            self.peer = stack.accept(&mut self.listener).ok().map(|(peer, _)| peer);
        }
        let Some(peer) = &mut self.peer else { return };
        let mut buffer = [0; 64];
        match stack.receive(peer, &mut buffer) {
            Ok(0) | Err(nb::Error::Other(_)) => {
                let _ = stack.close(self.peer.take().expect("there is one"));
            }
            Ok(count) => {
                assert!(matches!(stack.send(peer, &buffer[..count]), Ok(sent) if sent == count));
            }
            Err(nb::Error::WouldBlock) => {}
        }
    }
}

/// A client that says one thing and hears it again.
struct Client<S: TcpClientStack> {
    socket: Option<S::TcpSocket>,
    said: bool,
    heard: Vec<u8>,
}

impl<S: TcpClientStack> Client<S> {
    fn new(stack: &mut S) -> Result<Self, S::Error> {
        Ok(Self { socket: Some(stack.socket()?), said: false, heard: Vec::new() })
    }

    /// Whether it has heard all.
    fn turn(&mut self, stack: &mut S, remote: SocketAddr, message: &[u8]) -> bool {
        let Some(socket) = &mut self.socket else { return true };
        if !self.said {
            match stack.connect(socket, remote) {
                Err(nb::Error::WouldBlock) => return false,
                result => assert!(result.is_ok(), "{result:?}"),
            }
            assert!(matches!(stack.send(socket, message), Ok(sent) if sent == message.len()));
            self.said = true;
        }
        let mut buffer = [0; 64];
        if let Ok(count) = stack.receive(socket, &mut buffer) {
            self.heard.extend_from_slice(&buffer[..count]);
        }
        if self.heard.len() < message.len() {
            return false;
        }
        assert_eq!(self.heard, message);
        let _ = stack.close(self.socket.take().expect("there is one"));
        true
    }
}

/// A datagram there and back, through the traits of UDP.
struct Datagrams<S: UdpFullStack> {
    server: S::UdpSocket,
    client: S::UdpSocket,
}

impl<S: UdpFullStack> Datagrams<S> {
    fn new(server: &mut S, client: &mut S, remote: SocketAddr) -> Result<Self, S::Error> {
        let mut bound = server.socket()?;
        server.bind(&mut bound, remote.port())?;
        let mut connected = client.socket()?;
        client.connect(&mut connected, remote)?;
        assert!(client.send(&mut connected, b"ping").is_ok());
        Ok(Self { server: bound, client: connected })
    }

    fn serve(&mut self, stack: &mut S) {
        let mut buffer = [0; 8];
        if let Ok((count, peer)) = stack.receive(&mut self.server, &mut buffer) {
            assert!(stack.send_to(&mut self.server, peer, &buffer[..count]).is_ok());
        }
    }

    fn done(&mut self, stack: &mut S) -> bool {
        let mut buffer = [0; 8];
        let got = stack.receive(&mut self.client, &mut buffer);
        got.is_ok_and(|(count, _)| buffer[..count] == *b"ping")
    }
}

#[test]
fn a_stack_through_all_four_traits() {
    let mut world = World::pair();
    let mut server = EchoServer::new(world.stack(0), 7).unwrap();
    let mut client = Client::new(world.stack(1)).unwrap();
    world.until(crate::common::SOON, |world| {
        server.turn(world.stack(0));
        client.turn(world.stack(1), at(1, 7), b"hello").then_some(())
    });
    let [one, two] = &mut world.nodes[..] else { unreachable!("two nodes") };
    let mut datagrams = Datagrams::new(&mut one.stack, &mut two.stack, at(1, 69)).unwrap();
    world.until(crate::common::SOON, |world| {
        datagrams.serve(world.stack(0));
        datagrams.done(world.stack(1)).then_some(())
    });
    let Datagrams { server, client } = datagrams;
    UdpClientStack::close(world.stack(0), server).unwrap();
    UdpClientStack::close(world.stack(1), client).unwrap();
}

/// Two owners of one stack each have a client, beside a server of the same stack's, on two hosts.
#[test]
fn a_shared_stack_serves_several_owners() {
    let first = Port::first(Medium::Ethernet);
    let mut ports = [first.another(), first.another()];
    let mut now = Instant::from_secs(1);
    let mut storages = [(); 2].map(|()| Box::new(Storage::<4, 2048, 2, 1472>::new()));
    let (mut sockets, mut others) = (Sockets::<4, 2>::new(), Sockets::<4, 2>::new());
    let sockets = [&mut sockets, &mut others];
    let mut stacks = storages.iter_mut().zip(sockets).zip(&mut ports).zip([1, 2]).map(
        |(((storage, sockets), port), last)| {
            RefCell::new(NetStack::new(
                &config(last),
                port,
                now,
                u64::from(last),
                &mut **storage,
                sockets,
            ))
        },
    );
    let (one, two) = (stacks.next().unwrap(), stacks.next().unwrap());
    drop(stacks);
    let mut servers = [7, 8].map(|port| {
        let mut owner = Shared::new(&one);
        (EchoServer::new(&mut owner, port).unwrap(), owner)
    });
    // Each owner has a copy, which is the same stack.
    let mine = Shared::new(&two);
    let mut clients = [(mine, 7), (mine, 8)].map(|(mut owner, port)| {
        (Client::new(&mut owner).unwrap(), owner, at(1, port), format!("to port {port}"))
    });
    let (mut server, mut client) = (Shared::new(&one), mine);
    let mut datagrams = Datagrams::new(&mut server, &mut client, at(1, 69)).unwrap();
    let (mut done, mut rounds, mut heard) = ([false; 2], 0, false);
    while done != [true; 2] || !heard {
        for (server, owner) in &mut servers {
            server.turn(owner);
        }
        for ((client, owner, remote, text), done) in clients.iter_mut().zip(&mut done) {
            *done = client.turn(owner, *remote, text.as_bytes());
        }
        datagrams.serve(&mut server);
        heard |= datagrams.done(&mut client);
        for (shared, port) in [server, client].iter().zip(&mut ports) {
            if shared.wants_poll() || port.next().is_some() {
                shared.poll(now, port);
                assert!(!shared.wants_poll());
            }
        }
        now += Duration::from_millis(1);
        rounds += 1;
        assert!(rounds < 1000, "{:?}", one.borrow());
    }
    assert_eq!(server.with(|stack| stack.counters().passive_opens), 2);
}

#[test]
fn what_ends_a_connection_is_a_closed_pipe_to_embedded_nal() {
    use tapboard_net::embedded_nal::TcpError;

    for error in [
        Error::PipeClosed,
        Error::ConnectionRefused,
        Error::ConnectionReset,
        Error::TimedOut,
        Error::ConnectionAborted,
    ] {
        assert_eq!(error.kind(), TcpErrorKind::PipeClosed, "{error}");
    }
    for error in [Error::AddressInUse, Error::NoBufferSpace, Error::InvalidState] {
        assert_eq!(error.kind(), TcpErrorKind::Other, "{error}");
    }
}
