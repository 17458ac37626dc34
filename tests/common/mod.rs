//! What the scenario tests share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod pair;
