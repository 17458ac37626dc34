//! Placeholder while the tool is being written.
fn main() {}
