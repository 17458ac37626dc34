//! The server of `picoserve`, in three tasks at one listener, against `curl`.

use embassy_futures::join::join3;
use embassy_futures::select::{Either, select};
use picoserve::io::Write;
use picoserve::mem::{BorrowedBuffer, BorrowedCursor};
use picoserve::routing::{get, get_service, parse_path_segment, post};
use picoserve::{Config, Router, Timeouts, Timer};
use tapboard_interop::{Board, host, isolated};
use tapboard_net::Error;
use tapboard_net::asynch::edge_nal::{Close, TcpShutdown};
use tapboard_net::asynch::embedded_io_async::{self, ErrorType};
use tapboard_net::asynch::{ReadHalf, TcpListener, TcpStream, WriteHalf};

const CURL: &[(&str, &str)] = &[("curl", "curl")];
const LARGE: &str = include_str!("picoserve.rs");

/// The runtime, which is ours: picoserve names only embassy's and tokio's.
struct Ours;

/// A connection, with picoserve's trait.
struct Connection<'s>(TcpStream<'s, 's>);

struct Writer<'h, 's>(WriteHalf<'h, 's, 's>);

impl ErrorType for Writer<'_, '_> {
    type Error = Error;
}

impl embedded_io_async::Write for Writer<'_, '_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.0.write(data).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.0.flush().await
    }
}

impl Write for Writer<'_, '_> {
    async fn write_with<F: FnOnce(BorrowedCursor<'_>) -> R, R>(
        &mut self,
        f: F,
    ) -> Result<R, Error> {
        let mut buffer = [0; 512];
        let mut buffer = BorrowedBuffer::new(&mut buffer);
        let result = f(buffer.unfilled());
        embedded_io_async::Write::write_all(self, buffer.filled()).await?;
        Ok(result)
    }
}

impl<'s> picoserve::io::Socket<Ours> for Connection<'s> {
    type Error = Error;
    type ReadHalf<'h>
        = ReadHalf<'h, 's, 's>
    where
        Self: 'h;
    type WriteHalf<'h>
        = Writer<'h, 's>
    where
        Self: 'h;

    fn split(&mut self) -> (Self::ReadHalf<'_>, Writer<'_, 's>) {
        let (reader, writer) = self.0.split();
        (reader, Writer(writer))
    }

    async fn abort<T: Timer<Ours>>(
        mut self,
        _: &Timeouts,
        _: &T,
    ) -> Result<(), picoserve::Error<Error>> {
        self.0.abort();
        Ok(())
    }

    async fn shutdown<T: Timer<Ours>>(
        mut self,
        timeouts: &Timeouts,
        timer: &T,
    ) -> Result<(), picoserve::Error<Error>> {
        let closing = timer.run_with_timeout(timeouts.write, self.0.close(Close::Both)).await;
        closing
            // Its slot would be free only once the peer has closed its direction too, or after 20 s.
            .inspect_err(|_| self.0.abort())
            .map_err(picoserve::Error::WriteTimeout)?
            .map_err(picoserve::Error::Write)
    }
}

struct Clock;

impl Timer<Ours> for Clock {
    async fn delay(&self, duration: picoserve::time::Duration) {
        embassy_time::Timer::after_millis(duration.as_millis()).await;
    }
}

/// Serves one connection after the other.
async fn serve<'s>(listener: &TcpListener<'s, 's>) {
    static CONFIG: Config = Config::const_default().keep_connection_alive();
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/large", get_service(picoserve::response::File::html(LARGE)))
        .route(
            ("/double", parse_path_segment::<u32>()),
            get(|n: u32| async move { (n * 2).to_string() }),
        )
        .route("/length", post(|body: String| async move { body.len().to_string() }));
    loop {
        let (stream, _) = listener.accept().await.expect("the listener stays");
        let mut buffer = [0; 4096];
        let server = picoserve::Server::custom(&app, Clock, &CONFIG, &mut buffer);
        let _ = server.serve(Connection(stream)).await;
    }
}

#[test]
fn curl_reads_pages_over_one_connection() {
    isolated("curl_reads_pages_over_one_connection", CURL, || {
        let mut board = Board::up();
        let listener = board.net().tcp_listen(80).expect("a port");
        let curl = host::work(|| {
            let get = |arguments: &[&str]| {
                let all = ["-sS", "-m", "30", "-w", "|%{http_code} %{num_connects}|"];
                host::output("curl", &[&all[..], arguments].concat())
            };
            let url = "http://192.0.2.1/";
            let pages = get(&[url, "http://192.0.2.1/double/21", "http://192.0.2.1/nothing"]);
            assert_eq!(
                pages.replace("\r\n", ""),
                "hello|200 1|42|200 0|/nothing not found|404 0|",
                "one connection for all"
            );
            assert_eq!(get(&["-d", &"z".repeat(3000), "http://192.0.2.1/length"]), "3000|200 1|");
            assert_eq!(get(&["http://192.0.2.1/large"]), format!("{LARGE}|200 1|"));
            // More than tasks, at once.
            let many = ["-sS", "-m", "60", "-Z", "--parallel-immediate"];
            let sizes = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}\\n"];
            let large = ["-H", "Connection: close", "http://192.0.2.1/large?[1-12]"];
            let printed = host::output("curl", &[&many[..], &sizes, &large].concat());
            assert_eq!(printed, format!("200 {}\n", LARGE.len()).repeat(12));
        });
        let serve = join3(serve(&listener), serve(&listener), serve(&listener));
        match board.run(select(Box::pin(serve), curl)) {
            Either::First(_) => panic!("the server has ended"),
            Either::Second(()) => {}
        }
    });
}
