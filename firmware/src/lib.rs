//! A microcontroller's TCP firmware.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod board;
pub mod config;
pub mod netstat;
pub mod rng;
pub mod service;
