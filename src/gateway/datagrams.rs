//! The UDP mappings through the gateway.
//!
//! A mapping is a client's address and a port on the other side. It lives until it has been idle
//! for [`IDLE`], or a question for a name for less; when all mappings are taken the longest idle one makes room.
//! What there is no room for on the board's side waits in the kernel, with one datagram here.
//! What the kernel says of a datagram of the board's goes back to it as ICMP.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use mio::{Interest, Registry, net};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::DATAGRAM_SIZE;
use tapboard_firmware::{NetStack, UdpSocket, earliest};

use super::allowed::{Allowed, IDLE};
use super::dns::{self, Dns, Screened};
use super::limits::DATAGRAM_FLOWS;
use super::listener::{ForwardListener, Forwards};
use super::source::EventSource;
use super::unreachable::{Datagram, Unreachable};
use crate::slab::Slab;

/// Datagrams moved for one socket in one turn.
const BUDGET: usize = 64;

/// When to look again whether there is room on the board's side, if there was none at the beginning of a turn.
const ROOM_RETRY: Duration = Duration::from_millis(10);

#[derive(Debug)]
enum Ends {
    /// A kernel client of a listener; its own socket on the board's side.
    In { listener: usize, client: SocketAddr, board: UdpSocket },
    /// A port of the board; its own socket on the kernel's side.
    Out {
        allowed: usize,
        kernel: net::UdpSocket,
        readable: bool,
        /// A datagram for which there was no room on the board's side.
        unsent: Option<Vec<u8>>,
        last: Datagram,
    },
}

#[derive(Debug)]
struct UdpMapping {
    ends: Ends,
    last: Instant,
    idle: Duration,
}

/// What is on the board's side of the mappings.
pub(super) struct BoardSide<'g, 's> {
    pub(super) stack: &'g mut NetStack<'s>,
    pub(super) allowed: &'g mut [Allowed],
    pub(super) dns: &'g mut Dns,
    pub(super) unreachable: &'g mut Unreachable,
}

#[derive(Debug)]
pub(super) struct Datagrams {
    mappings: Slab<UdpMapping>,
    scratch: [u8; DATAGRAM_SIZE + 1],
    /// Mappings that made room for others.
    pub(super) displaced: u64,
    /// Datagrams that were too long for the wire.
    pub(super) oversized: u64,
}

impl Datagrams {
    pub(super) fn new() -> Self {
        let mappings = Slab::new(DATAGRAM_FLOWS);
        Self { mappings, scratch: [0; DATAGRAM_SIZE + 1], displaced: 0, oversized: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.mappings.len()
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
        forwards: &mut Forwards,
        mut board: BoardSide<'_, '_>,
        registry: &Registry,
        now: Instant,
    ) -> Option<Instant> {
        let mut next = None;
        for (index, listener) in forwards.iter_mut() {
            let at = self.clients_to_board(index, listener, board.stack, registry, now);
            next = earliest(next, at);
        }
        for index in 0..board.allowed.len() {
            if self.board_to_kernel(index, &mut board, registry, now) {
                next = Some(now);
            }
        }
        next = earliest(next, self.answers(forwards, &mut board, now));
        earliest(next, self.expire(board.stack, registry, now))
    }

    /// Ends the mappings of a listener that is there no more.
    pub(super) fn forget(
        &mut self,
        listener: usize,
        stack: &mut NetStack<'_>,
        registry: &Registry,
    ) {
        for index in self.mappings.numbers() {
            let of_it = |mapping: &mut UdpMapping| matches!(mapping.ends, Ends::In { listener: known, .. } if known == listener);
            if self.mappings.get_mut(index).is_some_and(of_it) {
                self.end(index, stack, registry);
            }
        }
    }

    /// The number of a mapping, found by its client or made by `make`.
    fn place(
        &mut self,
        same: impl Fn(&Ends) -> bool,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        (now, idle): (Instant, Duration),
        make: impl FnOnce(usize, &mut NetStack<'_>) -> Option<Ends>,
    ) -> Option<usize> {
        if let Some((index, _)) = self.mappings.iter().find(|(_, known)| same(&known.ends)) {
            return Some(index);
        }
        let index = self.mappings.vacant().or_else(|| {
            let (index, _) = self.mappings.iter().min_by_key(|(_, known)| known.last)?;
            self.displaced += 1;
            self.end(index, stack, registry);
            Some(index)
        })?;
        let ends = make(index, stack)?;
        self.mappings.put(index, UdpMapping { ends, last: now, idle });
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

    /// Carries what clients of a listener say. Returns when there may be more to do.
    fn clients_to_board(
        &mut self,
        index: usize,
        listener: &mut ForwardListener,
        stack: &mut NetStack<'_>,
        registry: &Registry,
        now: Instant,
    ) -> Option<Instant> {
        let udp = listener.udp.as_ref()?;
        for carried in 0..BUDGET {
            let (count, client) = match listener.unsent.take() {
                Some((data, client)) => (put_back(&mut self.scratch, &data), client),
                None if !listener.readable => return None,
                None => match udp.recv_from(&mut self.scratch) {
                    Ok(received) => received,
                    Err(error) => {
                        // Anything but "nothing there" reports an earlier answer that nobody wanted.
                        listener.readable = error.kind() != ErrorKind::WouldBlock;
                        continue;
                    }
                },
            };
            if count > DATAGRAM_SIZE {
                self.oversized += 1;
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
            let place = self.place(same, stack, registry, (now, IDLE), |_, stack| {
                let mut board = UdpClientStack::socket(stack).ok()?;
                UdpClientStack::connect(stack, &mut board, remote).ok()?;
                Some(Ends::In { listener: index, client, board })
            });
            let Some(mapping) = place.and_then(|place| self.mappings.get_mut(place)) else {
                continue;
            };
            mapping.last = now;
            let Ends::In { board, .. } = &mut mapping.ends else { continue };
            let data = &self.scratch[..count];
            if UdpClientStack::send(stack, board, data) == Err(nb::Error::WouldBlock) {
                listener.unsent = Some((data.to_vec(), client));
                return Some(room_at(carried, now));
            }
        }
        Some(now)
    }

    fn board_to_kernel(
        &mut self,
        index: usize,
        board: &mut BoardSide<'_, '_>,
        registry: &Registry,
        now: Instant,
    ) -> bool {
        let BoardSide { stack, allowed, dns, unreachable } = board;
        let Allowed { port, kernel, udp: Some(udp), idle, .. } = &mut allowed[index] else {
            return false;
        };
        for _ in 0..BUDGET {
            let Ok((count, from)) = UdpClientStack::receive(*stack, udp, &mut self.scratch) else {
                return false;
            };
            if *port == dns::PORT {
                match dns.screen(&self.scratch[..count]) {
                    Screened::Forward => {}
                    Screened::Answer(answer) => {
                        let _ = UdpFullStack::send_to(*stack, udp, from, &answer);
                        continue;
                    }
                    Screened::Drop => continue,
                }
            }
            let Some(remote) = *kernel else { continue };
            let same = |ends: &Ends| {
                matches!(ends, Ends::Out { allowed, last, .. }
                    if *allowed == index && last.from == from)
            };
            let last = Datagram { from, port: *port };
            let place = self.place(same, stack, registry, (now, *idle), |place, _| {
                let mut kernel = net::UdpSocket::bind(any(remote)).ok()?;
                kernel.connect(remote).ok()?;
                let token = EventSource::Datagram(place).token();
                registry.register(&mut kernel, token, Interest::READABLE).ok()?;
                Some(Ends::Out { allowed: index, kernel, readable: true, unsent: None, last })
            });
            let Some(mapping) = place.and_then(|place| self.mappings.get_mut(place)) else {
                continue;
            };
            mapping.last = now;
            if let Ends::Out { kernel, last: known, .. } = &mut mapping.ends {
                let data = &self.scratch[..count];
                if let Err(error) = kernel.send(data) {
                    // It is about an earlier datagram, and this one has not left.
                    unreachable.tell(stack, *known, error.kind());
                    let _ = kernel.send(data);
                }
                *known = last;
            }
        }
        true
    }

    /// Carries what came back. Returns when there may be more to do.
    fn answers(
        &mut self,
        forwards: &mut Forwards,
        board: &mut BoardSide<'_, '_>,
        now: Instant,
    ) -> Option<Instant> {
        let BoardSide { stack, allowed, unreachable, .. } = board;
        let mut next = None;
        for (_, UdpMapping { ends, last: used, .. }) in self.mappings.iter_mut() {
            match ends {
                Ends::In { listener, client, board } => {
                    let listener = forwards.get_mut(*listener);
                    let Some(udp) = listener.and_then(|listener| listener.udp.as_ref()) else {
                        continue;
                    };
                    while let Ok((count, _)) =
                        UdpClientStack::receive(*stack, board, &mut self.scratch)
                    {
                        *used = now;
                        let _ = udp.send_to(&self.scratch[..count], *client);
                    }
                }
                Ends::Out { allowed: index, kernel, readable, unsent, last } => {
                    let mut at = Some(now);
                    for carried in 0..BUDGET {
                        let count = match unsent.take() {
                            Some(data) => put_back(&mut self.scratch, &data),
                            None if !*readable => {
                                at = None;
                                break;
                            }
                            None => match kernel.recv(&mut self.scratch) {
                                Ok(count) => count,
                                Err(error) => {
                                    *readable = error.kind() != ErrorKind::WouldBlock;
                                    unreachable.tell(stack, *last, error.kind());
                                    continue;
                                }
                            },
                        };
                        *used = now;
                        if count > DATAGRAM_SIZE {
                            self.oversized += 1;
                            continue;
                        }
                        let Some(udp) = &mut allowed[*index].udp else { continue };
                        let data = &self.scratch[..count];
                        let sent = UdpFullStack::send_to(*stack, udp, last.from, data);
                        if sent == Err(nb::Error::WouldBlock) {
                            *unsent = Some(data.to_vec());
                            at = Some(room_at(carried, now));
                            break;
                        }
                    }
                    next = earliest(next, at);
                }
            }
        }
        next
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
            let deadline = mapping.last + mapping.idle;
            if now < deadline {
                next = earliest(next, Some(deadline));
            } else {
                self.end(index, stack, registry);
            }
        }
        next
    }
}

/// Puts a datagram that was kept back to where they are received. Returns its length.
fn put_back(scratch: &mut [u8], data: &[u8]) -> usize {
    scratch[..data.len()].copy_from_slice(data);
    data.len()
}

/// When there may be room again on the board's side, after so many datagrams were carried in this turn: what they filled has
/// left when it ends.
fn room_at(carried: usize, now: Instant) -> Instant {
    if carried > 0 { now } else { now + ROOM_RETRY }
}

/// Any port, of any address of the remote one's kind.
fn any(remote: SocketAddr) -> SocketAddr {
    let address = match remote.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(address, 0)
}
