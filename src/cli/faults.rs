//! What is wrong with the cable, as options: each for both directions, or for one alone.

use clap::Args;

use super::seed::seed;
use crate::link::{LinkOptions, Setting, Side};

/// A fault of one direction, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    /// To which side, or both.
    to: Option<Side>,
    /// Which, and how much.
    setting: Setting,
}

impl Fault {
    /// Reads a value of the fault `name`, with `in:` or `out:` before it for one direction alone.
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (to, value) = match text.split_once(':') {
            Some(("in", value)) => (Some(Side::Board), value),
            Some(("out", value)) => (Some(Side::Peer), value),
            Some((way, _)) => {
                return Err(format!("{way:?} is no direction: in: is to the board, out: from it"));
            }
            None => (None, text),
        };
        Ok(Self { to, setting: Setting::parse(name, value)? })
    }

    fn parser(name: &'static str) -> impl Fn(&str) -> Result<Self, String> + Clone + Send + Sync {
        move |text| Self::parse(name, text)
    }
}

/// What is wrong with the cable. Each holds for both directions, or with `in:` to the board alone, or
/// with `out:` from it. One of a direction goes before one of both.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Faults of the cable")]
pub struct FaultArgs {
    /// Lose frames at random, e.g. 5%. This and what follows is for both directions, and with in: before it
    /// for what goes to the board alone, with out: for what comes from it; each may be given for both.
    #[arg(long, value_name = "CHANCE", allow_hyphen_values = true, value_parser = Fault::parser("loss"))]
    loss: Vec<Fault>,
    /// Lose frames in bursts: the chances to begin and to end one, e.g. 1%/30%.
    #[arg(long, value_name = "ENTER/LEAVE", allow_hyphen_values = true, value_parser = Fault::parser("burst"))]
    burst: Vec<Fault>,
    /// Flip one bit of a frame.
    #[arg(long, value_name = "CHANCE", allow_hyphen_values = true, value_parser = Fault::parser("corrupt"))]
    corrupt: Vec<Fault>,
    /// Deliver a frame twice.
    #[arg(long, value_name = "CHANCE", allow_hyphen_values = true, value_parser = Fault::parser("duplicate"))]
    duplicate: Vec<Fault>,
    /// Let later frames overtake one.
    #[arg(long, value_name = "CHANCE", allow_hyphen_values = true, value_parser = Fault::parser("reorder"))]
    reorder: Vec<Fault>,
    /// Delay every frame, e.g. by 40ms.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = Fault::parser("delay"))]
    delay: Vec<Fault>,
    /// Vary the delay by up to this much either way.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = Fault::parser("jitter"))]
    jitter: Vec<Fault>,
    /// Limit the rate, e.g. to 1mbit or 100k: bits a second, with k = 1000 and Ki = 1024.
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = Fault::parser("rate"))]
    rate: Vec<Fault>,
    /// Bytes that may wait for the rate, with k = 1000 and Ki = 1024; 64Ki unless given.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = Fault::parser("queue"))]
    queue: Vec<Fault>,
    /// Lose packets of more bytes than this. Nothing tells the sender, so that bulk transfers stall.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = Fault::parser("mtu"))]
    mtu: Vec<Fault>,
    /// Let nothing through, with `on`, `in:on` or `out:on`.
    #[arg(long, value_name = "ON", allow_hyphen_values = true, value_parser = Fault::parser("partition"))]
    partition: Vec<Fault>,
    /// Decides what befalls which frame, as far as chance does; drawn unless given, and printed when it matters,
    /// here or at the console.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = seed(u64::MAX))]
    seed: Option<u64>,
}

impl FaultArgs {
    /// Those given, option by option.
    fn given(&self) -> [(&'static str, &[Fault]); Setting::NAMES.len()] {
        [
            ("loss", &self.loss),
            ("burst", &self.burst),
            ("corrupt", &self.corrupt),
            ("duplicate", &self.duplicate),
            ("reorder", &self.reorder),
            ("delay", &self.delay),
            ("jitter", &self.jitter),
            ("rate", &self.rate),
            ("queue", &self.queue),
            ("mtu", &self.mtu),
            ("partition", &self.partition),
        ]
    }

    /// What they come to.
    #[must_use]
    pub(super) fn options(&self) -> LinkOptions {
        let mut settings = Vec::new();
        for (_, faults) in self.given() {
            // One of a direction goes before one of both, wherever it stands.
            let (both, one): (Vec<&Fault>, Vec<_>) =
                faults.iter().partition(|fault| fault.to.is_none());
            settings.extend(both.into_iter().chain(one).map(|fault| (fault.to, fault.setting)));
        }
        LinkOptions { settings, seed: self.seed }
    }

    /// What of these would be without any effect, and what to do about it.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, faults) in self.given() {
            let count = |to| faults.iter().filter(|fault| fault.to == to).count();
            let (both, ways) = (count(None), [count(Some(Side::Board)), count(Some(Side::Peer))]);
            if both > 1 || ways.iter().any(|&count| count > 1) {
                return Err(format!(
                    "--{name} is given twice for the same direction; give it once, or once with in: and once \
                     with out:"
                ));
            }
            if both == 1 && ways == [1, 1] {
                return Err(format!(
                    "--{name} is given for each direction, so that the one for both is for neither; leave that \
                     out"
                ));
            }
        }
        let link = self.options().link(0);
        let idle = [("to", Side::Board), ("from", Side::Peer)].into_iter().find(|(_, to)| {
            let given = self.queue.iter().any(|fault| fault.to.is_none_or(|one| one == *to));
            given && link.faults(*to).rate.is_none()
        });
        idle.map_or(Ok(()), |(way, _)| {
            Err(format!(
                "--queue is for what waits for --rate, and nothing {way} the board does: add e.g. --rate 1mbit, \
                 or leave it out"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn faults(words: &str) -> FaultArgs {
        let words = ["tapboard"].into_iter().chain(words.split_whitespace());
        Cli::parse_from(words).user.board.faults
    }

    #[test]
    fn faults_hold_for_both_directions_or_for_one() {
        let link =
            faults("--loss 5% --delay in:40ms --delay out:10ms --mtu out:off --partition in:on")
                .options()
                .link(1);
        let (to_board, to_peer) = (link.faults(Side::Board), link.faults(Side::Peer));
        assert_eq!(to_board.loss, to_peer.loss);
        assert_eq!((to_board.delay.total_millis(), to_peer.delay.total_millis()), (40, 10));
        assert_eq!((to_board.partition, to_peer.partition), (true, false));
        for (bad, remedy) in [
            ("--loss 500%", "from 0% to 100%, e.g. 5%"),
            ("--loss -1%", "\"-1%\" is not a chance from 0% to 100%, e.g. 5%"),
            ("--delay -5ms", "\"-5ms\" is not a time of up to a day"),
            ("--mtu -1", "from 68 to 1500"),
            ("--loss up:5%", "is no direction"),
            ("--delay 40", "e.g. 40ms"),
            ("--rate fast", "e.g. 1mbit"),
            ("--loss --ladder", "is not a chance"),
        ] {
            let error = Cli::try_parse_from(["tapboard"].into_iter().chain(bad.split(' ')));
            let error = error.unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad}");
            assert!(error.to_string().contains(remedy), "{bad}: {error}");
        }
    }

    #[test]
    fn one_for_a_direction_goes_before_one_for_both_wherever_it_stands() {
        for words in ["--delay 5ms --delay in:1ms", "--delay in:1ms --delay 5ms"] {
            let faults = faults(words);
            assert_eq!(faults.check(), Ok(()));
            let link = faults.options().link(1);
            let delay = |to| link.faults(to).delay.total_millis();
            assert_eq!((delay(Side::Board), delay(Side::Peer)), (1, 5), "{words}");
        }
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        for (words, remedy) in [
            ("--loss 5% --loss 6%", "--loss is given twice for the same direction"),
            ("--rate in:1mbit --rate in:2mbit", "--rate is given twice"),
            ("--delay 1ms --delay in:2ms --delay out:3ms", "is for neither; leave that out"),
            ("--queue 10k", "nothing to the board does: add e.g. --rate 1mbit"),
            ("--queue 10k --rate in:1mbit", "nothing from the board does"),
            ("--queue out:10k --rate in:1mbit", "nothing from the board does"),
            ("--queue 10k --rate off", "nothing to the board does"),
        ] {
            let error = faults(words).check().unwrap_err();
            assert!(error.contains(remedy), "{words}: {error}");
        }
        for words in
            ["", "--queue 10k --rate 1mbit", "--queue in:10k --rate in:1mbit", "--jitter 5ms"]
        {
            assert_eq!(faults(words).check(), Ok(()), "{words}");
        }
    }

    #[test]
    fn faults_that_do_not_show_are_told_of() {
        for (words, hidden) in [
            ("--loss 5%", &[][..]),
            ("--partition on", &[]),
            ("--partition in:on --loss 5%", &["to the board"]),
            ("--loss 100%", &[]),
            ("--loss out:100% --delay 1ms", &["from the board"]),
            ("--partition on --delay 1ms", &["to the board", "from the board"]),
        ] {
            assert_eq!(faults(words).options().hidden(), hidden, "{words}");
        }
    }
}
