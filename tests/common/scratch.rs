//! A directory of a test's own for its files, gone with it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The directory.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A directory that was not there before, whoever else makes some: its name may be that of a process of before, or of
    /// one in another namespace, but it is made only if it is free.
    pub(crate) fn new() -> Self {
        for number in 0_u32.. {
            let name = format!("tapboard-test-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        unreachable!("there are not so many directories")
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("an ordinary path").to_owned()
    }

    /// A file in it that holds `text`; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a writable temporary folder");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
