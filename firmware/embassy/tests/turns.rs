//! Boards and stacks on the queue that most of embassy's drivers are made of, in virtual time: each turn has a reason.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel::{Device, Runner, State, new};
use tapboard_embassy::{Adapter, Clock, run, run_firmware};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, Board, BoardSockets, ChipStorage, Firmware};
use tapboard_net::smoltcp::time::Instant;
use tapboard_net::{Async, NetStack, Sockets, Storage};

const MTU: usize = 1514;
const BOARD: [u8; 4] = [192, 0, 2, 1];
const HOST: [u8; 4] = [192, 0, 2, 2];

/// The task, which is polled when it is woken and never else.
#[derive(Default)]
struct Task {
    woken: AtomicBool,
    polls: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn run(self: &Arc<Self>, future: Pin<&mut impl Future<Output = ()>>) {
        let mut future = future;
        let waker = Waker::from(Arc::clone(self));
        for _ in 0..100 {
            if !self.woken.swap(false, Ordering::Relaxed) {
                return;
            }
            self.polls.fetch_add(1, Ordering::Relaxed);
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        panic!("it wakes itself for ever");
    }
}

/// Virtual time, and the one alarm that waits for it.
#[derive(Clone)]
struct Time(Rc<(Cell<Instant>, Alarm)>);

type Alarm = RefCell<Option<(Instant, Waker)>>;

impl Clock for Time {
    fn now(&mut self) -> Instant {
        self.0.0.get()
    }

    fn until(&mut self, at: Instant) -> impl Future<Output = ()> {
        let Self(time) = self.clone();
        poll_fn(move |context| {
            if time.0.get() >= at {
                return Poll::Ready(());
            }
            time.1.replace(Some((at, context.waker().clone())));
            Poll::Pending
        })
    }
}

impl Time {
    fn new() -> Self {
        Self(Rc::new((Cell::new(Instant::ZERO), RefCell::default())))
    }

    /// Goes on to the alarm, if there is one; when that is.
    fn pass(&self) -> Option<Instant> {
        let (at, waker) = self.0.1.take()?;
        self.0.0.set(at);
        waker.wake();
        Some(at)
    }
}

struct Hardware;

impl Board for Hardware {
    fn set_led(&mut self, _: bool) {}

    fn led(&self) -> bool {
        false
    }

    fn temperature_mc(&mut self) -> i32 {
        0
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(4)
    }

    fn reset(&mut self) {}
}

/// A question for the board's MAC address (RFC 826).
fn question() -> Vec<u8> {
    let mut frame = [[0xff; 6], [2, 0, 0x5e, 0, 0, 2]].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0x5e, 0, 0, 2]);
    frame.extend(HOST);
    frame.extend([0; 6]);
    frame.extend(BOARD);
    frame
}

/// What the driver is to send, as its ARP operation and target; nothing else is sent here.
fn sent(runner: &mut Runner<'_, MTU>) -> Vec<(u8, [u8; 4])> {
    let mut sent = Vec::new();
    while let Some(frame) = runner.try_tx_buf() {
        assert_eq!(frame[12..14], [8, 6], "ARP");
        sent.push((frame[21], frame[38..42].try_into().expect("an address")));
        runner.tx_done();
    }
    sent
}

/// All that it sends without an event from outside, the announcement of its address at boot first.
fn settle(runner: &mut Runner<'_, MTU>, go_on: &mut dyn FnMut()) -> Vec<(u8, [u8; 4])> {
    let mut all = Vec::new();
    loop {
        go_on();
        let sent = sent(runner);
        if sent.is_empty() {
            return all;
        }
        all.extend(sent);
    }
}

fn arrive(runner: &mut Runner<'_, MTU>, frame: &[u8]) {
    let room = runner.try_rx_buf().expect("the driver has room");
    room[..frame.len()].copy_from_slice(frame);
    runner.rx_done(frame.len());
}

/// Calls `test` with a driver's two ends, whose queues take a frame each.
fn with_driver(test: impl FnOnce(Runner<'_, MTU>, Device<'_, MTU>)) {
    let mut state = State::<MTU, 1, 1>::new();
    let (runner, device) = new(&mut state, HardwareAddress::Ethernet(BOARD_NET.mac().0));
    runner.state_runner().set_link_state(LinkState::Up);
    test(runner, device);
}

/// Calls `test` with a board that runs, its task, its time and the other end of its driver.
fn with_board(
    telemetry: bool,
    test: impl FnOnce(&mut Runner<'_, MTU>, &Time, &Arc<Task>, &mut dyn FnMut()),
) {
    with_driver(|mut runner, mut device| {
        let (mut memory, mut sockets) =
            (Box::new(ChipStorage::new()), Box::new(BoardSockets::new()));
        let time = Time::new();
        let telemetry = telemetry.then_some((HOST, 9000).into());
        let config = ServiceConfig { name: "board".try_into().expect("it is short"), telemetry };
        let mut firmware = Adapter::with(&mut device, |device| {
            let now = Instant::ZERO;
            Firmware::new(&BOARD_NET, config, Hardware, device, now, &mut *memory, &mut *sockets)
        })
        .expect("entropy");
        let mut clock = time.clone();
        let mut future = pin!(async {
            run_firmware(&mut firmware, &mut device, &mut clock).await;
        });
        let task = Arc::new(Task::default());
        task.woken.store(true, Ordering::Relaxed);
        test(&mut runner, &time, &task, &mut || task.run(future.as_mut()));
    });
}

#[test]
fn a_frame_is_answered_when_it_comes() {
    with_board(false, |runner, time, task, go_on| {
        settle(runner, go_on);
        for _ in 0..5 {
            assert!(!task.woken.load(Ordering::Relaxed));
            arrive(runner, &question());
            assert!(task.woken.load(Ordering::Relaxed), "a frame wakes it");
            go_on();
            assert_eq!(sent(runner), [(2, HOST)], "it answers");
            // There is room again, which it need not wait for.
            go_on();
        }
        assert_eq!(time.0.0.get(), Instant::ZERO);
    });
}

#[test]
fn nothing_but_its_deadline_wakes_it() {
    with_board(true, |runner, time, task, go_on| {
        assert!(settle(runner, go_on).contains(&(1, HOST)), "telemetry asks for its collector");
        let before = task.polls.load(Ordering::Relaxed);
        let mut last = Instant::ZERO;
        for _ in 0..20 {
            let at = time.pass().expect("it asks again some time");
            assert!(at > last);
            last = at;
            settle(runner, go_on);
        }
        // One for the deadline, one more where a frame was sent.
        assert!(task.polls.load(Ordering::Relaxed) - before <= 40);
        assert!(last > Instant::from_secs(1));
    });
}

#[test]
fn a_link_that_comes_up_is_announced() {
    with_board(false, |runner, _, task, go_on| {
        settle(runner, go_on);
        for _ in 0..3 {
            runner.state_runner().set_link_state(LinkState::Down);
            assert!(settle(runner, go_on).is_empty());
            runner.state_runner().set_link_state(LinkState::Up);
            assert!(task.woken.load(Ordering::Relaxed), "the link wakes it");
            let told = settle(runner, go_on);
            assert!(told.iter().all(|frame| *frame == (1, BOARD)) && !told.is_empty(), "{told:?}");
        }
    });
}

#[test]
fn a_call_is_sent_at_once_and_one_without_room_when_there_is_some() {
    with_driver(|mut runner, mut device| {
        let mut memory = Box::new(Storage::<2, 2048, 2, 1472>::new());
        let mut places = Box::new(Sockets::<2, 2, 2>::new());
        let stack = Adapter::with(&mut device, |device| {
            NetStack::new(&BOARD_NET, device, Instant::ZERO, 4, &mut *memory, &mut *places)
        });
        let stack = RefCell::new(stack);
        let net = Async::new(&stack);
        let mut clock = Time::new();
        let mut future = pin!(async {
            run(net, &mut device, &mut clock).await;
        });
        let task = Arc::new(Task::default());
        task.woken.store(true, Ordering::Relaxed);
        settle(&mut runner, &mut || task.run(future.as_mut()));

        let shared = net.shared();
        let sockets = [2, 3].map(|last| {
            let remote = ([192, 0, 2, last], 7).into();
            let socket = shared.with(|stack| stack.udp_connect(remote));
            let socket = socket.expect("a socket");
            shared.with(|stack| stack.udp_send(&socket, b"?")).expect("room");
            assert!(task.woken.load(Ordering::Relaxed), "a call wakes it");
            task.run(future.as_mut());
            socket
        });
        // Each asks for its neighbour, and the queue has room for one.
        let mut asked = Vec::new();
        while let Some(frame) = runner.try_tx_buf() {
            asked.push(frame[41]);
            runner.tx_done();
            assert!(asked.len() > 1 || task.woken.load(Ordering::Relaxed), "room wakes it");
            task.run(future.as_mut());
        }
        assert_eq!(asked, [2, 3]);
        let [one, two] = sockets;
        shared.with(|stack| [one, two].map(|socket| stack.udp_close(socket)));
    });
}
