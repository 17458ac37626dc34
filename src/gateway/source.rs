//! Which kernel socket an event is of.

use mio::Token;

/// The tokens under which kernel sockets report readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventSource {
    ForwardTcp(usize),
    ForwardUdp(usize),
    Flow(usize),
    Datagram(usize),
    /// The API's listener is number 0; its clients follow.
    Api(usize),
}

impl EventSource {
    const STRIDE: usize = 1 << 16;

    pub(super) const fn token(self) -> Token {
        Token(match self {
            Self::ForwardTcp(index) => Self::STRIDE + index,
            Self::ForwardUdp(index) => 2 * Self::STRIDE + index,
            Self::Flow(index) => 3 * Self::STRIDE + index,
            Self::Datagram(index) => 4 * Self::STRIDE + index,
            Self::Api(index) => 5 * Self::STRIDE + index,
        })
    }

    pub(super) const fn from_token(token: Token) -> Option<Self> {
        let index = token.0 % Self::STRIDE;
        match token.0 / Self::STRIDE {
            1 => Some(Self::ForwardTcp(index)),
            2 => Some(Self::ForwardUdp(index)),
            3 => Some(Self::Flow(index)),
            4 => Some(Self::Datagram(index)),
            5 => Some(Self::Api(index)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_source() {
        for source in [
            EventSource::ForwardTcp(0),
            EventSource::ForwardUdp(3),
            EventSource::Flow(63),
            EventSource::Datagram(17),
            EventSource::Api(0),
            EventSource::Api(7),
        ] {
            assert_eq!(EventSource::from_token(source.token()), Some(source));
        }
        assert_eq!(EventSource::from_token(Token(0)), None);
    }
}
