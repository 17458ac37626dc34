//! Anybody's stack on the bad cable: a plain smoltcp program as the board, as its own examples have it - one interface,
//! one socket that listens, an echo. Two of smoltcp's known faults show, each as a finding with its seed, a capture and
//! a ladder; the firmware's stack, in the same place, has neither.
//!
//! ```console
//! $ cargo run --example plain_smoltcp
//! $ cargo test --example plain_smoltcp
//! ```

use std::error::Error;

use embedded_nal::TcpClientStack;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use tapboard::harness::{Nic, Run, Side, TestResult};
use tapboard::testbed::{BoardEnd, Testbed, TestbedMemory, at};
use tapboard_firmware::BOARD_NET;

const PORT: u16 = 7;
/// smoltcp's user timeout: how long a peer may leave data without an acknowledgement, as its documentation has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// When to poll again if smoltcp wants it at once, over and over.
const TICK: Duration = Duration::from_millis(1);

/// The program: an interface, and one socket for one client after the other.
struct PlainEcho {
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl PlainEcho {
    fn new(nic: &mut Nic, seed: u64) -> Self {
        let mut config = Config::new(BOARD_NET.mac().into());
        config.random_seed = seed;
        let mut interface = Interface::new(config, nic, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.extend(BOARD_NET.ipv4().map(Into::into));
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; 2048]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_timeout(Some(TIMEOUT));
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self { interface, sockets, socket }
    }
}

impl BoardEnd for PlainEcho {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        self.interface.poll(now, nic, &mut self.sockets);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        if !socket.is_open() {
            socket.listen(PORT).expect("a port, and a socket that is closed");
        }
        if socket.can_recv() && socket.can_send() {
            let mut buffer = [0; 2048];
            let room = socket.send_capacity() - socket.send_queue();
            let count = socket.recv_slice(&mut buffer[..room]).expect("it can");
            socket.send_slice(&buffer[..count]).expect("there is room");
        } else if socket.may_send() && !socket.may_recv() {
            socket.close();
        }
        self.interface.poll(now, nic, &mut self.sockets);
        let due = self.interface.poll_at(now, &self.sockets)?;
        Some(if due > now { due } else { now + TICK })
    }

    fn netstat(&self) -> String {
        let socket = self.sockets.get::<tcp::Socket<'_>>(self.socket);
        format!("{:?} {:?} {}\n", socket.local_endpoint(), socket.remote_endpoint(), socket.state())
    }
}

/// Sends a word to the echo, and takes it back.
fn echoed<B: BoardEnd>(
    net: &mut Testbed<'_, B>,
    socket: &mut tapboard_firmware::TcpSocket,
) -> TestResult {
    net.send_all(socket, b"hello")?;
    let (mut back, mut buffer) = (Vec::new(), [0; 5]);
    while back.len() < 5 {
        match net.until(|host| host.receive(socket, &mut buffer))? {
            0 => return Err("the board closed".into()),
            count => back.extend_from_slice(&buffer[..count]),
        }
    }
    if back == b"hello" { Ok(()) } else { Err("changed on the way".into()) }
}

/// A client that has nothing to say for a while: nothing is unacknowledged, so nobody has a reason to give up.
fn idle<B: BoardEnd>(net: &mut Testbed<'_, B>) -> TestResult {
    let mut socket = net.host.socket()?;
    net.until(|host| host.connect(&mut socket, at(PORT)))?;
    echoed(net, &mut socket)?;
    net.pass(TIMEOUT + Duration::from_secs(5));
    echoed(net, &mut socket).map_err(|error| format!("idle for 15 s: {error}").into())
}

/// A second client while the first is connected.
fn second<B: BoardEnd>(net: &mut Testbed<'_, B>) -> TestResult {
    let [mut first, mut second] = [net.host.socket()?, net.host.socket()?];
    net.until(|host| host.connect(&mut first, at(PORT)))?;
    echoed(net, &mut first)?;
    net.until(|host| host.connect(&mut second, at(PORT)))
        .map_err(|error| format!("the second client: {error}"))?;
    echoed(net, &mut second)
}

/// What happens to a board that is plain smoltcp.
type Scenario = for<'n, 'a> fn(&'n mut Testbed<'a, PlainEcho>) -> TestResult;

/// The scenario with plain smoltcp as the board, on a cable that is not too good.
fn on_smoltcp(run: &Run, scenario: Scenario) -> TestResult {
    let network = run.network();
    network.cable().set("delay 10ms")?;
    network.cable().set("loss 5%")?;
    let board = PlainEcho::new(&mut network.nic(Side::Board), run.seed());
    let mut memory = TestbedMemory::default();
    scenario(&mut Testbed::of(&mut memory, network, board))
}

fn main() -> Result<(), Box<dyn Error>> {
    for (name, scenario) in [("idle", idle as Scenario), ("second", second)] {
        let run = Run::new(name, 7);
        let Err(error) = on_smoltcp(&run, scenario) else {
            return Err(format!("{name}: smoltcp has mended it").into());
        };
        println!("{}", run.write(&error.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tapboard::harness::check;
    use tapboard_firmware::NetStack;
    use tapboard_firmware::service::Service;
    use tapboard_firmware::service::echo::Echo;

    use super::*;

    /// smoltcp's issue 1202: the timeout for data that nobody acknowledges ends a connection that has none.
    #[test]
    fn plain_smoltcp_resets_a_client_that_is_idle() {
        check(0..20, |run| match on_smoltcp(run, idle) {
            Err(error) if error.to_string() == "idle for 15 s: connection reset by peer" => Ok(()),
            other => Err(format!("{other:?}, not a reset").into()),
        });
    }

    /// A socket that listens becomes the connection, and nothing listens then.
    #[test]
    fn plain_smoltcp_refuses_a_second_client() {
        check(0..20, |run| match on_smoltcp(run, second) {
            Err(error) if error.to_string() == "the second client: connection refused" => Ok(()),
            other => Err(format!("{other:?}, not a refusal").into()),
        });
    }

    #[test]
    fn the_firmwares_stack_does_neither() {
        check(0..20, |run| {
            let (mut memory, mut echo) = (TestbedMemory::default(), Echo::new());
            let poll = |now, board: &mut NetStack<'_>| echo.poll(now, board, &mut ());
            let mut net = run.testbed(&mut memory, poll);
            net.cable().set("delay 10ms")?;
            net.cable().set("loss 5%")?;
            idle(&mut net)?;
            second(&mut net)
        });
    }
}
