//! Systems other than Unix: their consoles edit a line, with history, before a program reads it, so that
//! there is no prompt to draw and no mode to give back.

use std::convert::Infallible;
use std::io::{self, Read, Stdin};

/// Nothing was changed that would have to be given back.
pub fn restore() {}

/// What is done at a prompt.
#[derive(Debug)]
#[allow(dead_code, reason = "there is no prompt here")]
pub(super) enum Typed {
    Line(String),
    Quit,
}

/// No terminal is one.
#[derive(Debug)]
pub(super) struct Terminal(Infallible);

impl Terminal {
    pub(super) fn usable() -> bool {
        false
    }

    pub(super) fn open(_wake: impl Fn() + Send + 'static) -> Result<Self, String> {
        Err("there is no prompt on this system".into())
    }

    pub(super) fn pump(&mut self) -> bool {
        match self.0 {}
    }

    pub(super) fn asking(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn answer(&mut self, _forwarded: &[String]) {
        match self.0 {}
    }

    pub(super) fn completes_boards(&mut self) {
        match self.0 {}
    }

    pub(super) fn next(&mut self) -> Option<Typed> {
        match self.0 {}
    }

    pub(super) fn ended(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn take_error(&mut self) -> Option<String> {
        match self.0 {}
    }
}

pub(super) fn stdin() -> io::Result<Stdin> {
    Ok(io::stdin())
}

pub(super) fn read(input: &Stdin, buffer: &mut [u8]) -> io::Result<usize> {
    input.lock().read(buffer)
}
