//! The server of `edge-http`, with several handlers at one listener, against `curl`.

use core::fmt::{Debug, Display};

use edge_http::Method;
use edge_http::io::Error;
use edge_http::io::server::{Connection, Handler, Server};
use embassy_futures::select::{Either, select};
use tapboard_interop::{Board, host, isolated};
use tapboard_net::asynch::edge_nal::TcpBind;
use tapboard_net::asynch::embedded_io_async::{Read, Write};

const CURL: &[(&str, &str)] = &[("curl", "curl")];
const LARGE: usize = 50_000;

/// `/` is a word, `/large` many, and what is posted comes back.
struct Pages;

impl Handler for Pages {
    type Error<E: Debug> = Error<E>;

    async fn handle<T: Read + Write, const N: usize>(
        &self,
        _task: impl Display + Copy,
        connection: &mut Connection<'_, T, N>,
    ) -> Result<(), Error<T::Error>> {
        let headers = connection.headers()?;
        let (post, large) = (headers.method == Method::Post, headers.path.starts_with("/large"));
        if post {
            let (mut body, mut length) = ([0; 4096], 0);
            while let count @ 1.. = connection.read(&mut body[length..]).await? {
                length += count;
            }
            connection.initiate_response(200, None, &[]).await?;
            connection.write_all(&body[..length]).await
        } else {
            connection.initiate_response(200, None, &[("Content-Type", "text/plain")]).await?;
            let body = if large { "x".repeat(LARGE) } else { "hello".into() };
            connection.write_all(body.as_bytes()).await
        }
    }
}

/// What `curl` prints while the board serves.
fn served(curl: impl FnOnce() -> String + Send + 'static) -> String {
    let mut board = Board::up();
    let net = board.net();
    let serve = async {
        let acceptor = net.bind("0.0.0.0:80".parse().expect("an address")).await.expect("a port");
        // As many handlers as there are slots wait at once, and each that is busy leaves the others to it.
        let mut server = Box::new(Server::<8, 2048, 32>::new());
        Box::pin(server.run(Some(5000), acceptor, Pages)).await
    };
    match board.run(select(Box::pin(serve), host::work(curl))) {
        Either::First(ended) => panic!("the server has ended: {ended:?}"),
        Either::Second(printed) => printed,
    }
}

#[test]
fn curl_reads_pages_over_one_connection() {
    isolated("curl_reads_pages_over_one_connection", CURL, || {
        let printed = served(|| {
            let url = "http://192.0.2.1/";
            let format = "|%{http_code} %{num_connects}|";
            host::output("curl", &["-sS", "-m", "30", "-w", format, url, url])
        });
        assert_eq!(printed, "hello|200 1|hello|200 0|");
    });
}

#[test]
fn curl_posts_and_reads_much() {
    isolated("curl_posts_and_reads_much", CURL, || {
        let printed = served(|| {
            let body = "z".repeat(3000);
            let echo = host::output("curl", &["-sS", "-m", "30", "-d", &body, "http://192.0.2.1/"]);
            assert_eq!(echo, body);
            host::output("curl", &["-sS", "-m", "30", "http://192.0.2.1/large"])
        });
        assert_eq!(printed, "x".repeat(LARGE));
    });
}

#[test]
fn many_curls_at_once_are_all_served() {
    isolated("many_curls_at_once_are_all_served", CURL, || {
        let printed = served(|| {
            // One connection each, more of them than slots.
            let all = ["-sS", "-m", "60", "-Z", "--parallel-immediate", "-H", "Connection: close"];
            let sizes = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}\n"];
            host::output("curl", &[&all[..], &sizes, &["http://192.0.2.1/large?[1-20]"]].concat())
        });
        assert_eq!(printed, format!("200 {LARGE}\n").repeat(20));
    });
}
