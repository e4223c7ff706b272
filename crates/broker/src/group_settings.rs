//! The settings of groups, which clients change like those of topics: their names, values and what they amount to.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use log::{Log, Op};
use wire::{DecodeError, EncodeError, ErrorCode, Reader, Source, Writer};

use crate::errors::Refusal;
use crate::group::{GroupLimits, ShareGroupLimits};
use crate::share::Rules;
use crate::tables;

/// As DescribeConfigs numbers a group's settings.
pub(crate) const SOURCE_GROUP: i8 = 8;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Boolean,
    AutoReset,
    Isolation,
}

impl Kind {
    /// As DescribeConfigs numbers it.
    pub(crate) fn code(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::AutoReset | Kind::Isolation => 2,
            Kind::Int => 3,
        }
    }
}

/// One setting of a group.
#[derive(Debug)]
pub(crate) struct GroupSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The broker's setting of the same meaning; with `min` and `max` before its last part, the range.
    pub(crate) synonym: &'static str,
    /// The least and greatest value.
    range: fn(&GroupLimits) -> (i64, i64),
    /// What holds where the group says nothing.
    default: fn(&GroupLimits) -> String,
}

const SETTINGS: &[GroupSetting] = &[
    GroupSetting {
        name: "consumer.assignment.interval.ms",
        kind: Kind::Int,
        synonym: "group.consumer.assignment.interval.ms",
        range: |_| (0, 15_000),
        default: |limits| limits.consumer.assignment_interval_ms.to_string(),
    },
    GroupSetting {
        name: "consumer.heartbeat.interval.ms",
        kind: Kind::Int,
        synonym: "group.consumer.heartbeat.interval.ms",
        range: |_| (5_000, 15_000),
        default: |limits| limits.consumer.heartbeat_interval_ms.to_string(),
    },
    GroupSetting {
        name: "consumer.session.timeout.ms",
        kind: Kind::Int,
        synonym: "group.consumer.session.timeout.ms",
        range: |_| (45_000, 60_000),
        default: |limits| limits.consumer.session_timeout_ms.to_string(),
    },
    GroupSetting {
        name: "share.assignment.interval.ms",
        kind: Kind::Int,
        synonym: "group.share.assignment.interval.ms",
        range: |_| (0, 15_000),
        default: |limits| limits.share.assignment_interval_ms.to_string(),
    },
    GroupSetting {
        name: AUTO_RESET,
        kind: Kind::AutoReset,
        synonym: "",
        range: |_| (0, 0),
        default: |_| "latest".to_owned(),
    },
    GroupSetting {
        name: DELIVERIES,
        kind: Kind::Int,
        synonym: "group.share.delivery.count.limit",
        range: |_| (2, 10),
        default: |limits| limits.share.delivery_count_limit.to_string(),
    },
    GroupSetting {
        name: "share.heartbeat.interval.ms",
        kind: Kind::Int,
        synonym: "group.share.heartbeat.interval.ms",
        range: |_| (5_000, 15_000),
        default: |limits| limits.share.heartbeat_interval_ms.to_string(),
    },
    GroupSetting {
        name: ISOLATION,
        kind: Kind::Isolation,
        synonym: "",
        range: |_| (0, 0),
        default: |_| "read_uncommitted".to_owned(),
    },
    GroupSetting {
        name: LOCKS,
        kind: Kind::Int,
        synonym: "group.share.partition.max.record.locks",
        range: |_| (100, 10_000),
        default: |limits| limits.share.record_locks_max.to_string(),
    },
    GroupSetting {
        name: LOCK_MS,
        kind: Kind::Int,
        synonym: "group.share.record.lock.duration.ms",
        range: |limits| (limits.share.record_lock_min_ms, 60_000),
        default: |limits| limits.share.record_lock_ms.to_string(),
    },
    GroupSetting {
        name: RENEWS,
        kind: Kind::Boolean,
        synonym: "",
        range: |_| (0, 0),
        default: |_| "true".to_owned(),
    },
    GroupSetting {
        name: "share.session.timeout.ms",
        kind: Kind::Int,
        synonym: "group.share.session.timeout.ms",
        range: |_| (45_000, 60_000),
        default: |limits| limits.share.session_timeout_ms.to_string(),
    },
];

const AUTO_RESET: &str = "share.auto.offset.reset";
const DELIVERIES: &str = "share.delivery.count.limit";
const ISOLATION: &str = "share.isolation.level";
const LOCKS: &str = "share.partition.max.record.locks";
const LOCK_MS: &str = "share.record.lock.duration.ms";
const RENEWS: &str = "share.renew.acknowledge.enable";

/// Where a share-partition begins that nobody has read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoReset {
    Earliest,
    Latest,
    ByDuration(Duration),
}

impl AutoReset {
    fn parse(value: &str) -> Option<AutoReset> {
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

pub(crate) fn find(name: &str) -> Option<&'static GroupSetting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn refused(name: &str, value: &str, why: &str) -> Refusal {
    let message = format!("Invalid value {value} for configuration {name}: {why}");
    Refusal::new(ErrorCode::InvalidConfig, message)
}

/// Checks one value as Kafka does.
pub(crate) fn check(limits: &GroupLimits, name: &str, value: &str) -> Result<(), Refusal> {
    let Some(setting) = find(name) else {
        let message = format!("Unknown group config name: {name}");
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    };
    match setting.kind {
        Kind::AutoReset if AutoReset::parse(value).is_none() => {
            let why = format!(
                "Invalid value `{value}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
                 format 'by_duration:<PnDTnHnMn.nS>'."
            );
            Err(refused(name, value, &why))
        }
        Kind::Isolation if !["read_committed", "read_uncommitted"].contains(&value) => Err(refused(
            name,
            value,
            "String must be one of: read_committed, read_uncommitted",
        )),
        Kind::Boolean if !["true", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
            Err(refused(name, value, "Expected value to be either true or false"))
        }
        Kind::Int => {
            let (min, max) = (setting.range)(limits);
            match value.trim().parse::<i32>().map(i64::from) {
                Err(_) => Err(refused(name, value, "Not a number of type INT")),
                Ok(number) if number < min => Err(refused(name, value, &format!("Value must be at least {min}"))),
                Ok(number) if number > max => Err(refused(name, value, &format!("Value must be no more than {max}"))),
                Ok(_) => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What a group has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupSettings {
    pub(crate) values: BTreeMap<String, String>,
}

impl GroupSettings {
    pub(crate) fn of(log: &Log, group: &str) -> GroupSettings {
        let stored = log.get(tables::GROUP_SETTINGS, group.as_bytes());
        let read = |bytes: Bytes| -> Result<GroupSettings, DecodeError> {
            let mut input = Reader::new(bytes);
            let pairs = input.array(false, 4, |input| Ok((input.string(false)?, input.string(false)?)))?;
            Ok(GroupSettings {
                values: pairs.into_iter().collect(),
            })
        };
        stored.map(read).and_then(Result::ok).unwrap_or_default()
    }

    /// The operation that keeps them.
    pub(crate) fn put(&self, group: &str) -> Result<Op, EncodeError> {
        let mut out = Writer::new();
        out.array_len(false, self.values.len())?;
        for (name, value) in &self.values {
            out.string(false, name)?;
            out.string(false, value)?;
        }
        Ok(Op::Put {
            table: tables::GROUP_SETTINGS,
            key: Bytes::from(group.to_owned()),
            value: (!self.values.is_empty()).then(|| Bytes::from(out.chunks().concat())),
        })
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.values.get(name)?.trim().parse().ok()
    }

    pub(crate) fn share_auto_reset(&self) -> AutoReset {
        let set = self.values.get(AUTO_RESET);
        set.and_then(|value| AutoReset::parse(value))
            .unwrap_or(AutoReset::Latest)
    }

    pub(crate) fn share_reads_committed(&self) -> bool {
        self.values
            .get(ISOLATION)
            .is_some_and(|value| value == "read_committed")
    }

    pub(crate) fn share_renews(&self) -> bool {
        !self
            .values
            .get(RENEWS)
            .is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    pub(crate) fn share_rules(&self, limits: &ShareGroupLimits) -> Rules {
        Rules {
            lock_ms: self.number(LOCK_MS).unwrap_or(limits.record_lock_ms),
            deliveries_max: self.number(DELIVERIES).unwrap_or(limits.delivery_count_limit),
            locks_max: self.number(LOCKS).unwrap_or(limits.record_locks_max),
        }
    }

    /// The broker's limits with what the group says itself.
    pub(crate) fn apply(&self, limits: &GroupLimits) -> GroupLimits {
        let mut limits = limits.clone();
        let (consumer, share) = (&mut limits.consumer, &mut limits.share);
        for (place, name) in [
            (&mut consumer.assignment_interval_ms, "consumer.assignment.interval.ms"),
            (&mut consumer.session_timeout_ms, "consumer.session.timeout.ms"),
            (&mut share.assignment_interval_ms, "share.assignment.interval.ms"),
            (&mut share.session_timeout_ms, "share.session.timeout.ms"),
        ] {
            *place = self.number(name).unwrap_or(*place);
        }
        for (place, name) in [
            (&mut consumer.heartbeat_interval_ms, "consumer.heartbeat.interval.ms"),
            (&mut share.heartbeat_interval_ms, "share.heartbeat.interval.ms"),
        ] {
            *place = self.number(name).unwrap_or(*place);
        }
        limits
    }
}

/// Every setting of a group: the setting, its value, and whether the group itself has set it.
pub(crate) fn describe(limits: &GroupLimits, settings: &GroupSettings) -> Vec<(&'static GroupSetting, String, bool)> {
    let one = |setting: &'static GroupSetting| match settings.values.get(setting.name) {
        Some(value) => (setting, value.clone(), true),
        None => (setting, (setting.default)(limits), false),
    };
    SETTINGS.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_and_read() {
        let limits = GroupLimits::default();
        for (name, value, good) in [
            (AUTO_RESET, "earliest", true),
            (AUTO_RESET, "by_duration:P1DT2H3M4.5S", true),
            (AUTO_RESET, "by_duration:-PT1S", false),
            (AUTO_RESET, "by_duration:PT", false),
            (AUTO_RESET, "by_duration:P", false),
            (AUTO_RESET, "sometimes", false),
            (LOCK_MS, "15000", true),
            (LOCK_MS, "14999", false),
            (LOCK_MS, "60001", false),
            (LOCK_MS, "x", false),
            (ISOLATION, "read_committed", true),
            (ISOLATION, "serializable", false),
            (RENEWS, "False", true),
            (RENEWS, "no", false),
            ("nothing", "1", false),
        ] {
            assert_eq!(check(&limits, name, value).is_ok(), good, "{name}={value}");
        }
        let ago = |text| AutoReset::parse(&format!("by_duration:{text}"));
        assert_eq!(ago("P1DT1H"), Some(AutoReset::ByDuration(Duration::from_secs(90_000))));
        assert_eq!(ago("PT0.5S"), Some(AutoReset::ByDuration(Duration::from_millis(500))));
        assert_eq!(ago("PT1S1H"), None, "the order matters");
    }
}
