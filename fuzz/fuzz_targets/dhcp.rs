//! A board that asks for its address, and what servers may answer.
#![no_main]

use tapboard_fuzz::dhcp;

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let _ = dhcp::run(program);
});
