//! How much of something there was lately: a rate over samples, and a bucket of tokens. Both as Kafka computes them.

/// The time a rate is taken over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) samples: u32,
    pub(crate) sample_ms: i64,
}

impl Window {
    pub(crate) fn new(samples: u32, sample_s: u32) -> Window {
        Window {
            samples: samples.max(1),
            sample_ms: i64::from(sample_s.max(1)) * 1_000,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    began_ms: i64,
    amount: f64,
}

/// A rate over the last few samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// Oldest first.
    samples: Vec<Sample>,
}

impl Rate {
    pub(crate) fn record(&mut self, amount: f64, window: Window, now_ms: i64) {
        self.purge(window, now_ms);
        match self.samples.last_mut() {
            Some(sample) if now_ms - sample.began_ms < window.sample_ms => sample.amount += amount,
            _ => {
                if self.samples.len() >= window.samples as usize {
                    self.samples.remove(0);
                }
                self.samples.push(Sample {
                    began_ms: now_ms,
                    amount,
                });
            }
        }
    }

    /// Takes back what was recorded just now.
    pub(crate) fn unrecord(&mut self, amount: f64) {
        if let Some(sample) = self.samples.last_mut() {
            sample.amount -= amount;
        }
    }

    fn purge(&mut self, window: Window, now_ms: i64) {
        let oldest_ms = now_ms - i64::from(window.samples) * window.sample_ms;
        self.samples.retain(|sample| sample.began_ms > oldest_ms);
    }

    /// How long to wait until the rate is down to `bound` per second; 0 if it is not above.
    pub(crate) fn throttle_ms(&mut self, bound: f64, window: Window, now_ms: i64) -> i64 {
        self.purge(window, now_ms);
        let Some(oldest) = self.samples.first() else {
            return 0;
        };
        let total: f64 = self.samples.iter().map(|sample| sample.amount).sum();
        // A young rate is taken over as long a time as an old one, but for the sample that is under way.
        let mut elapsed_ms = now_ms - oldest.began_ms;
        let missing = i64::from(window.samples) - 1 - elapsed_ms / window.sample_ms;
        elapsed_ms += missing.max(0) * window.sample_ms;
        let elapsed_ms = elapsed_ms.max(1) as f64;
        let rate = total / elapsed_ms * 1_000.0;
        if rate <= bound {
            return 0;
        }
        ((rate - bound) / bound * elapsed_ms).round() as i64
    }
}

/// Tokens that come back at a rate; the last taker may go into debt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    tokens: f64,
    refilled_ms: Option<i64>,
}

impl Bucket {
    fn refill(&mut self, bound: f64, window: Window, now_ms: i64) {
        let size = bound * f64::from(window.samples) * window.sample_ms as f64 / 1_000.0;
        self.tokens = match self.refilled_ms {
            None => size,
            Some(then_ms) => (self.tokens + bound * (now_ms - then_ms) as f64 / 1_000.0).min(size),
        };
        self.refilled_ms = Some(now_ms);
    }

    /// How long to wait until there is no debt.
    pub(crate) fn debt_ms(&mut self, bound: f64, window: Window, now_ms: i64) -> i64 {
        self.refill(bound, window, now_ms);
        if self.tokens >= 0.0 {
            0
        } else {
            (-self.tokens / bound * 1_000.0).round() as i64
        }
    }

    pub(crate) fn take(&mut self, tokens: f64) {
        self.tokens -= tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_above_its_bound_waits_until_it_is_not() {
        let window = Window::new(11, 1);
        let mut rate = Rate::default();
        rate.record(1_000.0, window, 5_000);
        // As if over ten seconds: 100 a second.
        assert_eq!(rate.throttle_ms(100.0, window, 5_000), 0);
        assert_eq!(rate.throttle_ms(50.0, window, 5_000), 10_000);
        rate.record(1_000.0, window, 5_500);
        assert_eq!(rate.throttle_ms(100.0, window, 5_500), 9_500);
        rate.unrecord(1_000.0);
        assert_eq!(rate.throttle_ms(100.0, window, 5_500), 0);
        assert_eq!(rate.throttle_ms(50.0, window, 15_999), 9_001);
        assert_eq!(
            rate.throttle_ms(50.0, window, 16_000),
            0,
            "what is older than the window is forgotten"
        );
    }

    #[test]
    fn a_bucket_gives_on_credit_once() {
        let window = Window::new(11, 1);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.debt_ms(10.0, window, 0), 0);
        bucket.take(110.0);
        assert_eq!(bucket.debt_ms(10.0, window, 0), 0, "all that was there");
        bucket.take(20.0);
        assert_eq!(bucket.debt_ms(10.0, window, 0), 2_000);
        assert_eq!(bucket.debt_ms(10.0, window, 1_500), 500);
        assert_eq!(bucket.debt_ms(10.0, window, 1_000_000), 0);
        bucket.take(111.0);
        assert_eq!(
            bucket.debt_ms(10.0, window, 1_000_000),
            100,
            "it holds no more than it holds"
        );
    }
}
