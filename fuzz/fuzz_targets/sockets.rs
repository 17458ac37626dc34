//! The calls of `NetStack` in any order, with clients and servers at the other end.
#![no_main]

use std::cell::RefCell;

use tapboard_fuzz::sockets;
use tapboard_fuzz::states::Tally;

thread_local! {
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
}

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let states = sockets::run(program);
    TALLY.with_borrow_mut(|tally| tally.add(&states));
});
