//! The door to time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::TimestampMs;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time, as records carry it; may jump.
    fn wall_ms(&self) -> TimestampMs;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    #[allow(clippy::disallowed_methods, reason = "this is the door itself")]
    pub fn new() -> RealClock {
        RealClock { start: Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        RealClock::new()
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods, reason = "this is the door itself")]
    fn wall_ms(&self) -> TimestampMs {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as TimestampMs)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    start_ms: TimestampMs,
}

impl ManualClock {
    pub fn at(wall_ms: TimestampMs) -> ManualClock {
        ManualClock {
            wall_ms: AtomicI64::new(wall_ms),
            start_ms: wall_ms,
        }
    }

    pub fn advance(&self, by: Duration) {
        self.wall_ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> TimestampMs {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis((self.wall_ms() - self.start_ms).max(0) as u64)
    }
}
