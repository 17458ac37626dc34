//! The parts of the board that instructions are counted for, by the files they are in.

/// A part of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Headers are read.
    Parse,
    /// What a frame is, and for whom.
    Ingress,
    /// What is let in, and what is made of the rest: the guard, hygiene, cookies.
    Guard,
    /// MAC addresses, and next hops.
    Neighbors,
    /// Slots: whose segment it is, who is admitted, what expires.
    Slots,
    /// The connection's own variables, and the loss engine.
    Tcb,
    Loss,
    /// The way out, and what smoltcp is shown.
    Egress,
    Smoltcp,
    /// Sums over bytes, whoever wants them.
    Checksums,
    /// Bytes are moved or zeroed, whoever wants it.
    Copies,
    /// Services, and the calls of sockets.
    Application,
    /// The superloop, the NIC in memory, and the rest.
    Rest,
}

/// Where our files are, and what they are for; the first that fits counts.
const FILES: [(&str, Stage); 31] = [
    ("net/src/frame", Stage::Parse),
    ("net/src/guard", Stage::Guard),
    ("net/src/stack/ingress", Stage::Ingress),
    ("net/src/stack/deliver", Stage::Guard),
    ("net/src/stack/hygiene", Stage::Guard),
    ("net/src/stack/refusal", Stage::Ingress),
    ("net/src/stack/repair", Stage::Ingress),
    ("net/src/stack/resolve", Stage::Neighbors),
    ("net/src/stack/cookie", Stage::Guard),
    ("net/src/workaround/options", Stage::Ingress),
    ("net/src/workaround/inject", Stage::Guard),
    ("net/src/neighbors", Stage::Neighbors),
    ("net/src/secret", Stage::Guard),
    ("net/src/tcp/cookie", Stage::Guard),
    ("net/src/tcp/isn", Stage::Guard),
    ("net/src/tcp/held", Stage::Guard),
    ("net/src/tcp/throttle", Stage::Guard),
    ("net/src/tcp/tcb", Stage::Tcb),
    ("net/src/tcp", Stage::Slots),
    ("net/src/loss", Stage::Loss),
    ("net/src/stack/egress", Stage::Egress),
    ("net/src/stack/transmit", Stage::Egress),
    ("net/src/stack/held", Stage::Egress),
    ("net/src/stack/interface", Stage::Neighbors),
    ("net/src/workaround", Stage::Egress),
    ("net/src/stack/pass", Stage::Smoltcp),
    ("net/src/stack/tcp", Stage::Application),
    ("net/src/stack/udp", Stage::Application),
    ("net/src/stack/nal", Stage::Application),
    ("firmware/src/service", Stage::Application),
    ("firmware/src/buffer_access", Stage::Application),
];

impl Stage {
    pub(crate) const ALL: [Self; 13] = [
        Self::Parse,
        Self::Ingress,
        Self::Guard,
        Self::Neighbors,
        Self::Slots,
        Self::Tcb,
        Self::Loss,
        Self::Egress,
        Self::Smoltcp,
        Self::Checksums,
        Self::Copies,
        Self::Application,
        Self::Rest,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Ingress => "ingress",
            Self::Guard => "guard",
            Self::Neighbors => "neighbours",
            Self::Slots => "slots",
            Self::Tcb => "Tcb",
            Self::Loss => "loss",
            Self::Egress => "egress",
            Self::Smoltcp => "smoltcp",
            Self::Checksums => "sums",
            Self::Copies => "copies",
            Self::Application => "services",
            Self::Rest => "rest",
        }
    }

    /// The part that a line of `file` is of, in a function that is at `home`: what is inlined of the standard library, or of
    /// smoltcp's accessors of headers, is of who wanted it.
    pub(crate) fn of(function: &str, home: &str, file: &str) -> Self {
        let sums = function.contains("checksum") || function.contains("Segment::is_sound");
        if sums || (file.contains("/smoltcp-") && file.ends_with("/wire/ip.rs")) {
            return Self::Checksums;
        }
        if ["memcpy", "memmove", "memset", "memcmp", "bcmp"]
            .iter()
            .any(|name| function.contains(name))
        {
            return Self::Copies;
        }
        let ours = |path: &str| {
            FILES.iter().find(|(part, _)| path.contains(part)).map(|&(_, stage)| stage)
        };
        let smoltcp = |path: &str| path.contains("/smoltcp-").then_some(Self::Smoltcp);
        let inlined = ours(file).or_else(|| smoltcp(file).filter(|_| !file.contains("/wire/")));
        inlined.or_else(|| ours(home)).or_else(|| smoltcp(home)).unwrap_or(Self::Rest)
    }
}
