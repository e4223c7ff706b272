//! A connection whose client was told to wait: until then nothing of it is worked off.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Shared by the connection's reader and writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Mute {
    until: Arc<Mutex<Option<Instant>>>,
}

impl Mute {
    #[allow(clippy::disallowed_methods, reason = "the runtime's timers run on its own clock")]
    pub(super) fn extend(&self, ms: i32) {
        if let Ok(ms @ 1..) = u64::try_from(ms) {
            *self.until.lock() = Some(Instant::now() + Duration::from_millis(ms));
        }
    }

    /// Waits until the client need not wait any more.
    pub(super) async fn over(&self) {
        loop {
            let until = *self.until.lock();
            let Some(until) = until else { return };
            tokio::time::sleep_until(until).await;
            let mut now = self.until.lock();
            if *now == Some(until) {
                *now = None;
            }
        }
    }
}
