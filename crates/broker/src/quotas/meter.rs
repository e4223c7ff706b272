//! Measures the time that working off a request takes, without the time it only waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use base::Clock;
use futures::future::BoxFuture;

/// The time spent on one request so far.
pub(crate) struct Meter {
    clock: Arc<dyn Clock>,
    spent_ns: AtomicU64,
    began_ns: AtomicU64,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("spent_ns", &self.spent_ns)
            .finish_non_exhaustive()
    }
}

impl Meter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Meter> {
        Arc::new(Meter {
            clock,
            spent_ns: AtomicU64::new(0),
            began_ns: AtomicU64::new(0),
        })
    }

    fn now_ns(&self) -> u64 {
        self.clock.monotonic().as_nanos() as u64
    }

    /// Including the work under way.
    pub(crate) fn spent_ns(&self) -> u64 {
        let began = self.began_ns.load(Ordering::Relaxed);
        let running = if began == 0 {
            0
        } else {
            self.now_ns().saturating_sub(began)
        };
        self.spent_ns.load(Ordering::Relaxed) + running
    }

    /// The same work, measured.
    pub(crate) fn measure<T>(self: Arc<Self>, work: BoxFuture<'static, T>) -> Measured<T> {
        Measured { meter: self, work }
    }
}

pub(crate) struct Measured<T> {
    meter: Arc<Meter>,
    work: BoxFuture<'static, T>,
}

impl<T> Future for Measured<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let began = self.meter.now_ns();
        self.meter.began_ns.store(began.max(1), Ordering::Relaxed);
        let polled = self.work.as_mut().poll(context);
        self.meter.began_ns.store(0, Ordering::Relaxed);
        let spent = self.meter.now_ns().saturating_sub(began);
        self.meter.spent_ns.fetch_add(spent, Ordering::Relaxed);
        polled
    }
}
