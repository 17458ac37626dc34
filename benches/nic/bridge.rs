//! A bad link between two kernels: a TAP at each end, and what one sends the other receives.

use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant;
use tapboard::clock::RealClock;
use tapboard::link::Link;
use tapboard::nic::DeviceRef;
use tapboard::nic::impairment::{BURST, Impairment};

use crate::lossy::spoil;
use crate::plain::{open, wait_for};
use crate::role::say_up;

/// A subnet that no peer has, for the far TAP while it is here.
const ELSEWHERE: u8 = 15;

/// Carries frames between two TAPs that it makes, through the link of `lossy`. The far one goes into
/// another namespace once this is up, where it gets its address.
pub(crate) fn run(near: &str, far: &str, subnet: u8, seed: u64) -> Result<(), String> {
    let mut near = open(near, subnet)?;
    let mut far = open(far, ELSEWHERE)?;
    let mut link = Link::new(seed);
    spoil(&mut link)?;
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
