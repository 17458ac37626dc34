//! Worlds: whole networks in virtual time, each of a plan that a seed draws or a file has, whose failures replay bit
//! for bit.
//!
//! A world has boards that run the real firmware, peers that use every service as they should, adversaries
//! that do not, a switch between them, and a bad [`crate::link::Link`] in front of each. Events come
//! from the plan: faults, pulled cables, power-cycles, crowds. What must hold is checked after every event and at
//! the end; the first thing that does not is a [`Failure`].
//!
//! `plan` draws what a seed decides, `world` and `node` carry it out in one order, `check` looks at what must hold, `replay` says how a
//! failure is run again. [`run`] is one world; it reads no clock. The buffers of our stacks' sockets come from an [`Arena`] and outlive
//! it; everything else - sockets, clients, frames on their way, peers on bare smoltcp - is allocated for each world.

mod adversary;
mod arena;
mod check;
mod client;
mod collector;
mod command;
mod craft;
mod fault_history;
mod goodput;
mod host;
mod nic;
mod node;
mod options;
mod part;
mod plan;
mod replay;
mod report;
mod run;
mod server;
mod shard;
mod switch;
mod totals;
mod world;

pub use self::arena::Arena;
pub use self::command::{CommandError, command};
pub use self::options::SimOptions;
pub use self::part::Shard;
pub use self::plan::{SETTLE, WorldPlan};
pub use self::run::{Failure, WorldReport, run};
pub use self::switch::Observer;
