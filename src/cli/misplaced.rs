//! A word that is no option, or no value, where it stands.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

/// `error` about the command line `args`, with the commands whose option it is that was given elsewhere, or what was
/// meant by a word that is no option, in place of a guess at one that is spelt alike.
pub(super) fn explained(error: Error, command: &Command, args: &[OsString]) -> Error {
    let word = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return error,
    };
    let Some(ContextValue::String(option)) = error.get(word) else { return error };
    if let Some(tip) = meant(option, args) {
        return with_tip(error, &tip);
    }
    let commands: Vec<_> = command
        .get_subcommands()
        .filter(|command| command.get_arguments().any(|known| written(known, option)))
        .map(|command| format!("`tapboard {}`", command.get_name()))
        .collect();
    if commands.is_empty() {
        return error;
    }
    let tip = format!("'{option}' is an option of {}", commands.join(", "));
    with_tip(error, &tip)
}

/// What `word` of `args`, which is no option, is likely to be.
fn meant(word: &str, args: &[OsString]) -> Option<String> {
    let mut pairs = args.windows(2).map(|pair| (&pair[0], &pair[1]));
    if pairs.any(|(before, after)| *before == *"--allow-dns" && *after == *word) {
        return Some(format!(
            "the address follows --allow-dns without a blank: --allow-dns={word}"
        ));
    }
    let number = word.strip_prefix('-')?.starts_with(|first: char| first.is_ascii_digit());
    number.then(|| format!("'{word}' is no option, and no option here takes a negative value"))
}

fn with_tip(mut error: Error, tip: &str) -> Error {
    if error.remove(ContextKind::SuggestedArg).is_some() {
        // Of what was guessed.
        error.remove(ContextKind::Usage);
    }
    let tip = StyledStr::from(tip.to_owned());
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

/// Whether `option`, with its dashes, is that one.
fn written(known: &Arg, option: &str) -> bool {
    match option.strip_prefix("--") {
        Some(long) => known.get_long() == Some(long),
        None => option
            .strip_prefix('-')
            .is_some_and(|short| known.get_short().is_some_and(|known| short == known.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;

    #[test]
    fn an_option_of_another_command_is_said_to_be_one() {
        for (words, tip) in [
            ("--busy-poll 1", "'--busy-poll' is an option of `tapboard tap`\n"),
            ("user --name tap1", "'--name' is an option of `tapboard tap`, `tapboard fleet`\n"),
            ("tap --allow 9001", "'--allow' is an option of `tapboard user`\n"),
            ("tap -p 8007:7", "'-p' is an option of `tapboard user`, `tapboard fleet`\n"),
            ("--seeds 0..5", "'--seeds' is an option of `tapboard sim`\n"),
            (
                "loopback --pcap x",
                "'--pcap' is an option of `tapboard user`, `tapboard tap`, `tapboard fleet`, `tapboard sim`, `tapboard replay`\n",
            ),
        ] {
            let line = format!("tapboard {words}");
            let error = Cli::read(line.split(' ').map(Into::into)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let error = error.to_string();
            assert!(error.contains(tip) && error.matches("tip:").count() == 1, "{error}");
            assert!(!error.contains("--ip6"), "{error}");
        }
        for (words, tip) in [
            ("--allow-dns 127.0.0.1:53", "without a blank: --allow-dns=127.0.0.1:53\n"),
            ("user --allow-dns 127.0.0.1", "without a blank: --allow-dns=127.0.0.1\n"),
            ("--id -1", "'-1' is no option, and no option here takes a negative value\n"),
        ] {
            let line = format!("tapboard {words}");
            let error = Cli::read(line.split(' ').map(Into::into)).unwrap_err().to_string();
            assert!(error.contains(tip) && error.matches("tip:").count() == 1, "{error}");
        }
        // One that nobody has is still guessed at.
        let error = Cli::read(["tapboard", "--los"].map(Into::into)).unwrap_err().to_string();
        assert!(error.contains("'--loss'"), "{error}");
    }
}
