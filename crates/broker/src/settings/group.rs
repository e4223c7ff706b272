//! The settings of groups, and of subscriptions of client metrics: small tables of the same shape.

use super::Resource;
use super::kind::Kind;

/// One setting of a group or of a subscription.
#[derive(Debug)]
pub(crate) struct SmallSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The broker's setting that holds where this is not set; none if empty.
    pub(crate) synonym: &'static str,
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    synonym: &'static str,
    default: &'static str,
    documentation: &'static str,
) -> SmallSetting {
    SmallSetting {
        name,
        kind,
        synonym,
        default,
        documentation,
    }
}

const fn from_to(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}

const GROUP: &[SmallSetting] = &[
    setting(
        "consumer.assignment.interval.ms",
        from_to(0, 15_000),
        "group.consumer.assignment.interval.ms",
        "1000",
        "The least time between two assignments that the broker computes for a consumer group.",
    ),
    setting(
        "consumer.heartbeat.interval.ms",
        Kind::int(1),
        "group.consumer.heartbeat.interval.ms",
        "5000",
        "How often members of a consumer group are told to call.",
    ),
    setting(
        "consumer.session.timeout.ms",
        Kind::int(1),
        "group.consumer.session.timeout.ms",
        "45000",
        "How long a member of a consumer group may be silent before it counts as gone.",
    ),
    setting(
        "share.assignment.interval.ms",
        from_to(0, 15_000),
        "group.share.assignment.interval.ms",
        "1000",
        "The least time between two assignments that the broker computes for a share group.",
    ),
    setting(
        "share.auto.offset.reset",
        Kind::ShareOffsetReset,
        "",
        "latest",
        "Where a share group begins on a partition it has not read: `latest`, `earliest`, or `by_duration:` and a period.",
    ),
    setting(
        "share.delivery.count.limit",
        from_to(2, 10),
        "group.share.delivery.count.limit",
        "5",
        "How often a record is delivered to a share group before it is given up.",
    ),
    setting(
        "share.heartbeat.interval.ms",
        from_to(5_000, 15_000),
        "group.share.heartbeat.interval.ms",
        "5000",
        "How often members of a share group are told to call.",
    ),
    setting(
        "share.isolation.level",
        Kind::OneOf(&["read_committed", "read_uncommitted"]),
        "",
        "read_uncommitted",
        "Whether a share group gets records of transactions that have not committed.",
    ),
    setting(
        "share.partition.max.record.locks",
        from_to(100, 10_000),
        "group.share.partition.max.record.locks",
        "2000",
        "How many records of a partition a share group may have in flight.",
    ),
    setting(
        "share.record.lock.duration.ms",
        Kind::int(1),
        "group.share.record.lock.duration.ms",
        "30000",
        "How long a member of a share group has for a record before another may get it.",
    ),
    setting(
        "share.renew.acknowledge.enable",
        Kind::Boolean,
        "",
        "true",
        "Whether members of a share group may ask for more time for a record.",
    ),
    setting(
        "share.session.timeout.ms",
        from_to(45_000, 60_000),
        "group.share.session.timeout.ms",
        "45000",
        "How long a member of a share group may be silent before it counts as gone.",
    ),
    setting(
        "streams.assignment.interval.ms",
        from_to(0, 15_000),
        "group.streams.assignment.interval.ms",
        "1000",
        "The least time between two assignments that the broker computes for a streams group.",
    ),
    setting(
        "streams.heartbeat.interval.ms",
        from_to(5_000, 15_000),
        "group.streams.heartbeat.interval.ms",
        "5000",
        "How often members of a streams group are told to call.",
    ),
    setting(
        "streams.initial.rebalance.delay.ms",
        Kind::int(0),
        "group.streams.initial.rebalance.delay.ms",
        "3000",
        "How long a streams group that was empty waits for more members before its first assignment.",
    ),
    setting(
        "streams.num.standby.replicas",
        from_to(0, 2),
        "group.streams.num.standby.replicas",
        "0",
        "How many standby tasks each task of a streams group has.",
    ),
    setting(
        "streams.session.timeout.ms",
        from_to(45_000, 60_000),
        "group.streams.session.timeout.ms",
        "45000",
        "How long a member of a streams group may be silent before it counts as gone.",
    ),
];

const CLIENT_METRICS: &[SmallSetting] = &[
    setting(
        "interval.ms",
        from_to(100, 3_600_000),
        "",
        "300000",
        "How often clients push, if `client.telemetry.topic` names a topic for it.",
    ),
    setting(
        "match",
        Kind::List,
        "",
        "",
        "Which clients push: items such as `client_software_name=librdkafka.*`, which all have to match.",
    ),
    setting(
        "metrics",
        Kind::List,
        "",
        "",
        "What clients push: prefixes of metrics' names, or `*` for all they have.",
    ),
];

/// The broker's settings that bound one of a group's, least and most.
pub(super) fn bounds(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "consumer.heartbeat.interval.ms" => Some((
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        )),
        "consumer.session.timeout.ms" => Some((
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        )),
        "share.record.lock.duration.ms" => Some((
            "group.share.min.record.lock.duration.ms",
            "group.share.max.record.lock.duration.ms",
        )),
        _ => None,
    }
}

pub(super) fn of(resource: Resource) -> &'static [SmallSetting] {
    match resource {
        Resource::Group => GROUP,
        Resource::ClientMetrics => CLIENT_METRICS,
        Resource::Topic | Resource::Broker => &[],
    }
}

pub(super) fn find(resource: Resource, name: &str) -> Option<&'static SmallSetting> {
    of(resource).iter().find(|setting| setting.name == name)
}
