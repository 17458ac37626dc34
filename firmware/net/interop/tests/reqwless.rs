//! The client of `reqwless` against a server of the host's.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};

use embassy_futures::join::join;
use reqwless::client::HttpClient;
use reqwless::headers::ContentType;
use reqwless::request::{Method, RequestBuilder};
use tapboard_interop::{Board, HOST, host, isolated};
use tapboard_net::asynch::embedded_nal_async::{AddrType, Dns};

/// Addresses are names enough.
struct Literal;

impl Dns for Literal {
    type Error = core::net::AddrParseError;

    async fn get_host_by_name(&self, host: &str, _: AddrType) -> Result<IpAddr, Self::Error> {
        host.parse()
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Self::Error> {
        "no names".parse::<IpAddr>().map(|_| 0)
    }
}

/// Answers two requests on a connection each: the first with its own body, in chunks, the second with much.
fn serve(listener: &TcpListener, large: &str) -> Vec<String> {
    let answers = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len()),
    ];
    let requests = answers.map(|answer| {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"PING") {
            let mut bytes = [0; 512];
            let count @ 1.. = stream.read(&mut bytes).expect("a request") else { break };
            request.extend_from_slice(&bytes[..count]);
        }
        stream.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8(request).expect("UTF-8")
    });
    requests.to_vec()
}

#[test]
fn it_posts_and_gets() {
    isolated("it_posts_and_gets", &[], || {
        let mut board = Board::up();
        let net = board.net();
        let large = "0123456789abcdef".repeat(1000);
        let (listener, body) = (TcpListener::bind((HOST, 80)).expect("a port"), large.clone());
        let served = host::work(move || serve(&listener, &body));
        let client = async {
            let mut client = HttpClient::new(&net, &Literal);
            let mut memory = vec![0; 20_000];
            let mut request =
                client.request(Method::POST, "http://192.0.2.2/echo").await.expect("a connection");
            request = request.content_type(ContentType::TextPlain);
            let mut request = request.body(&b"PING"[..]);
            let response = request.send(&mut memory).await.expect("an answer");
            assert!(response.status.is_successful());
            let body = response.body().read_to_end().await.expect("a body");
            assert_eq!(body, b"hello world");

            let mut request =
                client.request(Method::GET, "http://192.0.2.2/large").await.expect("a connection");
            let response = request.send(&mut memory).await.expect("an answer");
            let body = response.body().read_to_end().await.expect("a body");
            assert_eq!(body, large.as_bytes());
        };
        let ((), requests) = board.run(join(client, served));
        assert!(requests[0].starts_with("POST /echo HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[0].ends_with("PING"));
        assert!(requests[1].starts_with("GET /large HTTP/1.1\r\n"));
        // Nobody is left.
        let error = board.run(async {
            HttpClient::new(&net, &Literal)
                .request(Method::GET, "http://192.0.2.2/")
                .await
                .map(drop)
        });
        assert!(
            matches!(error, Err(reqwless::Error::Network(kind)) if format!("{kind:?}") == "ConnectionRefused"),
            "{error:?}"
        );
    });
}
