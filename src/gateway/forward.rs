//! Which port of this machine leads to which of the board.

/// A host port and the board port it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port of this machine's loopback addresses, TCP and UDP.
    pub host: u16,
    /// Port on the board.
    pub board: u16,
}

impl Forward {
    /// What is forwarded unless told otherwise: the board's services, 7000 higher.
    pub const DEFAULT: [Self; 5] =
        [Self::high(7), Self::high(9), Self::high(19), Self::high(23), Self::high(80)];

    const fn high(board: u16) -> Self {
        Self { host: 7000 + board, board }
    }
}

impl std::str::FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| text.parse().ok().filter(|&port: &u16| port != 0);
        text.split_once(':')
            .and_then(|(host, board)| Some(Self { host: port(host)?, board: port(board)? }))
            .ok_or_else(|| {
                format!("{text:?} is not HOST:BOARD, two ports from 1 to 65535, e.g. 8007:7")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_two_ports() {
        assert_eq!("8007:7".parse(), Ok(Forward { host: 8007, board: 7 }));
        for bad in ["", "7", "7:", ":7", "0:7", "7:0", "65536:7", "a:7", "1:2:3"] {
            let error = bad.parse::<Forward>().unwrap_err();
            assert!(error.contains("HOST:BOARD"), "{error}");
        }
    }
}
