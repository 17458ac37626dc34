//! A board that looks up names, has one, and asks for the time of day, and what may be answered and asked.
#![no_main]

use tapboard_fuzz::names;

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let _ = names::run(program);
});
