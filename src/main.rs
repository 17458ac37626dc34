//! Placeholder while the simulator is being written.
fn main() {}
