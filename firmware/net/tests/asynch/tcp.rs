//! Connections: data, its end, and what ends it early.

use tapboard_net::asynch::edge_nal::{Close, Readable as _, TcpShutdown as _};
use tapboard_net::asynch::embedded_io_async::{
    Error as _, ErrorKind, Read as _, ReadReady as _, Write as _, WriteReady as _,
};
use tapboard_net::asynch::{Async, TcpStream};
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::{Error, Limits};

use super::world::{BUFFER, End, SLOTS, World};
use super::{one, pattern};

const MINUTE: Duration = Duration::from_secs(60);

/// Sends back what comes in, to its end.
pub(crate) async fn echo(mut stream: TcpStream<'_, '_>) -> Result<(), Error> {
    let mut buffer = [0; 700];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.close(Close::Write).await;
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// Serves that many clients, one after the other.
async fn serve(net: Async<'_, '_>, clients: usize) {
    let listener = net.tcp_listen(7).expect("the port is free");
    for _ in 0..clients {
        let (stream, _) = listener.accept().await.expect("a client");
        echo(stream).await.expect("the echo ends in order");
    }
}

/// Sends `data` and reads what comes back at once, with both halves.
async fn round_trip(net: Async<'_, '_>, data: Vec<u8>) {
    let mut stream = net.tcp_connect(one(7)).await.expect("the peer listens");
    for chunk in data.chunks(1500) {
        stream.write_all(chunk).await.expect("room");
        let mut back = vec![0; chunk.len()];
        stream.read_exact(&mut back).await.expect("all of it");
        assert_eq!(back, chunk);
    }
    stream.close(Close::Both).await.expect("an end in order");
    assert_eq!(stream.read(&mut [0; 8]).await, Ok(0));
    assert_eq!(stream.write(b"late").await, Err(Error::PipeClosed));
}

#[test]
fn what_is_sent_comes_back() {
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(serve(server, 1));
    world.tasks.spawn(round_trip(client, pattern(1, 50_000)));
    world.finish(MINUTE);
    world.all_is_free();
}

#[test]
fn many_clients_share_the_slots_and_each_task_is_woken_for_its_own() {
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(serve(server, 12));
    for number in 0..6 {
        world.tasks.spawn(async move {
            for turn in 0..2 {
                round_trip(client, pattern(number + turn, 3000)).await;
            }
        });
    }
    world.finish(MINUTE * 5);
    world.all_is_free();
}

#[test]
fn a_task_that_waits_is_not_woken_for_anothers_data() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let idle = world.tasks.spawn(async move {
        let listener = server.tcp_listen(9).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        // Until the end of all.
        assert_eq!(stream.read(&mut [0; 8]).await, Ok(0));
    });
    let silent = world.tasks.result(async move { client.tcp_connect(one(9)).await.unwrap() });
    world.pass(Duration::from_secs(1));
    let before = idle.wakes();
    assert_eq!(before, 1, "for its connection");
    world.tasks.spawn(serve(server, 1));
    let busy = world.tasks.spawn(round_trip(client, pattern(3, 30_000)));
    assert!(world.run_until(MINUTE, |_| busy.done()));
    assert!(busy.wakes() > 20, "{}", busy.wakes());
    assert_eq!(idle.wakes(), before);
    // Each wake-up was for something: not many more than its chunks' arrivals.
    assert!(busy.wakes() < 20 * 5, "{}", busy.wakes());
    drop(silent.1.take());
    world.finish(MINUTE);
    assert_eq!(idle.wakes(), before + 1);
}

#[test]
fn both_halves_are_used_at_once() {
    const SIZE: usize = 20 * BUFFER;
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(serve(server, 1));
    world.tasks.spawn(async move {
        let mut stream = client.tcp_connect(one(7)).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let writing = async {
            // More than all buffers hold: it is stuck unless somebody reads.
            writer.write_all(&pattern(5, SIZE)).await.unwrap();
            writer.flush().await.unwrap();
        };
        let reading = async {
            reader.readable().await.unwrap();
            let mut back = vec![0; SIZE];
            reader.read_exact(&mut back).await.unwrap();
            assert_eq!(back, pattern(5, SIZE));
        };
        join(writing, reading).await;
        stream.close(Close::Both).await.unwrap();
    });
    world.finish(MINUTE);
    world.all_is_free();
}

/// Both, in one task.
async fn join(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let mut done = [false; 2];
    std::future::poll_fn(|context| {
        done[0] = done[0] || one.as_mut().poll(context).is_ready();
        done[1] = done[1] || other.as_mut().poll(context).is_ready();
        if done == [true; 2] { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[test]
fn a_stream_is_ready_for_what_does_not_wait() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let (_, accepted) =
        world.tasks.result(async move { server.tcp_listen(7).unwrap().accept().await.unwrap().0 });
    let (_, connected) =
        world.tasks.result(async move { client.tcp_connect(one(7)).await.unwrap() });
    world.finish(MINUTE);
    let (mut near, mut far) = (accepted.take().unwrap(), connected.take().unwrap());
    assert_eq!((near.read_ready(), near.write_ready()), (Ok(false), Ok(true)));
    let (_, near) = world.tasks.result(async move {
        // Nothing is there at once.
        assert_eq!((near.read(&mut []).await, near.write(&[]).await), (Ok(0), Ok(0)));
        near
    });
    world.finish(MINUTE);
    let mut near = near.take().unwrap();
    let (_, filled) = world.tasks.result(async move {
        while far.write_ready().unwrap() {
            far.write(&[7; 512]).await.unwrap();
            // The peer takes some of it.
            far.flush().await.unwrap();
        }
        far
    });
    world.pass(Duration::from_secs(1));
    assert_eq!((near.read_ready(), near.write_ready()), (Ok(true), Ok(true)));
    near.abort();
    assert_eq!(near.read_ready(), Ok(true), "its error is told at once");
    let mut far = filled.take().expect("its buffer is full in the end");
    world.pass(Duration::from_secs(1));
    assert_eq!(far.read_ready(), Ok(true));
    world.tasks.spawn(async move {
        assert_eq!(far.read(&mut [0; 8]).await, Err(Error::ConnectionReset));
    });
    world.finish(MINUTE);
}

#[test]
fn after_a_half_close_data_comes_still() {
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(async move {
        let listener = server.tcp_listen(7).unwrap();
        let (mut stream, remote) = listener.accept().await.unwrap();
        assert_eq!(stream.endpoints(), Ok((one(7), remote)));
        let mut all = Vec::new();
        let mut buffer = [0; 64];
        while let count @ 1.. = stream.read(&mut buffer).await.unwrap() {
            all.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(all, b"question");
        stream.write_all(&pattern(2, 3 * BUFFER)).await.unwrap();
    });
    world.tasks.spawn(async move {
        let mut stream = client.tcp_connect(one(7)).await.unwrap();
        stream.write_all(b"question").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = vec![0; 3 * BUFFER];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, pattern(2, 3 * BUFFER));
        assert_eq!(stream.read(&mut [0; 1]).await, Ok(0));
    });
    world.finish(MINUTE);
    world.all_is_free();
}

#[test]
fn a_shutdown_waits_until_the_peer_has_all() {
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(serve(server, 1));
    let (_, stream) = world.tasks.result(async move { client.tcp_connect(one(7)).await.unwrap() });
    world.pass(Duration::from_secs(1));
    let mut stream = stream.take().unwrap();
    world.cut(0, true);
    let (task, closed) = world.tasks.result(async move {
        stream.write_all(b"last words").await.unwrap();
        let closed = stream.close(Close::Write).await;
        (stream, closed)
    });
    world.pass(Duration::from_secs(8));
    assert_eq!((task.wakes(), task.done()), (0, false));
    world.cut(0, false);
    world.pass(Duration::from_secs(8));
    assert_eq!((task.wakes(), task.done()), (1, true));
    let (mut stream, closed) = closed.take().unwrap();
    assert_eq!(closed, Ok(()));
    world.tasks.spawn(async move { stream.close(Close::Both).await.unwrap() });
    world.finish(MINUTE);
    world.all_is_free();
}

#[test]
fn a_reset_ends_both_halves_waits() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let (accepted, stream) = world.tasks.result(async move {
        let listener = server.tcp_listen(7).unwrap();
        listener.accept().await.unwrap().0
    });
    let (_, ends) = world.tasks.result(async move {
        let mut stream = client.tcp_connect(one(7)).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let (mut read, mut written) = (Ok(0), Ok(()));
        join(
            async { read = reader.read(&mut [0; 8]).await },
            // The peer does not read, so that there is no room in the end.
            async { written = writer.write_all(&pattern(1, 9 * BUFFER)).await },
        )
        .await;
        (read, written)
    });
    assert!(world.run_until(MINUTE, |_| accepted.done()));
    world.pass(MINUTE);
    assert!(ends.borrow().is_none());
    let mut stream = stream.take().expect("it was accepted");
    stream.abort();
    assert_eq!(stream.endpoints(), Err(Error::InvalidState));
    world.finish(MINUTE);
    let ends = ends.take().unwrap();
    assert_eq!(ends, (Err(Error::ConnectionReset), Err(Error::ConnectionReset)));
    assert_eq!(Error::ConnectionReset.kind(), ErrorKind::ConnectionReset);
    world.all_is_free();
}

#[test]
fn a_port_that_nobody_has_refuses() {
    let mut world = World::new();
    let client = world.boards[1].net();
    let (task, refused) = world.tasks.result(async move { client.tcp_connect(one(7)).await.err() });
    world.finish(MINUTE);
    assert_eq!(refused.take(), Some(Some(Error::ConnectionRefused)));
    assert_eq!(task.wakes(), 1);
    world.all_is_free();
}

#[test]
fn a_peer_that_is_not_there_times_out_in_each_state() {
    let limits = Limits::new();
    let mut world = World::with(1, limits);
    let [server, client] = world.nets();
    world.cut(1, true);
    let (_, unanswered) = world.tasks.result(async move { client.tcp_connect(one(7)).await.err() });
    world.finish(Duration::from_secs(16));
    assert_eq!(unanswered.take(), Some(Some(Error::TimedOut)));
    world.cut(1, false);

    world.tasks.spawn(serve(server, 1));
    let (_, stream) = world.tasks.result(async move { client.tcp_connect(one(7)).await.unwrap() });
    assert!(world.run_until(MINUTE, |_| stream.borrow().is_some()));
    world.cut(0, true);
    let mut stream = stream.take().unwrap();
    let (task, read) = world.tasks.result(async move { stream.read(&mut [0; 8]).await });
    assert!(world.run_until(limits.user_timeout() + MINUTE, |_| read.borrow().is_some()));
    assert_eq!(read.take(), Some(Err(Error::TimedOut)));
    assert_eq!(task.wakes(), 1);
}

#[test]
fn errors_are_of_the_kinds_that_the_traits_name() {
    for (error, kind) in [
        (Error::AddressInUse, ErrorKind::AddrInUse),
        (Error::NoBufferSpace, ErrorKind::OutOfMemory),
        (Error::InvalidState, ErrorKind::NotConnected),
        (Error::Unaddressable, ErrorKind::AddrNotAvailable),
        (Error::MessageTooLong, ErrorKind::InvalidInput),
        (Error::PipeClosed, ErrorKind::BrokenPipe),
        (Error::ConnectionRefused, ErrorKind::ConnectionRefused),
        (Error::ConnectionReset, ErrorKind::ConnectionReset),
        (Error::TimedOut, ErrorKind::TimedOut),
        (Error::ConnectionAborted, ErrorKind::ConnectionAborted),
        (Error::Unsupported, ErrorKind::Unsupported),
    ] {
        assert_eq!(error.kind(), kind);
    }
}

#[test]
fn the_stack_ends_the_wait_for_what_it_takes_back() {
    let mut world = World::new();
    let client = world.boards[1].net();
    world.cut(0, true);
    let (task, connected) =
        world.tasks.result(async move { client.tcp_connect(one(7)).await.map(drop) });
    world.pass(Duration::from_secs(1));
    // Behind the task's back, and its slot is another's at once.
    let other = client.shared().with(|stack| {
        stack.abort_all();
        assert_eq!(stack.free_slots(), SLOTS);
        stack.tcp_connect(one(7)).unwrap()
    });
    assert!(task.is_woken());
    world.pass(Duration::ZERO);
    assert_eq!(connected.take(), Some(Err(Error::ConnectionAborted)));
    assert_eq!(world.boards[1].free(), SLOTS - 1, "the other one's slot is not touched");
    client.shared().with(|stack| stack.tcp_close(other));
}

#[test]
fn a_call_after_a_long_silence_counts_from_then() {
    let mut world = World::new();
    let [server, client] = world.nets();
    world.tasks.spawn(serve(server, 1));
    world.pass(MINUTE * 60);
    let (_, stream) = world.tasks.result(async move { client.tcp_connect(one(7)).await });
    world.pass(Duration::from_secs(1));
    let stream = stream.take().unwrap().expect("its time has just begun");
    // Nor is a close an hour old, so that it would be given up for a reset, which the server's task does not expect.
    world.boards[1].stack.borrow_mut().poll(world.now.get(), &mut End::unplugged());
    let later = world.now.get() + Duration::from_secs(25);
    world.now.set(later);
    drop(stream);
    world.finish(MINUTE);
    world.all_is_free();
}
