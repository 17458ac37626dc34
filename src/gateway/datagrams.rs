//! The UDP mappings through the gateway.
//!
//! A mapping is a client's address and a port on the other side. It lives until it has been idle
//! for [`IDLE`]; when all mappings are taken the longest idle one makes room.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use embedded_nal::{UdpClientStack, UdpFullStack};
use mio::{Interest, Registry, net};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::DATAGRAM_SIZE;
use tapboard_firmware::{NetStack, UdpSocket};

use super::allowed::Allowed;
use super::limits::DATAGRAM_FLOWS;
use super::listener::ForwardListener;
use super::slab::Slab;
use super::source::EventSource;

/// How long a mapping lasts without a datagram.
const IDLE: Duration = Duration::from_secs(30);
/// Datagrams moved for one socket in one turn.
const BUDGET: usize = 64;

#[derive(Debug)]
enum Ends {
    /// A kernel client of a listener; its own socket on the board's side.
    In { listener: usize, client: SocketAddr, board: UdpSocket },
    /// A port of the board; its own socket on the kernel's side.
    Out { allowed: usize, from: SocketAddr, kernel: net::UdpSocket, readable: bool },
}

#[derive(Debug)]
struct UdpMapping {
    ends: Ends,
    last: Instant,
}

#[derive(Debug)]
pub(super) struct Datagrams {
    mappings: Slab<UdpMapping>,
    scratch: [u8; DATAGRAM_SIZE + 1],
}

impl Datagrams {
    pub(super) fn new() -> Self {
        let mappings = Slab::new(DATAGRAM_FLOWS);
        Self { mappings, scratch: [0; DATAGRAM_SIZE + 1] }
    }

    pub(super) fn ready(&mut self, index: usize) {
        if let Some(UdpMapping { ends: Ends::Out { readable, .. }, .. }) =
            self.mappings.get_mut(index)
        {
            *readable = true;
        }
    }

    pub(super) fn poll(
        &mut self,
        listeners: &mut [ForwardListener],
        allowed: &mut [Allowed],
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> Option<Instant> {
        let mut more = false;
        for (index, listener) in listeners.iter_mut().enumerate() {
            more |= self.clients_to_board(index, listener, stack, registry, now);
        }
        for (index, allowed) in allowed.iter_mut().enumerate() {
            more |= self.board_to_kernel(index, allowed, stack, registry, now);
        }
        more |= self.answers(listeners, allowed, stack, now);
        let expired = self.expire(stack, registry, now);
        if more { Some(now) } else { expired }
    }

    /// The number of a mapping, found by its client or made by `make`.
    fn place(
        &mut self,
        same: impl Fn(&Ends) -> bool,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
        make: impl FnOnce(usize, &mut NetStack<'_>) -> Option<Ends>,
    ) -> Option<usize> {
        if let Some((index, _)) = self.mappings.iter().find(|(_, known)| same(&known.ends)) {
            return Some(index);
        }
        let index = self.mappings.vacant().or_else(|| {
            let (index, _) = self.mappings.iter().min_by_key(|(_, known)| known.last)?;
            self.end(index, stack, registry);
            Some(index)
        })?;
        let ends = make(index, stack)?;
        self.mappings.put(index, UdpMapping { ends, last: now });
        Some(index)
    }

    fn end(&mut self, index: usize, stack: &mut NetStack<'_>, registry: &Registry) {
        match self.mappings.take(index).map(|mapping| mapping.ends) {
            Some(Ends::In { board, .. }) => {
                let _ = UdpClientStack::close(stack, board);
            }
            Some(Ends::Out { mut kernel, .. }) => {
                let _ = registry.deregister(&mut kernel);
            }
            None => {}
        }
    }

    fn clients_to_board(
        &mut self,
        index: usize,
        listener: &mut ForwardListener,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> bool {
        for _ in 0..BUDGET {
            if !listener.readable {
                return false;
            }
            let (count, client) = match listener.udp.recv_from(&mut self.scratch) {
                Ok(received) => received,
                Err(error) => {
                    // Anything but "nothing there" reports an earlier answer that nobody wanted.
                    listener.readable = error.kind() != ErrorKind::WouldBlock;
                    continue;
                }
            };
            if count > DATAGRAM_SIZE {
                log::debug!(
                    "gateway: a datagram from {client} exceeds {DATAGRAM_SIZE} bytes, lost"
                );
                continue;
            }
            let remote = listener.board;
            let same = |ends: &Ends| {
                matches!(ends, Ends::In { listener, client: known, .. }
                    if *listener == index && *known == client)
            };
            let place = self.place(same, stack, registry, now, |_, stack| {
                let mut board = UdpClientStack::socket(stack).ok()?;
                UdpClientStack::connect(stack, &mut board, remote).ok()?;
                Some(Ends::In { listener: index, client, board })
            });
            let Some(mapping) = place.and_then(|place| self.mappings.get_mut(place)) else {
                continue;
            };
            mapping.last = now;
            if let Ends::In { board, .. } = &mut mapping.ends {
                // A full socket loses the datagram, as UDP may.
                let _ = UdpClientStack::send(stack, board, &self.scratch[..count]);
            }
        }
        true
    }

    fn board_to_kernel(
        &mut self,
        index: usize,
        allowed: &mut Allowed,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> bool {
        for _ in 0..BUDGET {
            let Ok((count, from)) =
                UdpClientStack::receive(stack, &mut allowed.udp, &mut self.scratch)
            else {
                return false;
            };
            let remote = allowed.kernel;
            let same = |ends: &Ends| {
                matches!(ends, Ends::Out { allowed, from: known, .. }
                    if *allowed == index && *known == from)
            };
            let place = self.place(same, stack, registry, now, |place, _| {
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let mut kernel = net::UdpSocket::bind(any).ok()?;
                kernel.connect(remote).ok()?;
                let token = EventSource::Datagram(place).token();
                registry.register(&mut kernel, token, Interest::READABLE).ok()?;
                Some(Ends::Out { allowed: index, from, kernel, readable: true })
            });
            let Some(mapping) = place.and_then(|place| self.mappings.get_mut(place)) else {
                continue;
            };
            mapping.last = now;
            if let Ends::Out { kernel, .. } = &mapping.ends {
                let _ = kernel.send(&self.scratch[..count]);
            }
        }
        true
    }

    /// Carries what came back. Returns whether there may be more.
    fn answers(
        &mut self,
        listeners: &[ForwardListener],
        allowed: &mut [Allowed],
        stack: &mut NetStack<'_>,
        now: Instant,
    ) -> bool {
        let mut more = false;
        for UdpMapping { ends, last } in self.mappings.iter_mut() {
            match ends {
                Ends::In { listener, client, board } => {
                    while let Ok((count, _)) =
                        UdpClientStack::receive(stack, board, &mut self.scratch)
                    {
                        *last = now;
                        let _ = listeners[*listener].udp.send_to(&self.scratch[..count], *client);
                    }
                }
                Ends::Out { allowed: index, from, kernel, readable } => {
                    for _ in 0..BUDGET {
                        if !*readable {
                            break;
                        }
                        let count = match kernel.recv(&mut self.scratch) {
                            Ok(count) => count,
                            Err(error) => {
                                // Anything but "nothing there" reports an earlier datagram nobody wanted.
                                *readable = error.kind() != ErrorKind::WouldBlock;
                                continue;
                            }
                        };
                        *last = now;
                        let udp = &mut allowed[*index].udp;
                        // A full socket loses the datagram, as UDP may.
                        let _ = UdpFullStack::send_to(stack, udp, *from, &self.scratch[..count]);
                    }
                    more |= *readable;
                }
            }
        }
        more
    }

    fn expire(
        &mut self,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for index in self.mappings.numbers() {
            let Some(mapping) = self.mappings.get_mut(index) else {
                continue;
            };
            let deadline = mapping.last + IDLE;
            if now < deadline {
                next = [next, Some(deadline)].into_iter().flatten().min();
            } else {
                self.end(index, stack, registry);
            }
        }
        next
    }
}
