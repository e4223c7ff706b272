//! Topologies of streams groups that the topics there are do not fit.

use wire::messages::streams_group_heartbeat_request::{CopartitionGroup, Subtopology, TopicInfo, Topology};

use super::streams_groups::{FIRST, NARROW, TOPIC, beat, describe, joining, reading, topology};
use crate::differential::Observer;

/// How many are tried.
pub(super) const UNFIT: usize = 15;

/// The group that tries one of them.
pub(super) fn unfit_group(at: usize) -> String {
    format!("unfit-streams-{at}")
}

/// Topologies that the topics there are do not fit.
pub(super) fn unfit(observer: &mut Observer) {
    let together = |topics: &[&str], places: &[i16]| Subtopology {
        copartition_groups: vec![CopartitionGroup {
            source_topics: places.to_vec(),
            ..Default::default()
        }],
        ..reading("0", topics)
    };
    let twice = vec![reading("0", &[TOPIC]), reading("0", &[NARROW])];
    let nameless = Subtopology {
        repartition_source_topics: vec![TopicInfo {
            name: "a b".into(),
            partitions: 2,
            ..Default::default()
        }],
        ..reading("0", &[TOPIC])
    };
    let wide = Subtopology {
        state_changelog_topics: vec![TopicInfo {
            name: "wide-changelog".into(),
            partitions: 2,
            ..Default::default()
        }],
        ..reading("0", &[TOPIC])
    };
    let cases: [(&str, Topology); UNFIT] = [
        ("a missing source", topology(1, vec![reading("0", &["never-made"])])),
        (
            "one source of two missing",
            topology(1, vec![reading("0", &[TOPIC, "never-made"])]),
        ),
        (
            "sources of unlike width together",
            topology(1, vec![together(&[TOPIC, NARROW], &[0, 1])]),
        ),
        (
            "sources of unlike width apart",
            topology(1, vec![reading("0", &[TOPIC, NARROW])]),
        ),
        ("a place that is none", topology(1, vec![together(&[TOPIC], &[5])])),
        ("no subtopology", topology(1, Vec::new())),
        ("a subtopology twice", topology(1, twice)),
        ("a topology of epoch zero", topology(0, vec![reading("0", &[TOPIC])])),
        ("a topology of epoch -1", topology(-1, vec![reading("0", &[TOPIC])])),
        ("an internal topic that cannot be", topology(1, vec![nameless])),
        ("a negative place", topology(1, vec![together(&[TOPIC], &[-1])])),
        ("a subtopology that reads nothing", topology(1, vec![reading("0", &[])])),
        ("a changelog of set width", topology(1, vec![wide])),
        ("a source that cannot be", topology(1, vec![reading("0", &["a b"])])),
        (
            "a topic of the broker",
            topology(1, vec![reading("0", &["__consumer_offsets"])]),
        ),
    ];
    for (at, (step, topology)) in cases.into_iter().enumerate() {
        let group = unfit_group(at);
        observer.ask(step, 0, &joining(&group, FIRST, topology));
        observer.ask(step, 0, &describe(&[&group]));
        observer.ask(step, 0, &beat(&group, FIRST, -1));
    }
}
