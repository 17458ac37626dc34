//! One page's commands, carried out in order as its reader would, in a network namespace of its own and a
//! folder that looks like the top of the tree.
//!
//! `tapboard`, `tapboard-host` and the examples are the programs under test, also as `target/release/tapboard`
//! and by `cargo run`; `sudo` does what it is asked, for in there everybody is root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Spawned, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::common::process::Process;
use crate::elsewhere::is_elsewhere;
use crate::markdown::{Block, Command, Page, root};
use crate::shown::{Figures, is_shown};

/// How long a command that ends by itself may take, seconds: the longest is `tapboard-host check`.
const LIMIT_S: &str = "100";
/// How long what stays may take until it has printed what the page shows.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a board prints when it is up and the page shows nothing of it.
const UP: &str = "Ctrl-C ends it.";

/// `cargo`, as far as a page may use it here: programs that are built already.
const CARGO: &str = r#"#!/bin/bash
set -eu
whole="cargo $*" package=tapboard program=
[[ ${1-} == run ]] || { echo "not run here: $whole" >&2; exit 3; }
shift
while (($#)); do
    case $1 in
    --release | --quiet | -q) ;;
    -p | --package) package=$2; shift ;;
    --example) program=examples/$2; shift ;;
    --) shift; break ;;
    *) echo "not run here: $whole" >&2; exit 3 ;;
    esac
    shift
done
exec "$TAPBOARD_BUILT/${program:-$package}" "$@"
"#;

/// The programs under test: where cargo puts them.
pub(crate) fn built() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_tapboard"));
    program.parent().expect("it is in a folder").to_owned()
}

pub(crate) struct Session {
    folder: PathBuf,
    /// What goes on running, with its process group.
    staying: Vec<(Process, Pid)>,
    /// Groups of commands that are over, but for what they left running.
    left: Vec<Pid>,
}

impl Session {
    /// A folder like the top of the tree. The namespace is the caller's.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("tapboard-docs-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let (bin, release) = (folder.join("bin"), folder.join("target/release"));
        for folder in [&bin, &release] {
            fs::create_dir_all(folder).expect("a writable temporary folder");
        }
        for entry in fs::read_dir(root()).expect("the tree") {
            let entry = entry.expect("it can be listed");
            let name = entry.file_name();
            if name != "target" && name != ".git" {
                symlink(entry.path(), folder.join(name)).expect("a link");
            }
        }
        for program in ["tapboard", "tapboard-host"] {
            for place in [&bin, &release] {
                symlink(built().join(program), place.join(program)).expect("a link");
            }
        }
        for (program, text) in [("cargo", CARGO), ("sudo", "#!/bin/sh\nexec \"$@\"\n")] {
            let path = bin.join(program);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our file");
        }
        Self { folder, staying: Vec::new(), left: Vec::new() }
    }

    /// A shell command line, not yet started, in a process group of its own.
    fn command(&self, program: &str, text: &str) -> Spawned {
        let mut command = Spawned::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}:/usr/sbin:/sbin", self.folder.join("bin").display());
        if program == "timeout" {
            command.args(["--kill-after=5", LIMIT_S, "bash"]);
        }
        command.args(["-e", "-o", "pipefail", "-c", &format!("exec 2>&1\n{text}")]);
        command.current_dir(&self.folder).env("PATH", path).env("TAPBOARD_BUILT", built());
        command.env("HOME", &self.folder).env("USER", "root").env_remove("COLUMNS");
        command.env_remove("RUST_BACKTRACE").process_group(0).stdin(Stdio::null());
        command
    }

    /// Runs one to its end and returns whether it succeeded, and what it printed. What it leaves in the
    /// background goes on until [`Session::end`].
    pub(crate) fn run(&mut self, text: &str) -> (bool, String) {
        // A file, for a pipe that something in the background holds has no end.
        let path = self.folder.join("target/printed");
        let printed = fs::File::create(&path).expect("a file");
        let mut command = self.command("timeout", text);
        command.stdout(printed.try_clone().expect("a handle")).stderr(printed);
        let mut child = command.spawn().expect("timeout starts");
        self.left.push(Pid::from_child(&child));
        let status = child.wait().expect("it is our child");
        (status.success(), String::from_utf8_lossy(&fs::read(&path).expect("it is there")).into())
    }

    /// Starts one that stays, and returns once it has printed what is `shown`.
    pub(crate) fn start(&mut self, command: &Command, figures: Figures) -> Result<(), String> {
        let process = Process::spawn(self.command("bash", &command.text), None);
        let group = Pid::from_raw(process.id().cast_signed()).expect("not 0");
        let is_up = |printed: &str| {
            if command.shown.is_empty() {
                printed.contains(UP)
            } else {
                is_shown(&command.shown, printed, figures, true)
            }
        };
        let up = process.until(PATIENCE, is_up);
        let printed = process.output();
        self.staying.push((process, group));
        if up { Ok(()) } else { Err(printed) }
    }

    /// Ends what goes on.
    pub(crate) fn end(&mut self) {
        for group in self.left.drain(..).chain(self.staying.iter().map(|(_, group)| *group)) {
            // It may be over.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.staying.clear();
    }

    /// Carries out a block, and complains of what is not as the page says.
    pub(crate) fn block(&mut self, page: &Page, block: &Block) {
        if block.is("alone") {
            self.end();
        }
        let figures = match (block.is("figures"), block.is("speed")) {
            (true, _) => Figures::Differ,
            (_, true) => Figures::SpeedDiffers,
            _ => Figures::Exact,
        };
        for command in block.commands() {
            let at = page.at(command.line);
            if is_elsewhere(&command.text) {
                println!("{at}: not here: {}", command.text);
                continue;
            }
            println!("{at}: {}", command.text);
            if block.is("stays") {
                if let Err(printed) = self.start(&command, figures) {
                    panic!("{at}: `{}` does not print what is shown, but\n{printed}", command.text);
                }
                continue;
            }
            let (success, printed) = self.run(&command.text);
            let expected = !block.is("fails");
            assert!(success == expected, "{at}: `{}`: success {success}\n{printed}", command.text);
            let shown =
                command.shown.is_empty() || is_shown(&command.shown, &printed, figures, false);
            assert!(shown, "{at}: `{}` does not print what is shown, but\n{printed}", command.text);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
