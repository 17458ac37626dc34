//! Where a switch sends a frame: it learns behind which of its ports a machine is from what that sends.
//!
//! What is for everybody, for a group, or for a machine that has not been heard yet, goes to all ports but its own. **Cost.** A look
//! through up to [`ADDRESSES`] addresses for each frame; of more, the oldest is forgotten.

use std::collections::VecDeque;

use smoltcp::wire::{EthernetAddress, EthernetFrame};

/// Addresses that are remembered.
const ADDRESSES: usize = 32;

/// Who gets a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// That port alone.
    Port(usize),
    /// All ports but the one that it came from.
    Flood,
    /// Nobody: it is no frame, or for where it came from.
    Nowhere,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct ForwardingTable(VecDeque<(EthernetAddress, usize)>);

impl ForwardingTable {
    /// Where a frame goes that comes in at port `from`.
    pub(crate) fn destination(&mut self, from: usize, frame: &[u8]) -> Destination {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return Destination::Nowhere };
        let (source, to) = (ethernet.src_addr(), ethernet.dst_addr());
        self.learn(source, from);
        let known = self.0.iter().find(|(mac, _)| *mac == to).map(|&(_, port)| port);
        match known.filter(|_| to.is_unicast()) {
            Some(port) if port == from => Destination::Nowhere,
            Some(port) => Destination::Port(port),
            None => Destination::Flood,
        }
    }

    fn learn(&mut self, mac: EthernetAddress, port: usize) {
        if let Some(known) = self.0.iter_mut().find(|(known, _)| *known == mac) {
            known.1 = port;
            return;
        }
        if self.0.len() == ADDRESSES {
            self.0.pop_front();
        }
        self.0.push_back((mac, port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(from: u8, to: [u8; 6]) -> Vec<u8> {
        [&to[..], &[2, 0, 0, 0, 0, from], &[8, 0], &[0; 46]].concat()
    }

    fn mac(last: u8) -> [u8; 6] {
        [2, 0, 0, 0, 0, last]
    }

    #[test]
    fn who_has_been_heard_gets_what_is_for_it_alone() {
        let mut table = ForwardingTable::default();
        let mut sent = |from, frame: &[u8]| table.destination(from, frame);
        assert_eq!(sent(0, &frame(1, mac(2))), Destination::Flood);
        assert_eq!(sent(1, &frame(2, mac(1))), Destination::Port(0));
        assert_eq!(sent(0, &frame(1, mac(2))), Destination::Port(1));
        assert_eq!(sent(1, &frame(3, mac(2))), Destination::Nowhere, "of its own side");
        assert_eq!(sent(0, &frame(1, [0xff; 6])), Destination::Flood);
        assert_eq!(sent(0, &[0; 13]), Destination::Nowhere);
        // It has moved.
        sent(2, &frame(2, mac(1)));
        assert_eq!(sent(0, &frame(1, mac(2))), Destination::Port(2));
        for other in 0..ADDRESSES as u8 {
            sent(3, &frame(100 + other, mac(1)));
        }
        assert_eq!(sent(0, &frame(9, mac(2))), Destination::Flood, "it is forgotten");
    }
}
