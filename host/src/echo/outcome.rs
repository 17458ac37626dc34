//! How one connection of the echo check ended, in words and in fields.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::units::{counted, show_seconds};

/// The end of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every byte came back in its place, and then the peer's FIN.
    Verified,
    /// Nothing listens there (RST in answer to our SYN); the text says what to do.
    Refused(String),
    /// Something else went wrong.
    Failed(Fault),
    /// The check was interrupted first.
    Unfinished,
}

/// What went wrong. Offsets count from the first byte that was sent, pings included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection came about; the text says why and what to do.
    Connect(String),
    /// A byte came back wrong; those before it were right.
    Mismatch {
        /// Offset of the byte.
        offset: u64,
        /// The byte that was sent there.
        expected: u8,
        /// The byte that came back.
        received: u8,
    },
    /// More came back than had been sent.
    Excess {
        /// Bytes sent.
        sent: u64,
        /// Bytes beyond them, of those that were read.
        extra: usize,
    },
    /// The peer's FIN came before the last byte.
    EarlyEnd {
        /// Bytes that had come back.
        verified: u64,
        /// Bytes that were due.
        total: u64,
    },
    /// The connection broke.
    Lost {
        /// Bytes that had come back.
        verified: u64,
        /// Bytes that were due.
        total: u64,
        /// What the system says.
        reason: String,
    },
    /// Nothing moved any more.
    Stalled {
        /// Bytes sent.
        sent: u64,
        /// Bytes that had come back.
        verified: u64,
        /// Bytes that were due.
        total: u64,
        /// How long nothing moved.
        timeout: Duration,
    },
}

impl Outcome {
    /// The outcome in one word, as JSON has it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Verified => "ok",
            Self::Refused(_) => "refused",
            Self::Unfinished => "unfinished",
            Self::Failed(fault) => match fault {
                Fault::Connect(_) => "connect_failed",
                Fault::Mismatch { .. } => "mismatch",
                Fault::Excess { .. } => "excess",
                Fault::EarlyEnd { .. } => "early_end",
                Fault::Lost { .. } => "lost",
                Fault::Stalled { .. } => "stalled",
            },
        }
    }

    /// Adds the numbers of this outcome to an object.
    pub fn add_fields(&self, object: &mut Map<String, Value>) {
        let fields = match self {
            Self::Failed(Fault::Mismatch { offset, expected, received }) => {
                json!({ "offset": offset, "expected": expected, "received": received })
            }
            Self::Failed(Fault::Excess { sent, extra }) => json!({ "sent": sent, "extra": extra }),
            Self::Failed(
                Fault::EarlyEnd { verified, total } | Fault::Lost { verified, total, .. },
            ) => {
                json!({ "offset": verified, "total": total })
            }
            Self::Failed(Fault::Stalled { sent, verified, total, .. }) => {
                json!({ "offset": verified, "sent": sent, "total": total })
            }
            _ => return,
        };
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("every byte verified"),
            Self::Refused(text) => write!(f, "refused: {text}"),
            Self::Unfinished => f.write_str("unfinished"),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(text) => f.write_str(text),
            Self::Mismatch { offset, expected, received } => write!(
                f,
                "wrong byte at offset {offset}: expected 0x{expected:02x}, received 0x{received:02x}"
            ),
            Self::Excess { sent, extra } => {
                write!(f, "{} more came back than the {sent} sent", counted(*extra, "byte"))
            }
            Self::EarlyEnd { verified, total } => {
                let total = counted(*total, "byte");
                write!(f, "the peer closed (FIN) after {verified} of {total}")
            }
            Self::Lost { verified, total, reason } => {
                write!(f, "{reason} after {verified} of {}", counted(*total, "byte"))
            }
            Self::Stalled { sent, verified, total, timeout } => {
                write!(
                    f,
                    "stalled: nothing moved for {} after {verified} of {} came back ({sent} sent)",
                    show_seconds(*timeout),
                    counted(*total, "byte"),
                )?;
                if verified == total {
                    f.write_str("; the peer's FIN is missing")?;
                }
                Ok(())
            }
        }
    }
}
