//! What the settings of a group amount to, where it has its own.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Catalog;

use crate::group::{GroupLimits, ShareGroupLimits};
use crate::settings::Resource;
use crate::share::Rules;

/// Where a share-partition begins that nobody has read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoReset {
    Earliest,
    Latest,
    ByDuration(Duration),
}

impl AutoReset {
    pub(crate) fn parse(value: &str) -> Option<AutoReset> {
        match value.to_ascii_lowercase().as_str() {
            "earliest" => Some(AutoReset::Earliest),
            "latest" => Some(AutoReset::Latest),
            _ => duration(value.strip_prefix("by_duration:")?).map(AutoReset::ByDuration),
        }
    }
}

/// An ISO 8601 duration of days, hours, minutes and seconds, such as `P1DT2H3M4.5S`.
fn duration(text: &str) -> Option<Duration> {
    let upper = text.to_ascii_uppercase();
    let rest = upper.strip_prefix('P')?;
    let (days, clock) = rest
        .split_once('T')
        .map_or((rest, None), |(days, clock)| (days, Some(clock)));
    let mut seconds = 0.0;
    let mut parts = 0;
    let mut read = |text: &str, units: &[(char, f64)]| -> Option<()> {
        let mut rest = text;
        let mut units = units.iter();
        while !rest.is_empty() {
            let end = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
            let (_, worth) = units.find(|(unit, _)| rest[end..].starts_with(*unit))?;
            let number: f64 = rest[..end].parse().ok()?;
            if !number.is_finite() || number < 0.0 || (number.fract() != 0.0 && *worth != 1.0) {
                return None;
            }
            seconds += number * worth;
            parts += 1;
            rest = &rest[end + 1..];
        }
        Some(())
    };
    read(days, &[('D', 86_400.0)])?;
    match clock {
        Some("") => return None,
        Some(clock) => read(clock, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?,
        None => {}
    }
    (parts > 0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// What a group has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupSettings {
    values: BTreeMap<String, String>,
}

impl GroupSettings {
    pub(crate) fn of(catalog: &Catalog, group: &str) -> GroupSettings {
        GroupSettings {
            values: catalog.settings_of(Resource::Group.word(), group),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.values.get(name)?.trim().parse().ok()
    }

    pub(crate) fn share_auto_reset(&self) -> AutoReset {
        let set = self.values.get("share.auto.offset.reset");
        set.and_then(|value| AutoReset::parse(value))
            .unwrap_or(AutoReset::Latest)
    }

    pub(crate) fn share_reads_committed(&self) -> bool {
        self.values
            .get("share.isolation.level")
            .is_some_and(|value| value == "read_committed")
    }

    pub(crate) fn share_renews(&self) -> bool {
        !self
            .values
            .get("share.renew.acknowledge.enable")
            .is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    pub(crate) fn share_rules(&self, limits: &ShareGroupLimits) -> Rules {
        Rules {
            lock_ms: self
                .number("share.record.lock.duration.ms")
                .unwrap_or(limits.record_lock_ms),
            deliveries_max: self
                .number("share.delivery.count.limit")
                .unwrap_or(limits.delivery_count_limit),
            locks_max: self
                .number("share.partition.max.record.locks")
                .unwrap_or(limits.record_locks_max),
        }
    }

    /// The broker's limits with what the group says itself.
    pub(crate) fn apply(&self, limits: &GroupLimits) -> GroupLimits {
        let mut limits = limits.clone();
        let (consumer, share, streams) = (&mut limits.consumer, &mut limits.share, &mut limits.streams);
        for (place, name) in [
            (&mut consumer.assignment_interval_ms, "consumer.assignment.interval.ms"),
            (&mut consumer.session_timeout_ms, "consumer.session.timeout.ms"),
            (&mut share.assignment_interval_ms, "share.assignment.interval.ms"),
            (&mut share.session_timeout_ms, "share.session.timeout.ms"),
            (&mut streams.assignment_interval_ms, "streams.assignment.interval.ms"),
            (
                &mut streams.initial_rebalance_delay_ms,
                "streams.initial.rebalance.delay.ms",
            ),
            (&mut streams.session_timeout_ms, "streams.session.timeout.ms"),
        ] {
            *place = self.number(name).unwrap_or(*place);
        }
        for (place, name) in [
            (&mut consumer.heartbeat_interval_ms, "consumer.heartbeat.interval.ms"),
            (&mut share.heartbeat_interval_ms, "share.heartbeat.interval.ms"),
            (&mut streams.heartbeat_interval_ms, "streams.heartbeat.interval.ms"),
        ] {
            *place = self.number(name).unwrap_or(*place);
        }
        let standbys = self.number("streams.num.standby.replicas");
        streams.standby_replicas = standbys.unwrap_or(streams.standby_replicas);
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_read() {
        let ago = |text| AutoReset::parse(&format!("by_duration:{text}"));
        for text in ["-PT1S", "PT", "P", "", "PT1S1H", "1D", "PT1.5H"] {
            assert_eq!(ago(text), None, "{text}");
        }
        assert_eq!(ago("P1DT1H"), Some(AutoReset::ByDuration(Duration::from_secs(90_000))));
        assert_eq!(ago("PT0.5S"), Some(AutoReset::ByDuration(Duration::from_millis(500))));
        assert_eq!(AutoReset::parse("Earliest"), Some(AutoReset::Earliest));
        assert_eq!(AutoReset::parse("sometimes"), None);
    }
}
