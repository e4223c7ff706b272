//! Tells the log when each partition's segments are to be closed, as its topic's settings have it.

use catalog::Topic;
use log::SegmentLimits;

use crate::Broker;
use crate::settings::TopicSettings;

/// Spreads partition numbers, which follow one another, over all there is.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Broker {
    /// For every topic: at start, and when the broker's own settings change.
    pub(crate) fn apply_segment_limits(&self) {
        for topic in self.catalog.topics() {
            self.apply_segment_limits_of(&topic);
        }
    }

    /// For one topic that is new or has changed.
    pub(crate) fn apply_segment_limits_of(&self, topic: &Topic) {
        let settings = self.effective().of_topic(topic);
        for partition in &topic.partitions {
            let limits = SegmentLimits {
                segment_bytes: settings.segment_bytes.max(1) as u64,
                segment_ms: Some(segment_ms(&settings, partition.0)),
            };
            self.log.set_segment_limits(*partition, limits);
        }
    }
}

fn segment_ms(settings: &TopicSettings, partition: u64) -> i64 {
    let jitter_ms = settings.segment_jitter_ms.min(settings.segment_ms - 1).max(0) as u64;
    let taken_ms = match jitter_ms {
        0 => 0,
        jitter_ms => (partition.wrapping_mul(SPREAD) >> 1) % (jitter_ms + 1),
    };
    settings.segment_ms - taken_ms as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::options::BrokerOptions;
    use crate::settings::Effective;

    #[test]
    fn jitter_takes_from_the_segments_time_but_never_all_of_it() {
        let of = |segment_ms: &str, jitter_ms: &str| {
            let set = [("segment.ms", segment_ms), ("segment.jitter.ms", jitter_ms)];
            let set: BTreeMap<String, String> = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let effective = Effective::new(BrokerOptions::default(), BTreeMap::new(), BTreeMap::new());
            let settings = effective.of_settings(&set);
            (0..100)
                .map(|partition| super::segment_ms(&settings, partition))
                .collect::<Vec<i64>>()
        };
        assert!(of("1000", "0").iter().all(|ms| *ms == 1000));
        let spread = of("1000", "400");
        assert!(spread.iter().all(|ms| (600..=1000).contains(ms)));
        assert!(spread.iter().collect::<std::collections::HashSet<_>>().len() > 50);
        assert!(of("1000", "9000").iter().all(|ms| (1..=1000).contains(ms)));
    }
}
