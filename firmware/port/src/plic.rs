//! RISC-V's platform-level interrupt controller (PLIC), for interrupts that wake and have no handler.
//!
//! The controller passes an interrupt on once, and again only after it was claimed and completed. Claimed
//! as soon as it has woken, and completed right before the next sleep, it cannot end a sleep for a reason that
//! has gone, and one that comes in between ends the next: the device's line is looked at when it is completed.
//! Completed earlier, a controller that looks at edges of the line, as QEMU's does, would forget what
//! a line that stays up has to say.

use crate::registers::Registers;

const PRIORITY: usize = 4;
/// Of the first hart, in machine mode.
const ENABLE: usize = 0x2000;
const THRESHOLD: usize = 0x20_0000;
/// Reading claims, writing completes.
const CLAIM: usize = 0x20_0004;

/// The controller, with `N` of its interrupts let through to the first hart.
#[derive(Debug)]
pub struct Plic<R, const N: usize = 1> {
    registers: R,
    /// Those that were claimed; 0 is none.
    claimed: [u32; N],
}

impl<R: Registers> Plic<R> {
    /// Lets the interrupt `source`, which is at least 1, through.
    pub fn new(registers: R, source: usize) -> Self {
        Self::of(registers, [source])
    }
}

impl<R: Registers, const N: usize> Plic<R, N> {
    /// As [`Plic::new`], with several interrupts: the interface's, and those whose hardware the product looks at after each
    /// turn of the superloop.
    pub fn of(mut registers: R, sources: [usize; N]) -> Self {
        for source in sources {
            registers.write(source * PRIORITY, 1);
            let place = ENABLE + source / 32 * 4;
            let enabled = sources.iter().filter(|other| **other / 32 == source / 32);
            registers.write(place, enabled.fold(0, |bits, other| bits | 1 << (other % 32)));
        }
        registers.write(THRESHOLD, 0);
        // A reset of the processor alone leaves one that was claimed claimed.
        let mut plic = Self { registers, claimed: sources.map(|source| source as u32) };
        plic.complete();
        plic
    }

    /// Takes what has come, so that the processor is not woken by it again.
    pub fn claim(&mut self) {
        for claimed in &mut self.claimed {
            *claimed = self.registers.read(CLAIM);
            if *claimed == 0 {
                break;
            }
        }
    }

    /// Lets what was claimed come again; at once, if its reason is still there.
    pub fn complete(&mut self) {
        for claimed in &mut self.claimed {
            if *claimed != 0 {
                self.registers.write(CLAIM, *claimed);
                *claimed = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::{Cell, RefCell};

    use super::*;

    const SOURCE: usize = 33;

    /// The controller, and the device's line to it.
    #[derive(Default)]
    struct Model {
        /// It looks at the line when it changes, and not when it is asked to go on.
        edges: bool,
        priority: u32,
        enabled: u32,
        threshold: u32,
        line: Cell<bool>,
        pending: Cell<bool>,
        claimed: Cell<bool>,
    }

    impl Model {
        fn new(edges: bool) -> RefCell<Self> {
            RefCell::new(Self { edges, threshold: 7, ..Self::default() })
        }

        fn set(&self, line: bool) {
            self.line.set(line);
            if self.edges {
                self.pending.set(line);
            } else if line && !self.claimed.get() {
                self.pending.set(true);
            }
        }

        /// Whether the processor wakes.
        fn wakes(&self) -> bool {
            let through = self.priority > self.threshold && self.enabled == 1 << (SOURCE % 32);
            through && self.pending.get() && !self.claimed.get()
        }
    }

    impl Registers for &RefCell<Model> {
        fn read(&mut self, offset: usize) -> u32 {
            assert_eq!(offset, CLAIM);
            let model = self.borrow();
            if !model.wakes() {
                return 0;
            }
            model.pending.set(false);
            model.claimed.set(true);
            SOURCE as u32
        }

        fn write(&mut self, offset: usize, value: u32) {
            let mut model = self.borrow_mut();
            match offset {
                0x84 => model.priority = value,
                0x2004 => model.enabled = value,
                THRESHOLD => model.threshold = value,
                CLAIM => {
                    assert_eq!(value, SOURCE as u32);
                    model.claimed.set(false);
                    if !model.edges {
                        model.pending.set(model.line.get());
                    }
                }
                _ => panic!("write of {offset:#x}"),
            }
        }
    }

    /// What happens in a turn: the event, the device's interrupt cleared, another event, and the look at the device;
    /// the last event is the one to be woken for.
    #[test]
    fn an_event_after_the_interrupt_was_cleared_ends_the_next_sleep() {
        for edges in [false, true] {
            let model = Model::new(edges);
            let mut plic = Plic::new(&model, SOURCE);
            for _ in 0..3 {
                assert!(!model.borrow().wakes());
                model.borrow().set(true);
                assert!(model.borrow().wakes());
                plic.claim();
                assert!(!model.borrow().wakes());
                model.borrow().set(false);
                model.borrow().set(true);
                plic.complete();
                assert!(model.borrow().wakes(), "edges: {edges}");
                plic.claim();
                model.borrow().set(false);
                plic.complete();
                assert!(!model.borrow().wakes(), "its reason has gone");
            }
        }
    }

    #[test]
    fn one_that_was_claimed_before_a_reset_comes_again() {
        let model = Model::new(false);
        model.borrow().claimed.set(true);
        model.borrow().set(true);
        let _plic = Plic::new(&model, SOURCE);
        assert!(model.borrow().wakes());
    }

    #[test]
    fn a_sleep_that_something_else_ended_completes_nothing() {
        let model = Model::new(true);
        let mut plic = Plic::new(&model, SOURCE);
        plic.claim();
        assert_eq!(plic.claimed, [0]);
        plic.complete();
        model.borrow().set(true);
        assert!(model.borrow().wakes());
    }

    /// Two sources beside each other in one word and one in another, as registers in a model have them.
    #[derive(Default)]
    struct Several {
        words: std::collections::BTreeMap<usize, u32>,
        pending: std::vec::Vec<u32>,
        claimed: std::vec::Vec<u32>,
    }

    impl Registers for &RefCell<Several> {
        fn read(&mut self, offset: usize) -> u32 {
            assert_eq!(offset, CLAIM);
            let mut model = self.borrow_mut();
            let Some(source) = model.pending.pop() else { return 0 };
            model.claimed.push(source);
            source
        }

        fn write(&mut self, offset: usize, value: u32) {
            let mut model = self.borrow_mut();
            if offset == CLAIM {
                model.claimed.retain(|&claimed| claimed != value);
            } else {
                model.words.insert(offset, value);
            }
        }
    }

    #[test]
    fn several_are_let_through_and_all_that_have_come_are_claimed_and_completed() {
        let model = RefCell::new(Several::default());
        let mut plic = Plic::of(&model, [33, 2, 40]);
        let enabled = |word: usize| model.borrow().words[&(ENABLE + 4 * word)];
        assert_eq!((enabled(0), enabled(1)), (1 << 2, 1 << 1 | 1 << 8));
        assert!([33, 2, 40].iter().all(|source| model.borrow().words[&(source * PRIORITY)] == 1));
        for come in [&[2][..], &[33, 40], &[2, 33, 40], &[]] {
            model.borrow_mut().pending.extend(come);
            plic.claim();
            assert!(model.borrow().pending.is_empty(), "each would end the next sleep");
            assert_eq!(model.borrow().claimed.len(), come.len());
            plic.complete();
            assert!(model.borrow().claimed.is_empty());
        }
    }
}
