//! A board's buffers, on the heap: those of profile `large` are too much for a test's call stack.

use tapboard_firmware::config::{TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::{Backlog, Buffers};

pub(crate) struct Memory<const BUFFER: usize, const DATAGRAMS: usize> {
    tcp: Vec<[[u8; BUFFER]; 2]>,
    udp: Vec<[[u8; DATAGRAMS]; 2]>,
    backlog: Backlog,
}

impl<const BUFFER: usize, const DATAGRAMS: usize> Memory<BUFFER, DATAGRAMS> {
    pub(crate) fn new() -> Self {
        Self {
            tcp: vec![[[0; BUFFER]; 2]; TCP_SLOTS],
            udp: vec![[[0; DATAGRAMS]; 2]; UDP_SLOTS],
            backlog: Backlog::new(),
        }
    }

    pub(crate) fn buffers(&mut self) -> Buffers<'_, BUFFER, DATAGRAMS> {
        let Self { tcp, udp, backlog } = self;
        Buffers { tcp, udp, backlog: backlog.into() }
    }
}
