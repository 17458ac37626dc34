//! `minimq` 0.10, which owns a blocking `embedded-nal` stack, against `mosquitto`, whose connections are reset.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use minimq::embedded_time::rate::Fraction;
use minimq::embedded_time::{self, Clock};
use minimq::{ConfigBuilder, Minimq, Publication, QoS};
use rustix::net::sockopt::set_socket_linger;
use smoltcp::time::{Duration, Instant};
use tapboard_interop::{Board, HOST, host, isolated};

const TOOLS: &[(&str, &str)] =
    &[("mosquitto", "mosquitto"), ("mosquitto_sub", "mosquitto-clients")];
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds.
struct Milliseconds;

impl Clock for Milliseconds {
    type T = u64;

    const SCALING_FACTOR: Fraction = Fraction::new(1, 1000);

    fn try_now(&self) -> Result<embedded_time::Instant<Self>, embedded_time::clock::Error> {
        Ok(embedded_time::Instant::new(Instant::now().total_millis().cast_unsigned()))
    }
}

/// Passes connections on to the broker; each message to it resets the last one.
fn proxy() -> Sender<()> {
    let listener = TcpListener::bind((HOST, 1883)).expect("a port");
    let (sender, resets) = channel();
    thread::spawn(move || -> io::Result<()> {
        loop {
            let (board, _) = listener.accept()?;
            let broker = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], 1883)))?;
            for (from, to) in [(&board, &broker), (&broker, &board)] {
                let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
                thread::spawn(move || -> io::Result<()> {
                    let mut buffer = [0; 4096];
                    while let count @ 1.. = from.read(&mut buffer)? {
                        to.write_all(&buffer[..count])?;
                    }
                    Ok(())
                });
            }
            if resets.recv().is_err() {
                return Ok(());
            }
            // With nothing to wait for, the last close is a reset: shutting it down for reading ends the thread that
            // has the other one.
            set_socket_linger(&board, Some(std::time::Duration::ZERO))?;
            broker.shutdown(Shutdown::Both)?;
            board.shutdown(Shutdown::Read)?;
        }
    });
    sender
}

#[test]
fn it_connects_again_after_a_reset() {
    isolated("it_connects_again_after_a_reset", TOOLS, || {
        let mut board = Board::up();
        let scratch = host::Scratch::new();
        let _broker = host::mosquitto(&scratch, "127.0.0.1");
        let reset = proxy();
        let mut memory = [0; 2048];
        let broker = std::net::IpAddr::V4(HOST);
        let config = ConfigBuilder::<minimq::broker::IpBroker>::new(broker.into(), &mut memory)
            .client_id("board")
            .expect("short")
            .keepalive_interval(60);
        let mut mqtt = Minimq::new(board.net().shared(), Milliseconds, config);
        for round in 0..4 {
            let start = Instant::now();
            until(&mut board, || {
                mqtt.poll(|_, _, _, _| ()).expect("no error that ends it");
                mqtt.client().is_connected()
            });
            let took = Instant::now() - start;
            // A connect of its own gives up after 15 s, a connection after 100 s: it waited for neither.
            assert!(took < Duration::from_secs(5), "{took}");

            let text = format!("round {round}");
            let publication = Publication::new("from/board", text.as_bytes());
            let publication = publication.qos(QoS::AtLeastOnce).retain();
            mqtt.client().publish(publication).expect("a publication");
            until(&mut board, || {
                mqtt.poll(|_, _, _, _| ()).expect("no error that ends it");
                !mqtt.client().pending_messages()
            });
            let arguments = ["-h", "127.0.0.1", "-t", "from/board", "-C", "1", "-W", "30"];
            assert_eq!(host::output("mosquitto_sub", &arguments).trim_end(), text);

            reset.send(()).expect("the proxy runs");
            let shared = board.net().shared();
            until(&mut board, || shared.with(|stack| stack.counters().resets_in) == round + 1);
        }
    });
}

/// Turns until `done`.
fn until(board: &mut Board, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "it has not come to that");
        board.turn(Duration::from_millis(10));
    }
}
