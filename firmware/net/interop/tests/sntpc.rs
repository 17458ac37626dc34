//! The client of `sntpc` against `chronyd`.

use std::cell::RefCell;
use std::net::SocketAddr;

use embassy_time::{Duration, with_timeout};
use sntpc::{NtpContext, NtpTimestampGenerator, NtpUdpSocket};
use tapboard_interop::{Board, HOST, host, isolated};
use tapboard_net::asynch::UdpSocket;

/// A socket with sntpc's trait, for one task.
struct Socket<'s>(RefCell<UdpSocket<'s, 's>>);

#[expect(clippy::await_holding_refcell_ref, reason = "one call at a time")]
impl NtpUdpSocket for Socket<'_> {
    async fn send_to(&self, data: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        let sent = self.0.borrow_mut().send(to, data).await;
        sent.map(|()| data.len()).map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        self.0.borrow_mut().receive(buffer).await.map_err(|_| sntpc::Error::Network)
    }
}

/// A board that has just booted: its clock stands at an hour of 1970.
#[derive(Clone, Copy)]
struct Booted;

impl NtpTimestampGenerator for Booted {
    fn init(&mut self) {}

    fn timestamp_sec(&self) -> u64 {
        3600
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        0
    }
}

#[test]
fn it_learns_the_time() {
    isolated("it_learns_the_time", &[("chronyd", "chrony")], || {
        let mut board = Board::up();
        let scratch = host::Scratch::new();
        let configuration = format!(
            "local stratum 5\nallow 192.0.2.0/24\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
            scratch.path("pid")
        );
        let configuration = scratch.file("chrony.conf", &configuration);
        // It leaves the clock alone, and changes no user.
        let arguments = ["-d", "-x", "-F", "0", "-u", "root", "-f", &configuration];
        let _server = host::Server::start("chronyd", &arguments, "starting");
        let socket = Socket(RefCell::new(board.net().udp_bind(0).expect("a port")));
        let result = board.run(async {
            loop {
                // It may not have its port yet.
                let time = sntpc::get_time((HOST, 123).into(), &socket, NtpContext::new(Booted));
                match with_timeout(Duration::from_secs(1), time).await {
                    Ok(result) => break result,
                    Err(_timeout) => {}
                }
            }
        });
        let result = result.expect("the time");
        assert_eq!(result.stratum(), 5);
        let now = std::time::UNIX_EPOCH.elapsed().expect("later than 1970").as_secs();
        assert!(result.sec().abs_diff(now) <= 60, "{} {now}", result.sec());
    });
}
