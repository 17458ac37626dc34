//! What is dropped, in each state, and while the stack is borrowed.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};

use tapboard_net::NetStack;
use tapboard_net::asynch::{TcpListener, TcpStream};
use tapboard_net::smoltcp::time::Duration;

use super::one;
use super::world::{End, SLOTS, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A pair of connected streams.
fn pair(world: &mut World<'_>) -> [TcpStream<'static, 'static>; 2] {
    let [server, client] = world.nets();
    let (_, accepted) = world.tasks.result(async move {
        let listener = server.tcp_listen(7).unwrap();
        listener.accept().await.unwrap().0
    });
    let (_, connected) =
        world.tasks.result(async move { client.tcp_connect(one(7)).await.unwrap() });
    world.finish(MINUTE);
    [accepted.take().unwrap(), connected.take().unwrap()]
}

#[test]
fn a_connect_that_is_dropped_frees_its_slot_at_any_time() {
    for steps in 0..6 {
        let mut world = World::new();
        let [server, client] = world.nets();
        let listener = server.tcp_listen(7).unwrap();
        let connecting = world.tasks.spawn(async move {
            let stream = client.tcp_connect(one(7)).await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        });
        world.pass(Duration::from_millis(steps));
        world.tasks.cancel(&connecting);
        if steps == 0 {
            assert_eq!(world.boards[1].free(), SLOTS, "it has sent nothing yet");
        }
        // A peer that has the FIN and does not close has a minute.
        world.pass(MINUTE * 2);
        assert_eq!(world.boards[1].free(), SLOTS, "after {steps} ms");
        drop(listener);
        world.all_is_free();
    }
}

#[expect(clippy::await_holding_refcell_ref, reason = "of two tasks, the first is gone")]
#[test]
fn a_read_or_write_that_is_dropped_takes_nothing_and_wakes_nobody() {
    let mut world = World::new();
    let [mut near, far] = pair(&mut world);
    let far = Rc::new(RefCell::new(far));
    let waits = |far: &Rc<RefCell<TcpStream<'static, 'static>>>| {
        let far = Rc::clone(far);
        async move {
            let mut far = far.borrow_mut();
            let mut buffer = [0; 8];
            let count = far.read(&mut buffer).await.unwrap();
            buffer[..count].to_vec()
        }
    };
    let (first, _) = world.tasks.result(waits(&far));
    world.pass(Duration::from_secs(1));
    world.tasks.cancel(&first);
    let (second, read) = world.tasks.result(waits(&far));
    world.tasks.spawn(async move {
        near.write_all(b"hello").await.unwrap();
        drop(near);
    });
    world.pass(MINUTE);
    assert_eq!(read.take(), Some(b"hello".to_vec()));
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    drop(far);
    world.all_is_free();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn a_task_that_is_dropped_with_its_sockets_is_woken_no_more() {
    let mut world = World::new();
    let [mut near, far] = pair(&mut world);
    let net = world.nets()[0];
    let mut socket = net.udp_bind(7).unwrap();
    let reads = world.tasks.spawn(async move { _ = near.read(&mut [0; 8]).await });
    let receives = world.tasks.spawn(async move { _ = socket.receive(&mut [0; 8]).await });
    let accepts = world.tasks.spawn(async move { drop(net.tcp_listen(9).unwrap().accept().await) });
    world.pass(Duration::from_secs(1));
    for task in [&reads, &receives, &accepts] {
        world.tasks.cancel(task);
    }
    drop(far);
    world.all_is_free();
    assert_eq!([reads, receives, accepts].map(|task| task.wakes()), [0; 3]);
}

#[test]
fn a_stream_that_is_dropped_sends_its_rest_and_its_end() {
    let mut world = World::new();
    let [mut near, mut far] = pair(&mut world);
    world.tasks.spawn(async move { near.write_all(&[7; 1500]).await.unwrap() });
    let (_, read) = world.tasks.result(async move {
        let (mut all, mut buffer) = (0, [0; 256]);
        while let Ok(count @ 1..) = far.read(&mut buffer).await {
            all += count;
        }
        all
    });
    world.finish(MINUTE);
    assert_eq!(read.take(), Some(1500));
    world.all_is_free();
}

#[test]
fn a_listener_that_is_dropped_frees_its_port_and_resets_who_was_not_accepted() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let listener = server.tcp_listen(7).unwrap();
    let (_, read) = world.tasks.result(async move {
        let mut stream = client.tcp_connect(one(7)).await.unwrap();
        stream.read(&mut [0; 8]).await
    });
    world.pass(Duration::from_secs(1));
    drop(listener);
    world.finish(MINUTE);
    assert_eq!(read.take(), Some(Err(tapboard_net::Error::ConnectionReset)));
    assert!(server.tcp_listen(7).is_ok());
    world.all_is_free();
}

#[test]
fn what_is_dropped_while_the_stack_is_borrowed_is_closed_right_after() {
    let mut world = World::new();
    let [near, far] = pair(&mut world);
    let [server, client] = world.nets();
    let listener = server.tcp_listen(9).unwrap();
    server.shared().with(|stack| {
        drop((near, listener));
        assert_eq!(stack.free_slots(), SLOTS - 1);
    });
    assert!(server.wants_poll());
    assert!(server.tcp_listen(9).is_ok());
    // So does a turn of somebody who knows nothing of tasks.
    let listener = client.tcp_listen(9).unwrap();
    let mut stack = world.boards[1].stack.borrow_mut();
    drop(listener);
    stack.poll(world.now.get(), &mut End::unplugged());
    let listener = stack.tcp_listen(9).expect("the port is free");
    stack.tcp_close(listener);
    drop(stack);
    client.shared().with(|_| drop(far));
    world.all_is_free();
}

#[test]
fn a_wait_for_a_connection_may_end_while_the_stack_is_borrowed() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let listener: &TcpListener<'_, '_> = Box::leak(Box::new(server.tcp_listen(7).unwrap()));
    let gone = world.tasks.spawn(async { drop(listener.accept().await) });
    let waits = world.tasks.spawn(async { drop(listener.accept().await) });
    world.pass(Duration::from_secs(1));
    let socket = client.shared().with(|stack| stack.tcp_connect(one(7)).unwrap());
    assert!(world.run_stacks_until(MINUTE, || gone.is_woken() || waits.is_woken()));
    assert!(gone.is_woken(), "the first place is looked at first");
    server.shared().with(|_| world.tasks.cancel(&gone));
    world.pass(Duration::from_secs(1));
    assert!(waits.done(), "the connection is nobody's");
    client.shared().with(|stack| stack.tcp_close(socket));
}

type Stack = RefCell<NetStack<'static>>;

thread_local! {
    static HELD: RefCell<Option<(TcpStream<'static, 'static>, &'static Stack)>> =
        const { RefCell::new(None) };
}

/// As a waker that is the last to hold its task: with it goes what the task held.
struct Last;

impl Wake for Last {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        let (stream, stack) = HELD.take().expect("dropped once");
        assert!(stack.try_borrow_mut().is_ok(), "it is dropped under a borrow");
        drop(stream);
    }
}

#[test]
fn a_waker_may_hold_the_last_of_a_task() {
    let mut world = World::new();
    let [near, far] = pair(&mut world);
    HELD.set(Some((near, world.boards[0].stack)));
    let mut socket = world.boards[0].net().udp_bind(7).unwrap();
    {
        let waker = Arc::new(Last).into();
        let mut buffer = [0; 8];
        let mut receiving = pin!(socket.receive(&mut buffer));
        assert_eq!(receiving.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    assert!(HELD.with_borrow(Option::is_some));
    // The socket's end drops the waker, and that the stream.
    drop(socket);
    assert!(HELD.with_borrow(Option::is_none));
    drop(far);
    world.all_is_free();
}
