//! The client of `embedded-tls` against `openssl s_server`, whose certificate it verifies.

use std::time::SystemTime;

use embedded_tls::pki::CertVerifier;
use embedded_tls::{
    Aes128GcmSha256, Certificate, CryptoProvider, CryptoRngCore, TlsConfig, TlsConnection,
    TlsContext, TlsError, TlsVerifier,
};
use rand_core::OsRng;
use tapboard_interop::{Board, HOST, host, isolated};
use tapboard_net::asynch::embedded_io_async::Read;

const TOOLS: &[(&str, &str)] = &[("openssl", "openssl")];

/// What the client believes in: one authority.
struct Provider<'c>(CertVerifier<'c, Aes128GcmSha256, SystemTime, 4096>);

impl CryptoProvider for Provider<'_> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        OsRng
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.0)
    }
}

/// Makes an authority, `name`, and a server's certificate signed by it. Returns the former, DER.
fn authority(scratch: &host::Scratch, name: &str) -> Vec<u8> {
    let file = |what: &str| scratch.path(&format!("{name}-{what}"));
    let openssl = |arguments: &[&str]| drop(host::output("openssl", arguments));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let make = ["req", "-x509", "-days", "2"];
    let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
    let own = ["-subj", &format!("/CN={name}"), "-out", &ca, "-keyout", &ca_key];
    openssl(&[&make[..], &key, &own].concat());
    let (cert, cert_key) = (file("cert.pem"), file("cert.key"));
    let signed = ["-CA", &ca, "-CAkey", &ca_key, "-out", &cert, "-keyout", &cert_key];
    let of = ["-subj", "/CN=server.test", "-addext", "subjectAltName=DNS:server.test"];
    openssl(&[&make[..], &key, &of, &["-addext", "basicConstraints=CA:FALSE"], &signed].concat());
    openssl(&["x509", "-in", &ca, "-outform", "der", "-out", &file("ca.der")]);
    std::fs::read(file("ca.der")).expect("it was made")
}

/// Says something to the server, and returns what it answers.
fn ask(board: &mut Board, server: &str, authority: &[u8]) -> Result<String, TlsError> {
    let net = board.net();
    board.run(async {
        let stream = net.tcp_connect((HOST, 443).into()).await.expect("a connection");
        let (mut reads, mut writes) = (vec![0; 16_640], vec![0; 4096]);
        let mut tls = TlsConnection::new(stream, &mut reads, &mut writes);
        let provider = Provider(CertVerifier::new(Certificate::X509(authority)));
        let config = TlsConfig::new().with_server_name(server);
        tls.open(TlsContext::new(&config, provider)).await?;
        tls.write(b"hello\n").await?;
        tls.flush().await?;
        let mut answer = [0; 6];
        tls.read_exact(&mut answer).await.map_err(|_| TlsError::ConnectionClosed)?;
        tls.close().await.map_err(|(_, error)| error)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
}

#[test]
fn it_speaks_to_the_server_it_knows_and_to_no_other() {
    isolated("it_speaks_to_the_server_it_knows_and_to_no_other", TOOLS, || {
        let mut board = Board::up();
        let scratch = host::Scratch::new();
        let (known, stranger) = (authority(&scratch, "known"), authority(&scratch, "stranger"));
        let (cert, key) = (scratch.path("known-cert.pem"), scratch.path("known-cert.key"));
        // It sends each line back, reversed.
        let serve = ["s_server", "-accept", "443", "-4", "-tls1_3", "-rev"];
        let arguments = [&serve[..], &["-cert", &cert, "-key", &key]].concat();
        let _server = host::Server::start("openssl", &arguments, "ACCEPT");
        let mut ask = |server, authority| ask(&mut board, server, authority);
        assert_eq!(ask("server.test", &known).expect("an answer"), "olleh\n");
        let other = ask("other.test", &known);
        assert!(matches!(other, Err(TlsError::InvalidCertificate)), "{other:?}");
        let unsigned = ask("server.test", &stranger);
        assert!(matches!(unsigned, Err(TlsError::InvalidCertificate)), "{unsigned:?}");
        assert_eq!(ask("server.test", &known).expect("an answer"), "olleh\n");
    });
}
