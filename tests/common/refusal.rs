//! A kernel that refuses to help a TAP: a seccomp filter answers the system call in its place.
//!
//! The filter holds for one thread and for what it starts, so the program under test is the one that users
//! have, and gets its refusal where it would get the kernel's.

use std::thread;

use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// What is refused, with `EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Any offload, as by a kernel that does not know one of those asked for (`TUNSETOFFLOAD`).
    Offloads,
    /// A virtio-net header (`TUNSETVNETHDRSZ`).
    Header,
}

impl Refusal {
    /// The second argument of the ioctl that is refused: see `src/nic/tap/sys.rs`.
    const fn request(self) -> u64 {
        match self {
            Self::Offloads => 0x4004_54d0,
            Self::Header => 0x4004_54d8,
        }
    }

    fn rule(self) -> Result<SeccompRule, seccompiler::BackendError> {
        use SeccompCmpArgLen::Dword;
        use SeccompCmpOp::{Eq, Ne};
        let request = SeccompCondition::new(1, Dword, Eq, self.request())?;
        let mut conditions = vec![request];
        if self == Self::Offloads {
            // None at all is what every kernel can do.
            conditions.push(SeccompCondition::new(2, Dword, Ne, 0)?);
        }
        SeccompRule::new(conditions)
    }

    fn apply(self) -> Result<(), Box<dyn std::error::Error>> {
        let rules = [(libc::SYS_ioctl, vec![self.rule()?])].into();
        let refuse = SeccompAction::Errno(libc::EINVAL as u32);
        let machine = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?;
        let program: seccompiler::BpfProgram = filter.try_into()?;
        Ok(apply_filter(&program)?)
    }

    /// Runs `body` in a thread for which, and for whose processes, the kernel refuses this.
    pub(crate) fn during<T: Send>(self, body: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let refused = scope.spawn(|| {
                self.apply().expect("a kernel with seccomp");
                body()
            });
            refused.join().expect("it did not panic")
        })
    }
}
