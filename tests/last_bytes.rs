//! What is lost when both ends have closed: the last bytes, and the FIN that waits for them.

mod common;

use common::frames::Segment;
use common::solo::{Client, Solo, SoloMemory, connected};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;
use tapboard_firmware::Error;

/// A connection whose peer has closed, with this window. The owner has sent `len` bytes and closes too.
fn closing(solo: &mut Solo<'_>, window: u16, scale: Option<u8>, len: usize) -> Client {
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    (client.window, client.scale) = (window, scale);
    client.open(solo);
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    solo.send(client.fin());
    solo.said();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &vec![1; len]), Ok(len));
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    client
}

/// The data of the segments that the board said, and whether the last had its FIN.
fn lengths(solo: &mut Solo<'_>) -> (Vec<usize>, bool) {
    let said = solo.said();
    let fin = said.last().is_some_and(Segment::is_fin);
    (said.iter().map(|segment| segment.payload.len()).collect(), fin)
}

/// The client acknowledges `len` more, of data and FIN.
fn got(client: &mut Client, solo: &mut Solo<'_>, len: usize) {
    client.ack += len;
    solo.send(client.ack());
}

/// smoltcp itself is deaf to duplicates in LAST-ACK, and to window updates.
#[test]
fn what_is_lost_after_both_have_closed_is_resent_no_later_than_before() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut client = closing(&mut solo, 8192, None, 2000);
    assert_eq!(lengths(&mut solo), (vec![1460, 540], true));
    // The first is lost.
    let first = client.ack.0.cast_unsigned();
    let mut segment = client.segment(TcpControl::None, b"");
    segment.sacked[0] = Some((first.wrapping_add(1460), first.wrapping_add(2000)));
    solo.send(segment.frame());
    solo.pass(Duration::from_millis(5));
    let resent = solo.said();
    assert_eq!(resent.len(), 1, "{resent:#?}");
    assert_eq!((resent[0].seq, resent[0].payload.len()), (client.ack, 1460));
    got(&mut client, &mut solo, 2000);
    assert_eq!(lengths(&mut solo), (vec![0], true));
    got(&mut client, &mut solo, 1);
    solo.assert_clean();
}

#[test]
fn a_fin_behind_the_peer_s_goes_with_a_last_segment_that_fits() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    for (window, scale, len) in [(1000, None, 1000), (8, Some(7), 1000), (8192, None, 1460)] {
        let mut client = closing(&mut solo, window, scale, len);
        assert_eq!(lengths(&mut solo), (vec![len], true), "{window} {scale:?}");
        got(&mut client, &mut solo, len + 1);
        solo.assert_clean();
    }
    // With the last of two segments, and not before the window has room for all.
    let mut client = closing(&mut solo, 8192, None, 2000);
    assert_eq!(lengths(&mut solo), (vec![1460, 540], true));
    got(&mut client, &mut solo, 2001);
    let mut client = closing(&mut solo, 1999, None, 2000);
    assert_eq!(lengths(&mut solo), (vec![1460, 539], false));
    got(&mut client, &mut solo, 1999);
    assert_eq!(lengths(&mut solo), (vec![1], true));
    got(&mut client, &mut solo, 2);
    solo.assert_clean();
}

#[test]
fn a_window_that_opens_after_both_have_closed_is_noticed_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut client = closing(&mut solo, 200, None, 1000);
    for _ in 0..4 {
        assert_eq!(lengths(&mut solo), (vec![200], false));
        client.window = 0;
        got(&mut client, &mut solo, 200);
        solo.pass(Duration::from_millis(100));
        client.window = 200;
        solo.send(client.ack());
    }
    // What is left fits.
    assert_eq!(lengths(&mut solo), (vec![200], true));
    got(&mut client, &mut solo, 201);
    solo.assert_clean();
}

/// As when the FIN is on its way already.
#[test]
fn nothing_can_be_sent_behind_a_fin_that_waits() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    client.window = 1000;
    solo.send(client.fin());
    solo.said();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &[1; 1800]), Ok(1800));
    solo.turn();
    assert_eq!(solo.board.shutdown(&socket), Ok(()));
    solo.turn();
    assert_eq!(lengths(&mut solo), (vec![1000], false));
    assert_eq!(solo.board.send_room(&socket), 0);
    let error = tcp::send(&mut solo.board, &mut socket, b"more");
    assert_eq!(error, Err(nb::Error::Other(Error::PipeClosed)));
    got(&mut client, &mut solo, 1000);
    assert_eq!(lengths(&mut solo), (vec![800], true));
    got(&mut client, &mut solo, 801);
    assert_eq!(solo.board.state_name(&socket), "CLOSED");
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}
