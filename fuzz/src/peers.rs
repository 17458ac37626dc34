//! What the hosts know of their conversations with the board: enough to say what fits, or what is wrong by a little.

use smoltcp::wire::{IpEndpoint, TcpControl};
use tapboard_firmware::netstat::{Introspect, Protocol};

use super::frames::Segment;

/// Conversations remembered.
const FLOWS: usize = 64;

/// A connection between the board and a peer, or what may become one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) board: IpEndpoint,
    pub(crate) peer: IpEndpoint,
    /// The peer's next sequence number.
    pub(crate) seq: u32,
    /// Behind all that the board has sent.
    pub(crate) ack: u32,
    /// The board's first sequence number that the peer has not acknowledged.
    pub(crate) una: u32,
    /// The window that the board announced last, unscaled.
    pub(crate) window: u16,
    /// The board has sent something.
    heard: bool,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    flows: Vec<Flow>,
    /// Those for which the board has a socket, as of the last [`Peers::look`].
    live: Vec<usize>,
}

impl Peers {
    pub(crate) fn all(&self) -> &[Flow] {
        &self.flows
    }

    pub(crate) fn live(&self) -> &[usize] {
        &self.live
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Flow> {
        self.flows.get_mut(index)
    }

    /// The conversation between these two ends. It begins now if it is not known.
    pub(crate) fn between(&mut self, board: IpEndpoint, peer: IpEndpoint) -> usize {
        let known = self.flows.iter().position(|flow| flow.board == board && flow.peer == peer);
        if let Some(index) = known {
            return index;
        }
        if self.flows.len() == FLOWS {
            self.flows.remove(0);
            self.live.clear();
        }
        let (seq, ack, una, window, heard) = (1000, 0, 0, 0, false);
        self.flows.push(Flow { board, peer, seq, ack, una, window, heard });
        self.flows.len() - 1
    }

    /// Whether the board has sent nothing between these two ends.
    pub(crate) fn unheard(&self, board: IpEndpoint, peer: IpEndpoint) -> bool {
        !self.flows.iter().any(|flow| flow.board == board && flow.peer == peer && flow.heard)
    }

    /// Takes note of a segment of the board's. Returns its conversation.
    pub(crate) fn receive(&mut self, segment: &Segment) -> usize {
        let index = self.between(segment.from, segment.to);
        let flow = &mut self.flows[index];
        let seq = segment.seq.0.cast_unsigned();
        let len = segment.payload.len() + segment.control.len();
        let end = seq.wrapping_add(len as u32);
        if segment.control == TcpControl::Syn || !flow.heard {
            (flow.ack, flow.una, flow.heard) = (end, seq, true);
        } else if end.wrapping_sub(flow.ack).cast_signed() > 0 {
            flow.ack = end;
        }
        if let Some(ack) = segment.ack.filter(|_| !segment.is_rst()) {
            flow.seq = ack.0.cast_unsigned();
        }
        flow.window = segment.window;
        index
    }

    /// Takes note of the board's connections, those among them that have sent nothing yet: their ports can be guessed.
    pub(crate) fn look(&mut self, sockets: &dyn Introspect) {
        self.live.clear();
        for row in (0..).map_while(|index| sockets.row(index)) {
            if let (Protocol::Tcp, Some(local), Some(remote)) =
                (row.protocol, row.local_address, row.remote)
            {
                let index = self.between((local, row.local_port).into(), remote.into());
                self.live.push(index);
            }
        }
    }
}
