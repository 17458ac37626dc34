//! The HTTP server, and whatever clients may send to it.
#![no_main]

use tapboard_fuzz::http;

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let _ = http::run(program);
});
