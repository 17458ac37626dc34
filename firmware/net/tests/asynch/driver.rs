//! Who polls the stack: told when there is something to send, and only then.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tapboard_net::NetStack;
use tapboard_net::embedded_nal::TcpClientStack;
use tapboard_net::smoltcp::socket::udp;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::smoltcp::wire::Ipv4Address;

use super::one;
use super::world::{End, World};

#[test]
fn the_driver_is_told_of_a_call_that_leaves_something_to_send() {
    let mut world = World::new();
    let net = world.boards[1].net();
    let driver = world.tasks.spawn(async move { net.changed().await });
    world.tasks.run();
    let mut socket = net.udp_bind(7).unwrap();
    world.tasks.run();
    assert_eq!((driver.wakes(), driver.done()), (0, false), "a port alone sends nothing");
    world.tasks.spawn(async move { socket.send(one(7), b"one").await.unwrap() });
    world.tasks.run();
    assert_eq!((driver.wakes(), driver.done()), (1, true));
}

#[test]
fn the_driver_is_told_of_a_call_through_another_owner() {
    let mut world = World::new();
    let net = world.boards[1].net();
    let driver = world.tasks.spawn(async move { net.changed().await });
    world.tasks.run();
    let mut shared = net.shared();
    let mut socket = TcpClientStack::socket(&mut shared).unwrap();
    assert!(!driver.is_woken());
    let _ = TcpClientStack::connect(&mut shared, &mut socket, one(7));
    assert!(driver.is_woken());
    shared.with(|stack| stack.tcp_close(socket));
}

/// A socket of smoltcp's own: to be looked at is no reason, to be given something to send is one.
#[test]
fn the_driver_is_told_of_a_socket_that_was_lent() {
    let mut world = World::new();
    let net = world.boards[1].net();
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 2], vec![0; 64]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(9).unwrap();
    let handle = net.shared().with(|stack| stack.add_socket(socket)).unwrap();
    let driver = world.tasks.spawn(async move { net.changed().await });
    world.tasks.run();
    let lend = |call: &dyn Fn(&mut udp::Socket<'_>)| {
        net.shared().with(|stack| call(stack.added_socket_mut(handle)));
    };
    lend(&|socket| assert!(socket.recv().is_err()));
    assert!(!driver.is_woken());
    lend(&|socket| socket.send_slice(b"one", (Ipv4Address::new(192, 0, 2, 1), 7)).unwrap());
    assert!(driver.is_woken());
}

thread_local! {
    static STACK: Cell<Option<&'static RefCell<NetStack<'static>>>> = const { Cell::new(None) };
}

/// As a waker that runs its task on the spot.
#[derive(Default)]
struct Uses(AtomicUsize);

impl Wake for Uses {
    fn wake(self: Arc<Self>) {
        let stack = STACK.get().expect("it was set");
        assert!(stack.try_borrow_mut().is_ok(), "it is woken under a borrow");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_is_woken_may_use_the_stack_at_once() {
    let world = World::new();
    let net = world.boards[1].net();
    STACK.set(Some(world.boards[1].stack));
    let uses = Arc::new(Uses::default());
    let waker = Waker::from(Arc::clone(&uses));
    let mut context = Context::from_waker(&waker);
    let woken = || uses.0.load(Ordering::Relaxed);

    // Who polls the stack, by a call and by the end of a socket.
    let mut stream = Box::pin(net.tcp_connect(one(7)));
    assert!(pin!(net.changed()).poll(&mut context).is_pending());
    assert!(stream.as_mut().poll(&mut context).is_pending());
    assert_eq!(woken(), 1);
    net.poll(Instant::ZERO, &mut End::unplugged());
    assert!(pin!(net.changed()).poll(&mut context).is_pending());
    drop(stream);
    assert_eq!(woken(), 2);

    // Who waits: nobody answers.
    let mut stream = Box::pin(net.tcp_connect(one(7)));
    assert!(stream.as_mut().poll(&mut context).is_pending());
    let mut end = End::unplugged();
    net.poll(Instant::ZERO, &mut end);
    assert_eq!(woken(), 2);
    net.poll(Instant::ZERO + Duration::from_secs(15), &mut end);
    assert_eq!(woken(), 3);
}

#[test]
fn run_turns_for_its_deadlines_and_for_calls_alone() {
    let mut world = World::new();
    let net = world.boards[1].net();
    let (turns, now) = (Rc::new(Cell::new(0)), Rc::clone(&world.now));
    let (counted, wake_up) = (Rc::clone(&turns), Rc::new(Cell::new(None)));
    let deadline = Rc::clone(&wake_up);
    let driver = world.tasks.spawn(async move {
        let mut end = End::unplugged();
        let wait = async |_: &mut End, next: Option<Instant>| {
            counted.set(counted.get() + 1);
            poll_fn(|context| {
                if next.is_some_and(|next| next <= now.get()) {
                    return Poll::Ready(());
                }
                deadline.set(next.map(|next| (next, context.waker().clone())));
                Poll::Pending
            })
            .await;
        };
        net.run(&mut end, || now.get(), wait).await;
    });
    world.tasks.run();
    assert_eq!((turns.get(), driver.wakes()), (1, 1), "it lets the others run once");
    let mut socket = net.udp_bind(7).unwrap();
    world.tasks.spawn(async move {
        socket.send(one(7), b"one").await.unwrap();
        // It waits for its neighbour's MAC address.
        socket.receive(&mut [0; 8]).await.unwrap();
    });
    world.tasks.run();
    assert_eq!((turns.get(), net.wants_poll()), (2, false));
    for turn in 3..8 {
        world.tasks.run();
        assert_eq!(turns.get(), turn - 1);
        let Some((at, waker)) = wake_up.take() else { break };
        assert!(at > world.now.get());
        world.now.set(at);
        waker.wake();
        world.tasks.run();
        assert_eq!(turns.get(), turn);
    }
    assert!(world.now.get() >= Instant::ZERO + Duration::from_secs(1), "it has asked again");
}
