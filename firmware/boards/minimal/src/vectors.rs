//! The vectors behind those of the exceptions. No interrupt is ever taken, and the runtime's own table is for
//! 240: it would be a kilobyte of flash. One is the least that the runtime takes.
//!
//! The only module with `unsafe`: it is what says where the linker has to put the table.
#![allow(unsafe_code)]

// SAFETY: the section and the name are those that the runtime asks for. A 0 is never called; if it were, the
// processor would take it for an instruction set that it has not, which is a fault.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [usize; 1] = [0];
