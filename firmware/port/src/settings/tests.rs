//! On a model of NOR flash whose power fails at any of its steps.

use core::cell::RefCell;
use std::rc::Rc;
use std::string::String;
use std::vec;
use std::vec::Vec;

use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind, ReadNorFlash};

use super::*;

/// Bytes of a page.
const PAGE: usize = 1024;
/// Steps in which a page is erased.
const ERASE_STEPS: usize = 4;

/// Flash whose words have `WORD` bytes, each of which is written once between two erasures: a chip that keeps a code for
/// the correction of errors beside each allows no more.
#[derive(Clone)]
struct Nor<const WORD: usize> {
    bytes: Vec<u8>,
    /// Words that are other than erased.
    written: Vec<bool>,
    /// Words to be written, and steps of erasures, before the power fails.
    power: Option<usize>,
    /// How often a page was erased.
    erasures: Vec<usize>,
}

impl<const WORD: usize> Nor<WORD> {
    fn new(pages: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            bytes: vec![0xff; pages * PAGE],
            written: vec![false; pages * PAGE / WORD],
            power: None,
            erasures: vec![0; pages],
        }))
    }

    /// One step, unless the power has failed.
    fn step(&mut self) -> Result<(), Off> {
        match &mut self.power {
            Some(0) => Err(Off),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Off;

impl NorFlashError for Off {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// The flash, which a test has as well.
struct Chip<const WORD: usize>(Rc<RefCell<Nor<WORD>>>);

impl<const WORD: usize> ErrorType for Chip<WORD> {
    type Error = Off;
}

impl<const WORD: usize> ReadNorFlash for Chip<WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Off> {
        let flash = self.0.borrow();
        if flash.power == Some(0) {
            return Err(Off);
        }
        bytes.copy_from_slice(&flash.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl<const WORD: usize> NorFlash for Chip<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Off> {
        let (mut flash, from, to) = (self.0.borrow_mut(), from as usize, to as usize);
        assert!(from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE));
        for page in from / PAGE..to / PAGE {
            flash.erasures[page] += 1;
            for step in 0..ERASE_STEPS {
                let start = page * PAGE + step * PAGE / ERASE_STEPS;
                let (part, off) = (start..start + PAGE / ERASE_STEPS, flash.step().is_err());
                flash.written[part.start / WORD..part.end / WORD].fill(off);
                // Where the power fails, bits are set here and there.
                let set = if off { 0x5a } else { 0xff };
                flash.bytes[part].iter_mut().for_each(|byte| *byte |= set);
                if off {
                    return Err(Off);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Off> {
        let (mut flash, offset) = (self.0.borrow_mut(), offset as usize);
        assert!(offset.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (number, word) in bytes.chunks(WORD).enumerate() {
            let (at, off) = (offset / WORD + number, flash.step().is_err());
            assert!(!flash.written[at], "a word is written once");
            // Where the power fails, a part of it is written, if it has parts.
            let length = if off { WORD / 2 } else { WORD };
            // Nothing is written of a word that stays as erased.
            flash.written[at] = word[..length].iter().any(|&byte| byte != 0xff);
            flash.bytes[at * WORD..][..length].copy_from_slice(&word[..length]);
            if off {
                return Err(Off);
            }
        }
        Ok(())
    }
}

fn open<const WORD: usize>(flash: &Rc<RefCell<Nor<WORD>>>) -> FlashSettings<Chip<WORD>> {
    let size = flash.borrow().bytes.len() as u32;
    FlashSettings::open(Chip(flash.clone()), 0..size)
}

/// What a boot finds.
fn found<const WORD: usize>(flash: &Rc<RefCell<Nor<WORD>>>) -> String {
    let settings = open(flash);
    assert!(settings.sound, "damaged");
    String::from_utf8(settings.table.as_bytes().into()).unwrap()
}

/// Saves a table whose length and content follow from `number`. Returns its text, and whether the power lasted.
fn save<const WORD: usize>(flash: &Rc<RefCell<Nor<WORD>>>, number: usize) -> (String, bool) {
    let mut settings = open(flash);
    let value = std::format!("{number}-{}", "x".repeat(140 + number * 37 % 90));
    settings.sound = true; // whoever saves has seen it sound; without power nothing is read
    settings.table = Table::new();
    settings.table.set("name", &value).unwrap();
    let text = String::from_utf8(settings.table.as_bytes().into()).unwrap();
    (text, settings.save().is_ok())
}

fn copy<const WORD: usize>(
    flash: &Rc<RefCell<Nor<WORD>>>,
    power: Option<usize>,
) -> Rc<RefCell<Nor<WORD>>> {
    Rc::new(RefCell::new(Nor { power, ..flash.borrow().clone() }))
}

#[test]
fn what_is_saved_is_there_at_the_next_boot() {
    let flash = Nor::<4>::new(2);
    assert_eq!(found(&flash), "");
    for number in 0..100 {
        let (text, _) = save(&flash, number);
        assert_eq!(found(&flash), text);
    }
    let mut settings = open(&flash);
    assert!(settings.table().unset("name"));
    settings.save().unwrap();
    assert!(!settings.table().changed());
    assert_eq!(found(&flash), "", "and a table may be empty");
}

/// At each word and each step of an erasure of each of many saves, which go round all pages several times.
fn dies_everywhere<const WORD: usize>(pages: usize) {
    let flash = Nor::<WORD>::new(pages);
    let mut old = String::new();
    for number in 0..14 {
        for steps in 0.. {
            let cut = copy(&flash, Some(steps));
            let (new, lasted) = save(&cut, number);
            let cut = copy(&cut, None);
            let after = found(&cut);
            assert!(
                after == new || after == old && !lasted,
                "{steps} steps of save {number}: {after}"
            );
            // It is not only there, the board can go on with it; and its power may fail again.
            let further: &[usize] = if steps.is_multiple_of(7) { &[0, 1, 8, 60] } else { &[60] };
            for &steps in further {
                let again = copy(&cut, Some(steps));
                let (third, _) = save(&again, number + 1);
                let again = copy(&again, None);
                let last = found(&again);
                assert!(last == after || last == third, "{steps} steps after a cut: {last}");
                let (fourth, lasted) = save(&again, number + 2);
                assert!(lasted && found(&again) == fourth);
            }
            if lasted {
                break;
            }
        }
        old = save(&flash, number).0;
    }
    assert!(
        flash.borrow().erasures.iter().all(|&count| count > 0),
        "{:?}",
        flash.borrow().erasures
    );
}

#[test]
fn power_that_fails_at_any_write_leaves_the_old_settings_or_the_new_ones() {
    dies_everywhere::<1>(2);
    dies_everywhere::<4>(2);
    dies_everywhere::<32>(2);
}

/// What a chip's flash has before anybody wrote to it is not always erased.
#[test]
fn flash_that_holds_something_else_is_no_table_and_can_become_one() {
    for fill in [0, 0x5a, 0xa5] {
        let flash = Nor::<4>::new(2);
        flash.borrow_mut().bytes.fill(fill);
        flash.borrow_mut().written.fill(true);
        let mut settings = open(&flash);
        assert!(settings.table().as_bytes().is_empty());
        settings.table().choose("name", "greenhouse").unwrap();
        settings.save().unwrap();
        assert_eq!(found(&flash), "name=greenhouse\n");
    }
}

#[test]
fn a_read_that_fails_costs_nothing_of_what_was_saved() {
    let flash = Nor::<4>::new(2);
    let (text, saved) = save(&flash, 1);
    assert!(saved);
    flash.borrow_mut().power = Some(0);
    let mut settings = open(&flash);
    settings.table().choose("name", "greenhouse").unwrap();
    assert_eq!(settings.save(), Err(SaveError), "it cannot be read still");
    flash.borrow_mut().power = None;
    assert_eq!(settings.save(), Err(SaveError), "it can, and is more than what would be saved");
    assert_eq!(found(&flash), text);
    assert_eq!(flash.borrow().erasures, [0, 0]);
}

#[test]
fn flash_wears_evenly() {
    let flash = Nor::<4>::new(4);
    for number in 0..1000 {
        save(&flash, number);
    }
    let erasures = &flash.borrow().erasures;
    let (least, most) = (erasures.iter().min().unwrap(), erasures.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 1, "{erasures:?}");
    assert!(*most < 100, "fewer than one in ten saves erases a page: {erasures:?}");
}

#[test]
#[should_panic(expected = "two pages of the flash, or more")]
fn one_page_is_not_enough() {
    let _ = FlashSettings::open(Chip(Nor::<4>::new(2)), 0..PAGE as u32);
}
