//! The examples' own tests. Here, because cargo builds an example either as a program or as a test: the documents'
//! commands need the programs.

#![allow(dead_code, reason = "what the programs alone use")]

#[path = "../examples/bad_cable.rs"]
mod bad_cable;
#[path = "../examples/line_service.rs"]
mod line_service;
#[path = "../examples/own_service.rs"]
mod own_service;
#[path = "../examples/plain_smoltcp.rs"]
mod plain_smoltcp;
