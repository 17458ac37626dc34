//! What steers smoltcp 0.14.0 around its own faults. Each file names the fault and the line, so that it can be deleted the
//! day smoltcp has it.

pub(crate) mod blocks;
pub(crate) mod inject;
pub(crate) mod isn;
pub(crate) mod options;
pub(crate) mod replay;
#[cfg(feature = "multicast")]
pub(crate) mod report;
