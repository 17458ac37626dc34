//! A bad link between two kernels: a TAP at each end, and what one sends the other receives.

use rustix::event::{PollFd, PollFlags, Timespec};
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant;
use tapboard::clock::RealClock;
use tapboard::link::{Link, Setting};
use tapboard::nic::DeviceRef;
use tapboard::nic::impairment::{BURST, Impairment};
use tapboard::nic::tap::{Tap, TapConfig};

use crate::peer::host_address;
use crate::role::say_up;

/// A subnet that no peer has, for the far TAP while it is here.
const ELSEWHERE: u8 = 15;

/// Carries frames between two TAPs that it makes, through a link with faults such as `loss=10%`. The far one goes into
/// another namespace once this is up, where it gets its address.
pub(crate) fn run(
    (near, far): (&str, &str),
    subnet: u8,
    seed: u64,
    faults: &[&str],
) -> Result<(), String> {
    let mut near = open(near, subnet)?;
    let mut far = open(far, ELSEWHERE)?;
    let mut link = Link::new(seed);
    for fault in faults {
        let (name, value) = fault.split_once('=').ok_or_else(|| format!("{fault} has no value"))?;
        link.set(None, Setting::parse(name, value)?);
    }
    let mut cable = Impairment::new(link);
    let clock = RealClock::new();
    say_up();
    loop {
        let now = clock.now();
        let mut end = cable.behind(DeviceRef(&mut near));
        end.pump(now);
        let full = carry(&mut end, &mut far, now) | carry(&mut far, &mut end, now);
        let next = if full { Some(now) } else { cable.next_event(now) };
        wait_for(&[&near, &far], now, next)?;
    }
}

/// The TAP of that name, made for this process with the host's address.
fn open(name: &str, subnet: u8) -> Result<Tap, String> {
    let host_ipv4 = host_address(subnet);
    let config = TapConfig { name: name.to_owned(), host_ipv4, ..TapConfig::default() };
    Tap::open(&config).map_err(|error| error.to_string())
}

/// Sleeps until one of the TAPs has a frame, or until `next`.
fn wait_for(taps: &[&Tap], now: Instant, next: Option<Instant>) -> Result<(), String> {
    if next.is_some_and(|next| next <= now) {
        return Ok(());
    }
    let timeout = next.map(|next| std::time::Duration::from(next - now));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut files: Vec<PollFd<'_>> =
        taps.iter().map(|tap| PollFd::new(*tap, PollFlags::IN)).collect();
    match rustix::event::poll(&mut files, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(format!("cannot wait for a frame: {error}")),
    }
}

/// Moves frames from one device to the other, at most [`BURST`] of them; says whether there may be more.
/// A frame for which there is no room is lost, as on a wire.
fn carry(from: &mut impl Device, to: &mut impl Device, now: Instant) -> bool {
    for _ in 0..BURST {
        let Some((received, _)) = from.receive(now) else { return false };
        received.consume(|frame| {
            if let Some(token) = to.transmit(now) {
                token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
            }
        });
    }
    true
}
