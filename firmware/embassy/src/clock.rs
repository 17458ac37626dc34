//! The time that a stack wants: read, and waited for.

use core::future::Future;

use tapboard_net::smoltcp::time::Instant;

/// Time since boot, which never goes back, and an alarm.
pub trait Clock {
    /// Time since boot.
    fn now(&mut self) -> Instant;

    /// Waits until `at`, or a little longer. It is dropped when something else happens before.
    fn until(&mut self, at: Instant) -> impl Future<Output = ()>;
}

/// The clock of `embassy-time`, whatever drives that.
#[cfg(feature = "time")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbassyTime;

#[cfg(feature = "time")]
impl Clock for EmbassyTime {
    fn now(&mut self) -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros().cast_signed())
    }

    /// To the tick, late: a tick that begins before `at` ends after it.
    fn until(&mut self, at: Instant) -> impl Future<Output = ()> {
        let at = embassy_time::Instant::from_micros(at.total_micros().cast_unsigned());
        embassy_time::Timer::at(at + embassy_time::Duration::from_ticks(1))
    }
}
