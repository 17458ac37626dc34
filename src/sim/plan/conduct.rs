//! What a plan says of servers of addresses: how they conduct themselves, from when on.

use serde::{Deserialize, Serialize};
use smoltcp::time::{Duration, Instant};

use super::draw::Draw;
use super::text;
use super::{CablePlan, Event, TimedEvent, WorldPlan};

/// How much longer a world with servers may take for what is to be done when all is well: a board that was refused again and
/// again asks anew a minute later, and its wrong address may last another one.
pub(in crate::sim) const ADDRESSED: Duration = Duration::from_secs(150);

/// A DHCP server that is the network's IPv6 router as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct ServerPlan {
    pub(in crate::sim) cable: CablePlan,
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct Conduct {
    /// It says something at all.
    pub(in crate::sim) answers: bool,
    /// How long what it gives is good.
    #[serde(with = "text::duration")]
    pub(in crate::sim) lease: Duration,
    pub(in crate::sim) lie: Option<Lie>,
}

impl Conduct {
    pub(in crate::sim) const HONEST: Self =
        Self { answers: true, lease: Duration::from_secs(60), lie: None };
}

/// A way to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sim) enum Lie {
    /// Whatever is asked for may not be had; there is no router, and its prefix is not to be used any more.
    Refuses,
    /// Addresses and prefixes of another network.
    Elsewhere,
    /// Addresses that others have, or may have.
    Another,
    /// An answer in another server's name; a router that nobody can be.
    Impersonates,
    /// It has each address that somebody asks for.
    Claims,
    /// Messages that are not whole, or not right.
    Broken,
    /// Something else with each answer.
    Fickle,
}

impl Lie {
    const ALL: [Self; 7] = [
        Self::Refuses,
        Self::Elsewhere,
        Self::Another,
        Self::Impersonates,
        Self::Claims,
        Self::Broken,
        Self::Fickle,
    ];
}

impl WorldPlan {
    /// The world of that seed, in which most boards have their addresses from servers that vanish, lie and change; all
    /// else is as in [`WorldPlan::draw`], and so are worlds of one transfer.
    #[must_use]
    pub fn draw_with_servers(seed: u64, faults: bool) -> Self {
        let mut plan = Self::draw(seed, faults);
        if plan.transfer().is_some() {
            return plan;
        }
        let mut draw = Draw::new(seed ^ 0xadd2_e55e);
        for board in &mut plan.boards {
            board.asks = !draw.one_in(4);
        }
        for _ in 0..draw.between(1, 2) {
            let delay = Duration::from_micros(draw.between(20, 20_000).into());
            let cable = CablePlan { delay, seed: draw.size(32).into() };
            plan.servers.push(ServerPlan { cable });
        }
        for server in 0..plan.servers.len() {
            let mut at = Instant::ZERO;
            while at < plan.heal {
                let seconds = [1, 5, 20, 30, 60][draw.below(5)];
                let conduct = Conduct {
                    answers: !draw.one_in(4),
                    lease: Duration::from_secs(seconds),
                    lie: draw.one_in(2).then(|| Lie::ALL[draw.below(Lie::ALL.len())]),
                };
                plan.events.push(TimedEvent { at, event: Event::Serve { server, conduct } });
                at += draw.millis(500, 25_000);
            }
        }
        plan.events.sort_by_key(|timed| timed.at);
        plan
    }
}
