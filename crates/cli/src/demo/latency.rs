//! Latencies in buckets of a few per cent: percentiles of any number of samples in a fixed space.

use std::time::Duration;

/// Buckets a doubling: each is about 4 % wide.
const PER_DOUBLING: f64 = 16.0;
const BUCKETS: usize = 16 * 32;

pub(super) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    pub(super) fn new() -> Latencies {
        Latencies {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }

    pub(super) fn add(&mut self, latency: Duration) {
        let micros = (latency.as_micros() as f64).max(1.0);
        let bucket = (micros.log2() * PER_DOUBLING) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// The value that `share` of the samples do not exceed, in milliseconds.
    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return ((bucket as f64 + 1.0) / PER_DOUBLING).exp2() / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;
    use std::time::Duration;

    #[test]
    fn percentiles_are_near_the_samples() {
        let mut latencies = Latencies::new();
        for ms in 1..=1000 {
            latencies.add(Duration::from_millis(ms));
        }
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.percentile_ms(share);
            assert!(found >= exact && found < exact * 1.06, "{share}: {found}");
        }
        assert!(Latencies::new().percentile_ms(0.99) < 0.001);
    }
}
