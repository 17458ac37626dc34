//! The machines of a world that have a stack: boards and peers, each with what a boot of it takes.
//!
//! A [`Machine`] is polled when a frame has arrived or when it asked to be; what it asks for is checked
//! here: never a moment in the past, never `now` again and again without doing anything.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use std::net::SocketAddr;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, Board, BoardSockets, Firmware, NetConfig, NetStack, earliest};

use super::arena::{Lent, PeerSockets};
use super::client::{Client, SCRATCH, Scratch};
use super::collector::{Collector, PORT};
use super::fault_history::FaultHistory;
use super::host::{BareStack, HostStack};
use super::plan::{BoardPlan, Job, NicPlan, PeerPlan, Profile, Stack};

/// A board's hardware, all of whose randomness comes from the world's seed.
#[derive(Debug)]
pub(super) struct Hardware {
    led: bool,
    rng: Rng,
    reset: bool,
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        20_000 + self.rng.below(10_000).cast_signed()
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.rng.next_u64())
    }

    fn reset(&mut self) {
        self.reset = true;
    }
}

/// A host's addresses: its number is the last byte of each, `generation` tells one NIC from its successor.
pub(super) fn net_config(number: u8, generation: u8) -> NetConfig {
    let mac = EthernetAddress([0x02, 0, 0x5e, generation.wrapping_mul(0x55), 0, number]);
    let ipv6 = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
    BOARD_NET
        .with_mac(mac)
        .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, number), 24))
        .with_ipv6(Ipv6Cidr::new(ipv6, 64))
}

/// Where boots get their memory: what no boot of this world has had yet.
pub(super) struct BootMemory<'w> {
    pub(super) lent: Lent<'w>,
    pub(super) boards: std::slice::IterMut<'w, BoardSockets<'w>>,
    pub(super) peers: std::slice::IterMut<'w, PeerSockets<'w>>,
}

/// A board, on or off.
pub(super) struct BoardNode<'w> {
    plan: BoardPlan,
    number: usize,
    pub(super) config: NetConfig,
    collector: Ipv4Address,
    pub(super) firmware: Option<Box<Firmware<'w, Hardware>>>,
    /// Its addresses when they were last looked at.
    pub(super) addresses: Vec<IpCidr>,
    /// When it booted, each time.
    pub(super) booted: Vec<Instant>,
    /// When its cable was last put in.
    pub(super) plugged: Instant,
    /// From whom a frame was still on its way then, that has arrived since.
    pub(super) late: Vec<EthernetAddress>,
}

impl<'w> BoardNode<'w> {
    pub(super) fn new(
        plan: BoardPlan,
        number: usize,
        config: NetConfig,
        collector: Ipv4Address,
    ) -> Self {
        let (firmware, booted) = (None, Vec::new());
        Self {
            plan,
            number,
            config,
            collector,
            firmware,
            addresses: Vec::new(),
            booted,
            plugged: Instant::ZERO,
            late: Vec::new(),
        }
    }

    pub(super) const fn nic(&self) -> NicPlan {
        self.plan.nic
    }

    pub(super) const fn telemetry(&self) -> bool {
        self.plan.telemetry
    }

    pub(super) const fn asks(&self) -> bool {
        self.plan.asks
    }

    /// Powers it on with memory of its own.
    pub(super) fn boot(
        &mut self,
        now: Instant,
        memory: &mut BootMemory<'w>,
        device: &mut (impl Device + ?Sized),
    ) {
        let entropy = boot_entropy(self.plan.entropy, self.booted.len());
        let mut name = heapless::String::new();
        let text = format_args!("b{}.{}", self.number, self.booted.len());
        core::fmt::write(&mut name, text).expect("a short name");
        let telemetry =
            self.plan.telemetry.then_some(SocketAddr::from((self.collector, PORT)).into());
        let services = ServiceConfig { name, telemetry };
        let config =
            if self.plan.asks { self.config.with_dhcp().with_slaac() } else { self.config };
        let hardware = Hardware { led: false, rng: Rng::new(entropy), reset: false };
        let sockets = memory.boards.next().expect("the plan counts the boots");
        let firmware = if self.plan.profile == Profile::Large {
            let buffers = memory.lent.large();
            Firmware::new(&config, services, hardware, device, now, buffers, sockets)
        } else {
            let buffers = memory.lent.mcu();
            Firmware::new(&config, services, hardware, device, now, buffers, sockets)
        };
        self.firmware = Some(Box::new(firmware.expect("the hardware has entropy")));
        self.booted.push(now);
    }

    /// Whether the firmware has pulled the reset line.
    pub(super) fn reset_requested(&self) -> bool {
        self.firmware.as_ref().is_some_and(|firmware| firmware.board().reset)
    }
}

/// A machine as others on the network know it: clients of the boards, and a telemetry server.
pub(super) struct PeerNode<'w> {
    plan: PeerPlan,
    boots: usize,
    pub(super) config: NetConfig,
    pub(super) stack: HostStack<'w>,
    pub(super) clients: Vec<Client>,
    pub(super) collector: Option<Collector>,
    scratch: Box<Scratch>,
}

impl<'w> PeerNode<'w> {
    pub(super) fn new(
        plan: PeerPlan,
        config: NetConfig,
        jobs: impl Iterator<Item = Job>,
        collector: bool,
        memory: &mut BootMemory<'w>,
        device: &mut (impl Device + ?Sized),
    ) -> Self {
        Self {
            plan,
            boots: 1,
            config,
            stack: boot_peer(&plan, 0, &config, Instant::ZERO, memory, device),
            clients: jobs.map(Client::new).collect(),
            collector: collector.then(Collector::default),
            scratch: Box::new(SCRATCH),
        }
    }

    pub(super) const fn nic(&self) -> NicPlan {
        self.plan.nic
    }

    /// Another machine takes its place.
    pub(super) fn swap(
        &mut self,
        config: NetConfig,
        now: Instant,
        memory: &mut BootMemory<'w>,
        device: &mut (impl Device + ?Sized),
    ) {
        self.stack = boot_peer(&self.plan, self.boots, &config, now, memory, device);
        self.boots += 1;
        self.config = config;
        for client in &mut self.clients {
            client.restart(now);
        }
        if let Some(collector) = &mut self.collector {
            collector.restart();
        }
    }

    /// One turn: the stack, and in it every client.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        device: &mut (impl Device + ?Sized),
        history: &FaultHistory,
        booted: &impl Fn(usize, usize) -> Option<Instant>,
    ) -> Result<Option<Instant>, String> {
        let Self { stack, clients, collector, scratch, .. } = self;
        let mut failure = None;
        let next = stack.poll_with(now, device, |stack, now| {
            let mut next = None;
            for client in clients.iter_mut() {
                match client.turn(now, stack, history, scratch) {
                    Ok(at) => next = earliest(next, at),
                    Err(text) => {
                        failure.get_or_insert_with(|| format!("{text} ({})", client.describe()));
                    }
                }
            }
            if let Some(collector) = collector
                && let Err(text) = collector.turn(now, stack, booted)
            {
                failure.get_or_insert(text);
            }
            next
        });
        failure.map_or(Ok(next), Err)
    }
}

/// The randomness of a boot, counted from 0.
const fn boot_entropy(first: u64, boot: usize) -> u64 {
    first.wrapping_add(boot as u64)
}

fn boot_peer<'w>(
    plan: &PeerPlan,
    boot: usize,
    config: &NetConfig,
    now: Instant,
    memory: &mut BootMemory<'w>,
    device: &mut (impl Device + ?Sized),
) -> HostStack<'w> {
    let entropy = boot_entropy(plan.entropy, boot);
    match plan.stack {
        Stack::Smoltcp => {
            HostStack::Smoltcp(Box::new(BareStack::new(config, now, device, entropy, plan.window)))
        }
        Stack::Tapboard => {
            let sockets = memory.peers.next().expect("the plan counts the boots");
            let buffers = memory.lent.peer();
            let stack = NetStack::new(config, device, now, entropy, buffers, sockets);
            HostStack::Tapboard(Box::new(stack))
        }
    }
}
