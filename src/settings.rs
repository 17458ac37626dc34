//! What a board's user chose, in a file: the settings of the simulated board.
//!
//! The file is the text of a [`Table`], a line `name=value` each, which one may write by hand too. It is read at each boot
//! of the board, and replaced as a whole when the shell's `save` says so: whatever happens meanwhile, it is the old one or
//! the new one. What an option on the command line gives stands, whatever the file says, and that is said.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tapboard_firmware::service::Target;
use tapboard_firmware::settings::{
    Damage, Refusal, SETTINGS, SaveError, Settings, Table, TelemetrySetting,
};

use crate::identity::{Identity, Name};
use crate::output::say;

/// Where the board's settings are, and which of them count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsOptions {
    /// The file; it need not be there yet.
    pub path: PathBuf,
    /// The settings that something else decides, each with what does.
    pub decided: Vec<(&'static str, &'static str)>,
}

/// Where telemetry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telemetry {
    /// To the collector that is usual for the network that the board is on.
    Usual,
    /// There.
    To(Target),
    /// Nowhere.
    Off,
}

impl Telemetry {
    /// Where it goes, if anywhere; `usual` is the usual collector.
    #[must_use]
    pub fn destination(self, usual: SocketAddr) -> Option<Target> {
        match self {
            Self::Usual => Some(usual.into()),
            Self::To(to) => Some(to),
            Self::Off => None,
        }
    }
}

/// Bytes of a file that are looked at: more than any table has, however it is written.
const FILE_MAX: u64 = 1 << 16;

const REMEDY: &str = "mend it, or remove the file to begin without settings";

/// The settings in a file.
#[derive(Debug)]
pub struct FileSettings {
    path: PathBuf,
    table: Table,
}

impl FileSettings {
    /// Those in the file at `path`, none if there is no file. The error has a remedy.
    pub fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut text = Vec::new();
        let file = File::open(path);
        let text = match file.and_then(|file| file.take(FILE_MAX).read_to_end(&mut text)) {
            Ok(_) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && has_directory(path) => Vec::new(),
            Err(error) => return Err(format!("cannot read the settings in {shown}: {error}")),
        };
        let table = Table::parse(&text).map_err(|damage| {
            let why = line_of(damage, &text).unwrap_or_else(|| damage.to_string());
            format!("the settings in {shown} are damaged: {why}; {REMEDY}")
        })?;
        if let Some((name, why)) = table.mistake() {
            let why = match why {
                Refusal::Unknown => {
                    let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
                    format!("there is none of that name, but {}", names.join(", "))
                }
                why => why.to_string(),
            };
            return Err(format!("the setting {name} in {shown} cannot be: {why}; {REMEDY}"));
        }
        Ok(Self { path: path.into(), table })
    }

    /// Puts the table's text in the place of the file.
    fn replace(&self) -> io::Result<()> {
        // What is renamed is in the directory of the file itself, not of a link to it.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mut file = File::create(&new)?;
        file.write_all(self.table.as_bytes())?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, &path)?;
        // Only now is the name on the disk, too; where a directory cannot be opened, there is no more to do.
        File::open(directory(&path)).map_or(Ok(()), |directory| directory.sync_all())
    }
}

impl Settings for FileSettings {
    fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    fn save(&mut self) -> Result<(), SaveError> {
        let path = self.path.display();
        if let Err(error) = self.replace() {
            say!("board: the settings cannot be saved in {path}: {error}");
            return Err(SaveError);
        }
        self.table.saved();
        say!("board: settings saved in {path}");
        Ok(())
    }
}

/// What is wrong with a line, more exactly than the board can say it.
fn line_of(damage: Damage, text: &[u8]) -> Option<String> {
    let Damage::Line(number) = damage else { return None };
    let text = std::str::from_utf8(text).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?.trim();
    if line.starts_with(['#', ';']) {
        return Some(format!(
            "line {number} is a comment, and there are none: `save` would lose it"
        ));
    }
    let name = line.strip_suffix('=')?.trim();
    let known = SETTINGS.iter().any(|setting| setting.name == name);
    known.then(|| format!("line {number} gives {name} no value: without that line it is as built"))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn has_directory(path: &Path) -> bool {
    path.file_name().is_some() && directory(path).is_dir()
}

/// A board of a certain identity, after its settings were looked at.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Where its telemetry goes.
    pub(crate) telemetry: Telemetry,
    /// Where it keeps settings, if it does.
    pub(crate) settings: Option<FileSettings>,
    /// What to tell its user.
    notes: Vec<String>,
}

impl Chosen {
    /// Reads the settings, if there is a file for them; the rest is as given.
    pub(crate) fn read(
        identity: &Identity,
        telemetry: Telemetry,
        options: Option<&SettingsOptions>,
    ) -> Result<Self, String> {
        let as_given =
            Self { identity: identity.clone(), telemetry, settings: None, notes: Vec::new() };
        let Some(SettingsOptions { path, decided }) = options else { return Ok(as_given) };
        let settings = FileSettings::open(path)?;
        let mut chosen = Self { settings: None, ..as_given };
        let counts = chosen.sort_out(&settings.table, decided);
        chosen.apply(&counts);
        Ok(Self { settings: Some(settings), ..chosen })
    }

    /// Says what came of the settings.
    pub(crate) fn tell(&self) {
        for note in &self.notes {
            say!("{note}");
        }
    }

    /// The settings that count. What becomes of each is noted.
    fn sort_out(&mut self, table: &Table, decided: &[(&'static str, &'static str)]) -> Table {
        let mut counts = Table::new();
        for (name, value) in table.entries() {
            let other = decided.iter().find(|(known, _)| *known == name);
            let note = if let Some((_, why)) = other {
                format!("settings: {name} {value} is without effect, {why}")
            } else if counts.set(name, value).is_ok() {
                format!("settings: {name} is {value}")
            } else {
                continue;
            };
            self.notes.push(note);
        }
        if counts.get("gateway").is_some() && counts.net(self.identity.net).dhcp() {
            self.notes.push("settings: gateway is without effect, the DHCP server names it".into());
        }
        counts
    }

    fn apply(&mut self, table: &Table) {
        let name = table.name().and_then(|name| Name::try_from(name).ok());
        self.identity = self.identity.with(table.net(self.identity.net), name);
        self.telemetry = match table.telemetry() {
            None => self.telemetry,
            Some(TelemetrySetting::Off) => Telemetry::Off,
            Some(TelemetrySetting::Address(to)) => Telemetry::To(to.into()),
            // It is for as long as the program runs.
            Some(TelemetrySetting::Name(name, port)) => {
                let target = Target::named(name.to_owned().leak(), port);
                target.map_or(self.telemetry, Telemetry::To)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Given;
    use crate::scratch::Scratch;

    fn read(path: &Path, decided: &[(&'static str, &'static str)]) -> Result<Chosen, String> {
        let options = SettingsOptions { path: path.into(), decided: decided.to_vec() };
        let identity = Identity::new(&Given { number: Some(7), ..Given::default() });
        Chosen::read(&identity, Telemetry::Usual, Some(&options))
    }

    #[test]
    fn what_is_saved_is_there_at_the_next_boot() {
        let scratch = Scratch::new();
        let path = scratch.path("board.conf");
        let path = Path::new(&path);
        let mut settings = FileSettings::open(path).unwrap();
        settings.table().choose("ip", "dhcp").unwrap();
        settings.table().choose("name", "greenhouse").unwrap();
        assert!(settings.table().changed() && !path.exists());
        settings.save().unwrap();
        assert!(!settings.table().changed());
        assert_eq!(fs::read(path).unwrap(), b"ip=dhcp\nname=greenhouse\n");
        let chosen = read(path, &[]).unwrap();
        assert_eq!(chosen.identity.name, "greenhouse");
        assert!(chosen.identity.net.dhcp());
        assert_eq!(chosen.identity.net.hostname().as_str(), "greenhouse");
        assert_eq!(chosen.telemetry, Telemetry::Usual);
        assert_eq!(chosen.notes, ["settings: ip is dhcp", "settings: name is greenhouse"]);
        assert_eq!(fs::read_dir(scratch.directory()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn telemetry_goes_where_it_is_set() {
        let scratch = Scratch::new();
        for (text, telemetry) in [
            ("telemetry=off", Telemetry::Off),
            ("telemetry=192.0.2.9:9", Telemetry::To(Target::from(([192, 0, 2, 9], 9)))),
            ("telemetry=desk.local:9", Telemetry::To(Target::named("desk.local", 9).unwrap())),
        ] {
            let path = scratch.file("board.conf", text);
            assert_eq!(read(Path::new(&path), &[]).unwrap().telemetry, telemetry);
        }
    }

    #[test]
    fn what_an_option_gives_stands_and_that_is_said() {
        let scratch = Scratch::new();
        let path = scratch.file("board.conf", "name=x\nip=198.51.100.7/24\ngateway=198.51.100.1\n");
        let path = Path::new(&path);
        let chosen = read(path, &[("name", "--board-name is given")]).unwrap();
        assert_eq!(chosen.identity.name, "tapboard-02005e000007");
        assert_eq!(chosen.identity.ipv4().to_string(), "198.51.100.7/24");
        assert_eq!(chosen.identity.net.ipv4_gateway(), Some([198, 51, 100, 1].into()));
        assert_eq!(chosen.notes[0], "settings: name x is without effect, --board-name is given");
        let given = Given { number: Some(7), dhcp: true, ..Given::default() };
        let options =
            SettingsOptions { path: path.into(), decided: vec![("ip", "--ip dhcp is given")] };
        let leased =
            Chosen::read(&Identity::new(&given), Telemetry::Usual, Some(&options)).unwrap();
        assert!(leased.notes.last().unwrap().ends_with("the DHCP server names it"));
        assert!(leased.identity.net.dhcp() && leased.identity.net.ipv4_gateway().is_none());
    }

    #[test]
    fn a_file_that_is_no_table_is_an_error_with_a_remedy() {
        let scratch = Scratch::new();
        for (text, why) in [
            ("ip", "line 1 is not NAME=VALUE"),
            ("name=x\n\n # the shed\n", "line 3 is a comment, and there are none: `save` would"),
            ("ip=dhcp\nname = \n", "line 2 gives name no value: without that line it is as built"),
            ("nmae=", "line 1 is not NAME=VALUE"),
            ("name=x\nname=y\n", "line 2 has a name that was there before"),
            ("nmae=x", "there is none of that name, but ip, gateway, name, telemetry, dns"),
            ("ip=192.0.2.0/24", "e.g. 192.0.2.7/24"),
            (&"x".repeat(1000), "damaged"),
            (&format!("name={}", "x".repeat(300)), "it is longer than 256 bytes"),
        ] {
            let path = scratch.file("board.conf", text);
            let error = read(Path::new(&path), &[]).unwrap_err();
            assert!(error.contains(why) && error.contains(&path), "{error}");
            assert!(error.ends_with("mend it, or remove the file to begin without settings"));
        }
        for path in ["/nonexistent/board.conf", "/"] {
            let error = read(Path::new(path), &[]).unwrap_err();
            assert!(error.contains("cannot read the settings in"), "{error}");
        }
    }

    /// A save that comes to nothing at any of its steps, and the rest of one that was cut short.
    #[test]
    fn a_save_that_fails_leaves_what_was_there() {
        let scratch = Scratch::new();
        let path = scratch.file("board.conf", "name=old\n");
        let mut settings = FileSettings::open(Path::new(&path)).unwrap();
        settings.table().choose("name", "new").unwrap();
        // The place for the new one is taken.
        let place = scratch.path("board.conf.new");
        fs::create_dir(&place).unwrap();
        assert_eq!(settings.save(), Err(SaveError));
        assert!(settings.table().changed());
        assert_eq!(fs::read(&path).unwrap(), b"name=old\n");
        fs::remove_dir(&place).unwrap();
        fs::write(&place, "name=h").unwrap();
        assert_eq!(read(Path::new(&path), &[]).unwrap().identity.name, "old");
        settings.save().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"name=new\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_rights_stay_as_they_are() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let scratch = Scratch::new();
        let (path, link) = (scratch.file("real.conf", "name=old\n"), scratch.path("link.conf"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&path, &link).unwrap();
        let mut settings = FileSettings::open(Path::new(&link)).unwrap();
        settings.table().choose("name", "new").unwrap();
        settings.save().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"name=new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
