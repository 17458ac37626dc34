//! A board on 127.0.0.1, good in all that `check` looks at until a test spoils a part of it.
//!
//! Its ports are those of a board and an offset of its own, so that tests run at once. Once started it lives as
//! long as the test's process.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use tapboard_host::clock;

use super::ports::{free_offset, local};
use super::{Finished, echo, run};

/// A port that it refuses, unless a test has it listen there.
pub const UNREGISTERED: u16 = 81;
/// Where it sends its telemetry.
const TELEMETRY: u16 = 90;
/// Options for a check, unless a test is about one of them: it does not fail because this machine is slow, and is not
/// slow itself.
pub const TIMES: [[&str; 2]; 2] = [["--timeout", "60"], ["--idle", "0.2"]];
/// How soon it tries again to connect there.
const RETRY: Duration = Duration::from_millis(20);

/// What is done with a connection, which closes when it is done. The number counts those of its port.
type Handler = Arc<dyn Fn(usize, &TcpStream) + Send + Sync>;
/// Whether a datagram is sent back, as altered.
type Answer = fn(&mut Vec<u8>) -> bool;

/// What a reset ends.
pub struct Life {
    uptime_ms: AtomicU64,
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl Life {
    /// Cuts every connection.
    pub fn cut(&self) {
        let mut connections = self.connections.lock().expect("no panic while it is held");
        for stream in connections.drain(..).filter_map(|stream| stream.upgrade()) {
            // It may be over already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// What the shell's `reset` does.
    pub fn reset(&self) {
        self.uptime_ms.store(0, Ordering::SeqCst);
        self.cut();
    }

    /// The report of this number, a second after the one before.
    pub fn report(&self, seq: u64) -> String {
        let uptime = self.uptime_ms.fetch_add(1000, Ordering::SeqCst);
        format!("{{\"board\":\"fake\",\"seq\":{seq},\"uptime_ms\":{uptime}}}\n")
    }

    /// Handles a connection, which a reset may cut.
    fn serve(&self, number: usize, stream: TcpStream, handler: &Handler) {
        let stream = Arc::new(stream);
        let weak = Arc::downgrade(&stream);
        self.connections.lock().expect("no panic while it is held").push(weak);
        handler(number, &stream);
    }
}

/// The board; see the module's documentation.
pub struct Board {
    pub offset: u16,
    pub life: Arc<Life>,
    tcp: Vec<(TcpListener, Handler)>,
    udp: Vec<(UdpSocket, Answer)>,
    /// Its telemetry's connections: from which address, and what is done with them.
    reports: ([u8; 4], Handler),
}

impl Board {
    pub fn good() -> Self {
        let life = Life { uptime_ms: AtomicU64::new(60_000), connections: Mutex::default() };
        let life = Arc::new(life);
        let [in_shell, in_reports] = [(); 2].map(|()| Arc::clone(&life));
        let reports = ([127, 0, 0, 1], Arc::new(|_, _: &_| {}) as Handler);
        let offset = free_offset(&[7, 9, 19, 23, UNREGISTERED, TELEMETRY]);
        Self { offset, life, tcp: Vec::new(), udp: Vec::new(), reports }
            .tcp(7, |_, stream| echo(stream, |_, _| {}))
            .tcp(9, |_, stream| discard(stream))
            .tcp(19, |_, stream| chargen(stream, |_| {}))
            .tcp(23, move |_, stream| shell(stream, "led is on", || in_shell.reset()))
            .udp(7, |_| true)
            .udp(9, |_| false)
            .reports(move |_, stream| say(stream, &[in_reports.report(1), in_reports.report(2)]))
    }

    fn at(&self, port: u16) -> SocketAddr {
        local(self.offset + port)
    }

    /// With this handler on a TCP port.
    pub fn tcp(
        mut self,
        port: u16,
        handler: impl Fn(usize, &TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let (address, handler) = (self.at(port), Arc::new(handler) as Handler);
        // A socket that was closed may live on for a moment, in a child that some other test is starting.
        let mut there = self.tcp.iter_mut();
        match there.find(|(listener, _)| listener.local_addr().ok() == Some(address)) {
            Some((_, there)) => *there = handler,
            None => self.tcp.push((TcpListener::bind(address).expect("a free port"), handler)),
        }
        self
    }

    /// With this answer on a UDP port.
    pub fn udp(mut self, port: u16, answer: Answer) -> Self {
        let address = self.at(port);
        let mut there = self.udp.iter_mut();
        match there.find(|(socket, _)| socket.local_addr().ok() == Some(address)) {
            Some((_, there)) => *there = answer,
            None => self.udp.push((UdpSocket::bind(address).expect("a free port"), answer)),
        }
        self
    }

    /// Without that UDP port.
    pub fn without_udp(mut self, port: u16) -> Self {
        let address = self.at(port);
        self.udp.retain(|(socket, _)| socket.local_addr().ok() != Some(address));
        self
    }

    /// With this done to each connection of its telemetry.
    pub fn reports(self, handler: impl Fn(usize, &TcpStream) + Send + Sync + 'static) -> Self {
        self.reports_from([127, 0, 0, 1], handler)
    }

    /// Likewise, and with the connections from another address.
    pub fn reports_from(
        mut self,
        from: [u8; 4],
        handler: impl Fn(usize, &TcpStream) + Send + Sync + 'static,
    ) -> Self {
        self.reports = (from, Arc::new(handler));
        self
    }

    /// Starts it, and returns the arguments that check it, but for [`TIMES`].
    pub fn start(self) -> Vec<String> {
        let (offset, telemetry) = (self.offset.to_string(), self.at(TELEMETRY));
        for (listener, handler) in self.tcp {
            let life = Arc::clone(&self.life);
            thread::spawn(move || {
                for (number, stream) in listener.incoming().enumerate() {
                    let (stream, handler) = (stream.expect("a connection"), Arc::clone(&handler));
                    let life = Arc::clone(&life);
                    thread::spawn(move || life.serve(number, stream, &handler));
                }
            });
        }
        for (socket, answer) in self.udp {
            thread::spawn(move || {
                let mut data = [0; 2048];
                while let Ok((length, peer)) = socket.recv_from(&mut data) {
                    let mut data = data[..length].to_vec();
                    if answer(&mut data) {
                        let _ = socket.send_to(&data, peer);
                    }
                }
            });
        }
        let (from, handler) = self.reports;
        let life = self.life;
        thread::spawn(move || {
            let mut number = 0;
            loop {
                match connect(from, telemetry) {
                    Ok(stream) => {
                        life.serve(number, stream, &handler);
                        number += 1;
                    }
                    Err(_) => thread::park_timeout(RETRY),
                }
            }
        });
        ["check", "127.0.0.1", "--json", "--port-offset", &offset]
            .into_iter()
            .chain(["--listen", &telemetry.to_string()])
            .map(str::to_owned)
            .collect()
    }

    /// Checks it, with further options.
    pub fn check(self, options: &[&str]) -> Finished {
        let arguments = self.start();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let given = |name| options.contains(name);
        let times = TIMES.iter().filter(|[name, _]| !given(name)).flatten().copied();
        run(&arguments.into_iter().chain(times).chain(options.iter().copied()).collect::<Vec<_>>())
    }
}

fn connect(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

fn discard(mut stream: &TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The pattern of RFC 864, each line of which may be altered.
pub fn chargen(mut stream: &TcpStream, change: impl Fn(&mut [u8])) {
    for line in 0.. {
        let mut text: Vec<u8> = (0..72).map(|column| b' ' + ((line + column) % 95) as u8).collect();
        text.extend(b"\r\n");
        change(&mut text);
        if stream.write_all(&text).is_err() {
            return;
        }
    }
}

/// The shell, with its answer to `led on` and what it does for `reset`, of a board that always sleeps.
pub fn shell(stream: &TcpStream, led_on: &str, reset: impl Fn()) {
    let boot = clock::now();
    shell_of(stream, led_on, &|| Some((clock::now() - boot).as_millis() as u64), reset);
}

/// Likewise, with what it says of its sleep, in milliseconds.
pub fn shell_of(
    mut stream: &TcpStream,
    led_on: &str,
    asleep_ms: &dyn Fn() -> Option<u64>,
    reset: impl Fn(),
) {
    let mut text = "board\r\n> ".to_owned();
    let mut line = [0; 64];
    while stream.write_all(text.as_bytes()).is_ok() {
        let Ok(length @ 1..) = stream.read(&mut line) else { return };
        text = match &line[..length] {
            b"help\n" => "netstat  sockets".to_owned(),
            b"led on\n" => led_on.to_owned(),
            b"led off\n" => "led is off".to_owned(),
            b"netstat\n" => "tcp ESTABLISHED".to_owned(),
            b"stats\n" => match asleep_ms() {
                Some(time) => format!("polls                1\r\nasleep_ms            {time}"),
                None => "polls                1".to_owned(),
            },
            b"reset\n" => return reset(),
            _ => "unknown command".to_owned(),
        } + "\r\n> ";
    }
}

/// Sends these reports, and waits for the end of the connection.
pub fn say(mut stream: &TcpStream, reports: &[String]) {
    if stream.write_all(reports.concat().as_bytes()).is_ok() {
        discard(stream);
    }
}

/// Neither reads nor writes nor closes.
pub fn ignore(_stream: &TcpStream) {
    loop {
        thread::park();
    }
}
