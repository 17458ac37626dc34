//! embassy-net's own server - `TcpSocket::accept`, an echo - on tapboard's bad cable, in virtual time: what loses,
//! reorders and comes out follows from a seed, and an hour of it takes milliseconds. Nothing of it needs a TAP.
//!
//! ```console
//! $ cd examples/embassy-net
//! $ cargo test
//! $ cargo run -- 7
//! ```
//!
//! `driver.rs` is the adapter for any program on embassy-net, `time.rs` the clock, `board.rs` the executor.

mod board;
mod driver;
mod time;

use std::error::Error;
use std::pin::pin;

use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_time::Duration;
use embedded_nal::TcpClientStack;
use smoltcp::time::{Duration as Span, Instant};
use tapboard::harness::{Network, Run, Side};
use tapboard::testbed::{Testbed, TestbedMemory, at};

use self::board::EmbassyBoard;
use self::driver::{Arrivals, WireDriver};

/// Where it listens.
const PORT: u16 = 7;
const MAC: [u8; 6] = [0x02, 0, 0x5e, 0, 0, 1];
/// Bytes of each message, and messages; after each but the last the cable is pulled.
const MESSAGE: usize = 1500;
const PULLS: usize = 3;

/// How long a client may say nothing. With a minute, as this harness found, a client of seed 173 is reset: after two
/// pulls smoltcp waits for 27 s before it sends a lost segment again, and twice as long when that one is lost too.
const TIMEOUT: Duration = Duration::from_secs(300);

/// One of the server's sockets: what a client sends goes back, until it closes.
async fn echo(stack: Stack<'_>) {
    let (mut rx, mut tx, mut buffer) = ([0; 2048], [0; 2048], [0; 512]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
        socket.set_timeout(Some(TIMEOUT));
        socket.set_keep_alive(Some(Duration::from_secs(10)));
        if socket.accept(PORT).await.is_err() {
            continue;
        }
        'client: while let Ok(count @ 1..) = socket.read(&mut buffer).await {
            let mut left = &buffer[..count];
            while !left.is_empty() {
                let Ok(sent) = socket.write(left).await else { break 'client };
                left = &left[sent..];
            }
        }
        socket.close();
        // The FIN, and its acknowledgement.
        let _ = socket.flush().await;
    }
}

/// A board with that server on the network.
fn board(network: &Network, seed: u64) -> EmbassyBoard {
    let arrivals = Arrivals::default();
    let driver = WireDriver::new(network.nic(Side::Board), MAC, arrivals.clone());
    EmbassyBoard::new(arrivals, async move {
        let address = Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24);
        let (gateway, dns_servers) = (None, heapless::Vec::new());
        let config = Config::ipv4_static(StaticConfigV4 { address, gateway, dns_servers });
        let mut resources = StackResources::<3>::new();
        let (stack, mut runner) = embassy_net::new(driver, config, &mut resources, seed);
        let net = async move { runner.run().await };
        board::run(&mut [pin!(net), pin!(echo(stack)), pin!(echo(stack))]).await;
    })
}

/// A client's conversation with the server over a cable that loses, reorders and is pulled three times, each time
/// while an answer is on its way. Returns when all has come back.
fn conversation(run: &Run) -> Result<Instant, Box<dyn Error>> {
    let network = run.network();
    let board = board(&network, run.seed());
    let mut memory = TestbedMemory::default();
    let mut net = Testbed::of(&mut memory, network, board);
    for fault in ["loss 5%", "reorder 5%", "delay 10ms"] {
        net.cable().set(fault)?;
    }
    let mut rng = run.rng();
    let mut socket = net.host.socket()?;
    net.until(|host| host.connect(&mut socket, at(PORT)))?;
    for number in 0..=PULLS {
        let data: Vec<u8> = (0..MESSAGE).map(|_| rng.next_u64() as u8).collect();
        net.send_all(&mut socket, &data)?;
        if number < PULLS {
            net.pass(Span::from_millis(rng.below(60).into()));
            let _out = net.cable().unplugged();
            net.pass(Span::from_millis((500 + rng.below(5000)).into()));
        }
        let (mut back, mut buffer) = (Vec::new(), [0; MESSAGE]);
        while back.len() < MESSAGE {
            let count = net.until(|host| host.receive(&mut socket, &mut buffer))?;
            if count == 0 {
                return Err(
                    format!("the server closed after {} of message {number}", back.len()).into()
                );
            }
            back.extend_from_slice(&buffer[..count]);
        }
        if back != data {
            return Err(format!("message {number} was changed on the way").into());
        }
    }
    let done = net.now();
    net.host.shutdown(&socket)?;
    let end = net.until(|host| host.receive(&mut socket, &mut [0]))?;
    net.host.close(socket)?;
    if end > 0 { Err("more came back than was sent".into()) } else { Ok(done) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(7), |seed| seed.parse())?;
    let run = Run::new("embassy-net", seed);
    let done = conversation(&run)?;
    println!("{}", run.write(&format!("all came back, after {done} of virtual time")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use tapboard::harness;

    use super::*;

    #[test]
    fn what_is_sent_comes_back_whatever_happens_to_the_cable() {
        harness::check(0..200, |run| conversation(run).map(drop));
    }

    #[test]
    fn a_seed_is_the_same_conversation_again() {
        let done = |seed| conversation(&Run::new("again", seed)).unwrap();
        assert_eq!(done(3), done(3));
        assert!((4..8).any(|seed| done(seed) != done(3)), "the seed decides nothing");
    }
}
