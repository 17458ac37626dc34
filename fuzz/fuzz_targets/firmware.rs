//! The whole firmware, with clients connecting, and telemetry, which connects.
#![no_main]

use std::cell::RefCell;

use tapboard_fuzz::firmware;
use tapboard_fuzz::states::Tally;

thread_local! {
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
}

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let states = firmware::run(program);
    TALLY.with_borrow_mut(|tally| tally.add(&states));
});
