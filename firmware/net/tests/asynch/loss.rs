//! A wire that loses frames: whoever waits is woken in the end.

use tapboard_net::Limits;
use tapboard_net::asynch::edge_nal::{Close, TcpShutdown as _};
use tapboard_net::asynch::embedded_io_async::Read as _;
use tapboard_net::smoltcp::time::Duration;

use super::tcp::echo;
use super::world::World;
use super::{one, pattern};

/// xorshift64*; the same seed is the same loss.
fn random(mut state: u64) -> impl FnMut() -> u64 {
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

#[test]
fn no_wake_up_is_lost_with_a_frame() {
    for seed in 0..40 {
        let mut world = World::with(seed, Limits::new());
        for board in 0..2 {
            let mut random = random(seed * 2 + board as u64);
            world.lose(board, move |_| random() % 100 < 12);
        }
        let [server, client] = world.nets();
        let listener = &*Box::leak(Box::new(server.tcp_listen(7).unwrap()));
        let mut tasks = Vec::new();
        for _ in 0..2 {
            world.tasks.spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    // A client that gave up has reset it.
                    let _ = echo(stream).await;
                }
            });
        }
        for number in 0..4 {
            tasks.push(world.tasks.spawn(async move {
                let data = pattern(number, 5000);
                // A connect may fail for the loss.
                let mut stream = loop {
                    match client.tcp_connect(one(7)).await {
                        Ok(stream) => break stream,
                        Err(tapboard_net::Error::TimedOut) => {}
                        Err(error) => panic!("{error}"),
                    }
                };
                for chunk in data.chunks(1000) {
                    stream.write_all(chunk).await.unwrap();
                    let mut back = vec![0; chunk.len()];
                    stream.read_exact(&mut back).await.unwrap();
                    assert_eq!(back, chunk);
                }
                stream.close(Close::Both).await.unwrap();
            }));
        }
        let done = world.run_until(Duration::from_secs(600), |_| tasks.iter().all(|t| t.done()));
        assert!(done, "seed {seed}: {}", world.counters());
    }
}
