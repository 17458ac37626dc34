//! Sockets as a front shows them: a row of `netstat`, and how far away its peer is.

use smoltcp::time::Duration;
use tapboard_firmware::NetStack;
use tapboard_firmware::netstat::{Introspect, Row};

/// A socket, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRow {
    /// As `netstat` has it.
    pub row: Row,
    /// The smoothed round trip (RFC 6298 2), if it was measured yet.
    pub round_trip: Option<Duration>,
}

/// All sockets of a stack.
pub(crate) fn socket_rows(stack: &NetStack<'_>) -> Vec<SocketRow> {
    let row =
        |index| Some(SocketRow { row: stack.row(index)?, round_trip: stack.round_trip(index) });
    (0..).map_while(row).collect()
}
