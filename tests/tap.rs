//! The TAP against the kernel: what it makes, what it leaves alone, what it survives. A board of
//! smoltcp's own (an interface that answers ARP, neighbour discovery and ping) stands in for the
//! firmware, driven the way the TAP's documentation says.

#![cfg(target_os = "linux")]

mod common;

use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};
use smoltcp::wire::{IpAddress, IpCidr};
use tapboard::nic::tap::{LinkStatus, Tap, TapConfig, TapError, TapWarning};

use common::netns::{self, sh};

const PING: &[(&str, &str)] = &[("ping", "iputils-ping")];
const PING4: &str = "ping -c 3 -i 0.2 -W 20 192.0.2.1";
const PING6: &str = "ping -6 -c 3 -i 0.2 -W 20 2001:db8::1";
const BROADCAST: [u8; 60] = [0xff; 60];

fn open() -> Tap {
    Tap::open(&TapConfig::default()).expect("the TAP opens")
}

/// The error of opening a TAP called `name`, which must fail.
fn refused(name: &str) -> TapError {
    let config = TapConfig { name: name.into(), ..TapConfig::default() };
    Tap::open(&config).expect_err("the TAP does not open")
}

/// Whether one of `events` comes within `timeout_ms`; which ones came.
fn wait(tap: &Tap, events: PollFlags, timeout_ms: i64) -> PollFlags {
    let mut fds = [PollFd::new(tap, events)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: timeout_ms * 1_000_000 };
    poll(&mut fds, Some(&timeout)).expect("poll");
    fds[0].revents()
}

fn exists(name: &str) -> bool {
    netns::succeeds("ip", &["link", "show", name])
}

/// A board on a TAP, in a thread that ends when this is dropped or the TAP is gone.
struct Board {
    /// Its end of file stops the thread.
    stop: UnixStream,
    wakeups: Arc<AtomicU32>,
    thread: JoinHandle<Tap>,
}

impl Board {
    fn start(mut tap: Tap) -> Self {
        let (stop, stopped) = UnixStream::pair().expect("a socket pair");
        let wakeups = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&wakeups);
        let thread = thread::spawn(move || {
            drive(&mut tap, &stopped, &count);
            tap
        });
        Self { stop, wakeups, thread }
    }

    fn stop(self) -> Tap {
        drop(self.stop);
        self.thread.join().expect("the board did not panic")
    }
}

/// The driver that the TAP's documentation describes. Its time is virtual: a millisecond a wake-up.
fn drive(tap: &mut Tap, stopped: &UnixStream, wakeups: &AtomicU32) {
    let mac = EthernetAddress([0x02, 0, 0, 0, 0, 1]);
    let mut now = Instant::ZERO;
    let mut interface = Interface::new(Config::new(mac.into()), tap, now);
    interface.update_ip_addrs(|addresses| {
        let ipv4 = IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, 1));
        let ipv6 = IpAddress::Ipv6(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        addresses.push(IpCidr::new(ipv4, 24)).expect("room for an IPv4 address");
        addresses.push(IpCidr::new(ipv6, 64)).expect("room for an IPv6 address");
    });
    let mut sockets = SocketSet::new(&mut [][..]);
    loop {
        let events = match tap.status() {
            LinkStatus::Up => PollFlags::IN,
            LinkStatus::Down => PollFlags::IN | PollFlags::OUT,
            LinkStatus::Gone => return,
        };
        interface.poll(now, tap, &mut sockets);
        tap.flush();
        let mut fds = [PollFd::new(tap, events), PollFd::new(stopped, PollFlags::IN)];
        poll(&mut fds, None).expect("poll");
        if !fds[1].revents().is_empty() {
            return;
        }
        wakeups.fetch_add(1, Ordering::Relaxed);
        now += Duration::from_millis(1);
    }
}

#[test]
fn a_new_tap_has_its_addresses_is_up_and_goes_away() {
    netns::run("a_new_tap_has_its_addresses_is_up_and_goes_away", &[], || {
        let mut tap = open();
        assert!(tap.created());
        assert_eq!(tap.name(), "tap0");
        assert_eq!(tap.status(), LinkStatus::Up);
        assert!(tap.warnings().is_empty(), "{:?}", tap.warnings());
        let addresses = sh("ip -o addr show dev tap0 scope global");
        assert!(addresses.contains("inet 192.0.2.2/24 "), "{addresses}");
        assert!(addresses.contains("inet6 2001:db8::2/64 "), "{addresses}");
        assert!(!addresses.contains("tentative"), "IPv6 is not usable at once: {addresses}");
        assert!(sh("ip link show tap0").contains(",UP"));
        drop(tap);
        assert!(!exists("tap0"));
    });
}

#[test]
fn a_new_tap_answers_ping() {
    netns::run("a_new_tap_answers_ping", PING, || {
        let board = Board::start(open());
        sh(PING4);
        sh(PING6);
        let counters = board.stop().counters();
        assert!(counters.frames_in >= 8 && counters.frames_out >= 8, "{counters:?}");
        assert!(counters.bytes_in >= counters.frames_in * 42, "{counters:?}");
        let lost = [counters.dropped_out_link, counters.dropped_out_no_room];
        assert_eq!((lost, counters.dropped_out_error, counters.errors_in), ([0, 0], 0, 0));
    });
}

#[test]
fn an_existing_tap_keeps_what_it_has() {
    netns::run("an_existing_tap_keeps_what_it_has", &[], || {
        sh("ip tuntap add tap0 mode tap && ip addr add 192.0.2.77/24 dev tap0");
        sh("ip link set tap0 up && ip addr add 2001:db8::77/64 dev tap0 nodad");
        let state = "ip -o addr show dev tap0 scope global";
        let before = sh(state);
        let mut tap = open();
        assert!(!tap.created());
        assert_eq!(tap.status(), LinkStatus::Up);
        assert!(tap.warnings().is_empty(), "{:?}", tap.warnings());
        assert_eq!(sh(state), before);
        drop(tap);
        assert_eq!(sh(state), before);
        assert!(before.contains("192.0.2.77") && before.contains("2001:db8::77"), "{before}");
    });
}

#[test]
fn an_existing_tap_that_is_down_stays_down_with_a_warning() {
    netns::run("an_existing_tap_that_is_down_stays_down_with_a_warning", &[], || {
        sh("ip tuntap add tap0 mode tap");
        let mut tap = open();
        assert_eq!(tap.status(), LinkStatus::Down);
        let [warning @ TapWarning::Down { .. }] = tap.warnings() else {
            panic!("{:?}", tap.warnings());
        };
        assert!(warning.to_string().contains("ip link set tap0 up"), "{warning}");
        assert!(!sh("ip link show tap0").contains(",UP"));
    });
}

#[test]
fn taps_with_header_or_queues_work() {
    netns::run("taps_with_header_or_queues_work", PING, || {
        for kind in ["vnet_hdr", "multi_queue", "multi_queue vnet_hdr"] {
            sh(&format!("ip tuntap add tap0 mode tap {kind} user $(id -u)"));
            sh("ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up");
            let board = Board::start(open());
            sh(PING4);
            let tap = board.stop();
            assert!(!tap.created(), "{kind}");
            // A header left in place would have added 10 bytes to each frame.
            assert_eq!(tap.counters().dropped_out_error, 0, "{kind}");
            drop(tap);
            sh("ip link del tap0");
        }
    });
}

#[test]
fn a_tap_in_use_is_refused() {
    netns::run("a_tap_in_use_is_refused", &[], || {
        for setup in ["true", "ip tuntap add tap0 mode tap multi_queue"] {
            sh(setup);
            let first = open();
            let error = refused("tap0");
            assert!(matches!(error, TapError::Busy { .. }), "after `{setup}`: {error:?}");
            assert!(error.to_string().contains("another process has it"), "{error}");
            drop(first);
        }
    });
}

#[test]
fn what_is_not_a_tap_is_refused() {
    netns::run("what_is_not_a_tap_is_refused", &[], || {
        sh("ip tuntap add tun0 mode tun");
        for name in ["lo", "tun0"] {
            let error = refused(name);
            assert!(matches!(error, TapError::NotTap { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("open {name}: that interface is not")));
        }
    });
}

/// The error names a command; an administrator runs it; the same process may then open the TAP.
#[test]
fn the_remedy_for_missing_rights_works() {
    const TEST: &str = "the_remedy_for_missing_rights_works";
    const WITHOUT: &str = "exec setpriv --bounding-set=-net_admin \"$@\"";
    netns::run(TEST, &[("setpriv", "util-linux")], || match netns::stage().as_str() {
        "before" => {
            let error = refused("tap0");
            let text = error.to_string();
            assert!(matches!(error, TapError::NotPermitted { .. }), "{error:?}");
            let command = TapConfig::default().setup_command();
            assert!(text.contains(&format!("`{command}`")), "{text}");
            assert!(text.contains("tapboard user"), "{text}");
        }
        "after" => {
            let mut tap = open();
            assert!(!tap.created());
            assert_eq!(tap.status(), LinkStatus::Up);
        }
        _ => {
            netns::again(TEST, "before", WITHOUT);
            assert!(!exists("tap0"));
            let command = TapConfig::default().setup_command().replace("sudo ", "");
            sh(&format!("USER=root; {command}"));
            netns::again(TEST, "after", WITHOUT);
            let addresses = sh("ip -o addr show dev tap0 scope global");
            assert!(addresses.contains("192.0.2.2/24") && addresses.contains("2001:db8::2/64"));
        }
    });
}

#[test]
fn a_missing_or_locked_tun_device_is_explained() {
    const TEST: &str = "a_missing_or_locked_tun_device_is_explained";
    let tools = [("setpriv", "util-linux"), ("mount", "mount")];
    netns::run(TEST, &tools, || match netns::stage().as_str() {
        "missing" => {
            let error = refused("tap0");
            assert!(matches!(error, TapError::NoTunDevice { .. }), "{error:?}");
            assert!(error.to_string().contains("modprobe tun"), "{error}");
        }
        "locked" => {
            let error = refused("tap0");
            assert!(matches!(error, TapError::DeviceNotPermitted { .. }), "{error:?}");
            let text = error.to_string();
            let command = TapConfig::default().setup_command();
            let command = format!("`sudo chmod 0666 /dev/net/tun && {command}`");
            assert!(text.contains(&command) && text.contains("tapboard user"), "{text}");
        }
        _ => {
            let empty = "unshare -m sh -c 'mount -t tmpfs none /dev/net";
            netns::again(TEST, "missing", &format!("exec {empty} && exec \"$@\"' sh \"$@\""));
            let lock = "touch /dev/net/tun && chmod 000 /dev/net/tun && exec setpriv \
                        --bounding-set=-dac_override,-dac_read_search \"$@\"";
            netns::again(TEST, "locked", &format!("exec {empty} && {lock}' sh \"$@\""));
        }
    });
}

#[test]
fn the_link_goes_down_and_comes_back() {
    netns::run("the_link_goes_down_and_comes_back", PING, || {
        let mut tap = open();
        sh("ip link set tap0 down");
        // Nobody told the board: its next frame is lost, and counted, and it learns from that.
        let token = tap.transmit(Instant::ZERO).expect("as far as it knows, the link is up");
        token.consume(BROADCAST.len(), |frame| frame.copy_from_slice(&BROADCAST));
        assert_eq!((tap.counters().dropped_out_link, tap.counters().frames_out), (1, 0));
        assert!(tap.transmit(Instant::ZERO).is_none());
        // What the host sent while the link was up is still there; nothing follows it.
        let queued = (0..100).take_while(|_| tap.receive(Instant::ZERO).is_some()).count();
        assert!(queued < 100, "frames come through a link that is down");
        assert_eq!((tap.status(), tap.counters().errors_in), (LinkStatus::Down, 0));

        let board = Board::start(tap);
        sh("ip link set tap0 up");
        sh(PING4);
        // It came back with the address that the kernel forgets by default.
        sh(PING6);
        let mut tap = board.stop();
        assert_eq!((tap.status(), tap.counters().dropped_out_link), (LinkStatus::Up, 1));
    });
}

#[test]
fn a_renamed_tap_is_the_same_tap() {
    netns::run("a_renamed_tap_is_the_same_tap", PING, || {
        let board = Board::start(open());
        sh("ip link set tap0 down && ip link set tap0 name board0");
        sh("ip link set board0 up");
        sh(PING4);
        sh("ip link del board0");
        let mut tap = board.thread.join().expect("the board did not panic");
        assert_eq!(tap.status(), LinkStatus::Gone);
    });
}

#[test]
fn a_link_that_is_down_costs_nothing() {
    netns::run("a_link_that_is_down_costs_nothing", PING, || {
        let tap = open();
        sh("ip link set tap0 down");
        let both = PollFlags::IN | PollFlags::OUT;
        while wait(&tap, PollFlags::IN, 0) == PollFlags::IN {
            // What the kernel had queued before; there may be none.
            let mut frame = [0; 2048];
            rustix::io::read(&tap, &mut frame).expect("a frame");
        }
        let board = Board::start(tap);
        // An observation, not a wait for something: the kernel says nothing for half a second.
        poll(&mut [PollFd::new(&board.stop, PollFlags::IN)], Some(&HALF_A_SECOND)).expect("poll");
        assert_eq!(board.wakeups.load(Ordering::Relaxed), 0);
        sh("ip link set tap0 up");
        sh(PING4);
        let tap = board.stop();
        assert_eq!(wait(&tap, both, 0) & PollFlags::OUT, PollFlags::OUT);
    });
}

const HALF_A_SECOND: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

#[test]
fn a_deleted_tap_ends_the_board_without_a_panic() {
    netns::run("a_deleted_tap_ends_the_board_without_a_panic", PING, || {
        for down in [false, true] {
            let board = Board::start(open());
            sh(PING4);
            if down {
                sh("ip link set tap0 down");
            }
            sh("ip link del tap0");
            let mut tap = board.thread.join().expect("the board did not panic");
            assert_eq!(tap.status(), LinkStatus::Gone);
            assert_eq!(wait(&tap, PollFlags::IN, 0), PollFlags::ERR);
            assert!(tap.receive(Instant::ZERO).is_none());
            assert!(tap.transmit(Instant::ZERO).is_none());
            assert_eq!(tap.counters().errors_in, 0);
        }
    });
}

#[test]
fn frames_longer_than_the_board_takes_are_dropped_and_counted() {
    netns::run("frames_longer_than_the_board_takes_are_dropped_and_counted", PING, || {
        sh("ip tuntap add tap0 mode tap && ip link set tap0 mtu 9000 up");
        sh("ip addr add 192.0.2.2/24 dev tap0");
        let tap = open();
        let [warning @ TapWarning::LongFrames { mtu: 9000, .. }] = tap.warnings() else {
            panic!("{:?}", tap.warnings());
        };
        assert!(warning.to_string().contains("ip link set tap0 mtu 1500"), "{warning}");
        let board = Board::start(tap);
        sh(PING4);
        // 1472 bytes of data make the longest frame that fits.
        sh("ping -c 1 -W 20 -s 1472 192.0.2.1");
        // More in a row than one read skips, then one that fits.
        assert!(!netns::succeeds("ping", &["-c40", "-l40", "-W1", "-s1473", "192.0.2.1"]));
        sh(PING4);
        assert_eq!(board.stop().counters().dropped_in_too_long, 40);
    });
}

/// With the reads of a poll restrained, and without.
#[test]
fn no_frame_is_left_behind_at_the_end_of_a_poll() {
    netns::run("no_frame_is_left_behind_at_the_end_of_a_poll", &[], || {
        // Or else frames that nobody asked for come as well.
        sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        let mut tap = open();
        sh("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev tap0");
        let host = UdpSocket::bind("192.0.2.2:0").expect("a socket");
        let mut restrained = 0;
        for queued in (1..4).cycle().take(100) {
            for _ in 0..queued {
                host.send_to(b"hello", "192.0.2.1:9").expect("a datagram goes out");
            }
            let mut received = 0;
            loop {
                while tap.receive(Instant::ZERO).is_some() {
                    received += 1;
                }
                restrained += u32::from(tap.unread());
                if !tap.end_poll() {
                    break;
                }
            }
            assert!(!tap.unread(), "it would wait for what is there");
            assert_eq!(received, queued);
        }
        assert!(restrained > 10, "{restrained}");
    });
}

#[test]
fn without_ipv6_in_the_kernel_ipv4_works() {
    netns::run("without_ipv6_in_the_kernel_ipv4_works", PING, || {
        let knobs = "/proc/sys/net/ipv6/conf/all/disable_ipv6 \
                     /proc/sys/net/ipv6/conf/default/disable_ipv6";
        sh(&format!("echo 1 | tee {knobs}"));
        let tap = open();
        let [warning @ TapWarning::NoIpv6 { .. }] = tap.warnings() else {
            panic!("{:?}", tap.warnings());
        };
        assert!(warning.to_string().contains("disable_ipv6=0"), "{warning}");
        let board = Board::start(tap);
        sh(PING4);
        board.stop();
    });
}
