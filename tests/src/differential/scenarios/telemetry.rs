//! What clients push (KIP-714): subscriptions and their settings, when a client may ask and push, what it may push.
//!
//! Kafka answers both APIs also without a receiver, but then it offers neither, and looks into no push.

use bytes::Bytes;
use wire::Compression;
use wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::messages::describe_configs_response::DescribeConfigsResponse;
use wire::messages::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use wire::messages::get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse;
use wire::messages::incremental_alter_configs_request::*;
use wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use wire::messages::push_telemetry_request::PushTelemetryRequest;

use crate::differential::Observer;

const CLIENT_METRICS: i8 = 16;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const FROM_CLIENT_METRICS: i8 = 7;
/// Longer than anything here takes.
const LONG_MS: &str = "3600000";

/// A setting, what is done with it, a value.
type Change<'a> = (&'a str, i8, &'a str);

fn altered(name: &str, settings: &[Change]) -> IncrementalAlterConfigsRequest {
    let configs = settings.iter().map(|&(setting, operation, value)| AlterableConfig {
        name: setting.to_owned(),
        config_operation: operation,
        value: (operation != DELETE).then(|| value.to_owned()),
    });
    IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: name.to_owned(),
            configs: configs.collect(),
        }],
        validate_only: false,
    }
}

fn asking(instance: u8) -> GetTelemetrySubscriptionsRequest {
    GetTelemetrySubscriptionsRequest {
        client_instance_id: [instance; 16],
    }
}

/// The id of what is wanted of an instance, as a client would be told.
fn subscription(observer: &mut Observer, instance: u8) -> i32 {
    let told = observer.quietly(0, &asking(instance)).unwrap_or_default();
    told.subscription_id
}

fn pushing(instance: u8, subscription_id: i32) -> PushTelemetryRequest {
    PushTelemetryRequest {
        client_instance_id: [instance; 16],
        subscription_id,
        ..Default::default()
    }
}

pub(super) fn play(observer: &mut Observer) {
    settings(observer);
    asked(observer);
    pushed(observer);
    matched(observer);
}

fn settings(observer: &mut Observer) {
    let steps: &[(&str, &str, &[Change])] = &[
        ("an interval too short", "wrong", &[("interval.ms", SET, "99")]),
        ("an interval too long", "wrong", &[("interval.ms", SET, "3600001")]),
        ("an interval that is none", "wrong", &[("interval.ms", SET, "often")]),
        ("an unknown setting", "wrong", &[("strange", SET, "1")]),
        ("no name", "", &[("interval.ms", SET, "1000")]),
        ("a match without a pattern", "wrong", &[("match", SET, "client_id")]),
        (
            "a match with an empty pattern",
            "wrong",
            &[("match", SET, "client_id=")],
        ),
        ("a match with two patterns", "wrong", &[("match", SET, "client_id=a=b")]),
        (
            "a match of something else",
            "wrong",
            &[("match", SET, "client_mood=good")],
        ),
        (
            "a match with a broken pattern",
            "wrong",
            &[("match", SET, "client_id=(")],
        ),
        (
            "all of it",
            "whole",
            &[
                ("metrics", SET, "org.apache.kafka.producer.,org.apache.kafka.consumer."),
                ("interval.ms", SET, LONG_MS),
                ("match", SET, "client_software_name=nobody.*, client_id=x"),
            ],
        ),
        ("nothing of it", "empty", &[("metrics", DELETE, "")]),
    ];
    for (step, name, settings) in steps {
        observer.ask(step, 1, &altered(name, settings));
    }
    let mut added = altered("whole", &[("metrics", APPEND, "more.")]);
    added.validate_only = true;
    observer.ask("metrics added", 1, &added);
    for name in ["whole", "empty", "never-seen"] {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: CLIENT_METRICS,
                resource_name: name.to_owned(),
                configuration_keys: None,
            }],
            include_synonyms: true,
            ..Default::default()
        };
        // Kafka's broker learns a little later what its controller has stored.
        let is_seen = |told: &DescribeConfigsResponse| {
            let mut configs = told.results.iter().flat_map(|result| &result.configs);
            name != "whole" || configs.any(|config| config.config_source == FROM_CLIENT_METRICS)
        };
        observer.settle(name, 4, &request, is_seen);
    }
    observer.ask("what has been set", 0, &ListConfigResourcesRequest::default());
}

fn asked(observer: &mut Observer) {
    observer.ask("a new client", 0, &GetTelemetrySubscriptionsRequest::default());
    observer.ask("with an id of its own", 0, &asking(1));
    observer.ask("again, too early", 0, &asking(1));
    observer.ask("an interval", 1, &altered("all", &[("interval.ms", SET, "100")]));
    observer.ask("metrics", 1, &altered("all", &[("metrics", SET, "b.,a.")]));
    until(observer, |told| names(told, "b."));
    observer.ask("something new is wanted", 0, &asking(1));
    observer.ask("of another client", 0, &asking(2));
    observer.ask(
        "everything",
        1,
        &altered("more", &[("metrics", SET, "c.,*"), ("interval.ms", SET, LONG_MS)]),
    );
    until(observer, |told| names(told, "*"));
    observer.ask("everything is wanted", 0, &asking(1));
    observer.ask(
        "not any more",
        1,
        &altered("more", &[("metrics", DELETE, ""), ("interval.ms", DELETE, "")]),
    );
    observer.ask("not often", 1, &altered("all", &[("interval.ms", SET, LONG_MS)]));
    until(observer, |told| !names(told, "*") && told.push_interval_ms > 100);
}

/// Waits until a client that was never heard of would be told so: Kafka's broker learns of settings a little later.
fn until(observer: &mut Observer, is_so: impl Fn(&GetTelemetrySubscriptionsResponse) -> bool) {
    for instance in 100..=255 {
        let told = observer.quietly(0, &asking(instance)).unwrap_or_default();
        if told.error_code == 0 && is_so(&told) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn names(told: &GetTelemetrySubscriptionsResponse, metric: &str) -> bool {
    told.requested_metrics.iter().any(|name| name == metric)
}

fn pushed(observer: &mut Observer) {
    observer.ask("by nobody", 0, &pushing(0, 0));
    let mut reserved = pushing(0, 0);
    reserved.client_instance_id[15] = 1;
    observer.ask("by a reserved id", 0, &reserved);
    observer.ask("of an unknown subscription", 0, &pushing(3, 1));
    let id = subscription(observer, 3);
    observer.ask("asking at once again", 0, &asking(3));
    observer.ask("nothing", 0, &pushing(3, id));
    observer.ask("nothing, too early", 0, &pushing(3, id));
    observer.ask("asking too early", 0, &asking(3));
    let last = PushTelemetryRequest {
        terminating: true,
        ..pushing(3, id)
    };
    observer.ask("the last, early", 0, &last);
    observer.ask("one after the last", 0, &pushing(3, id));
    observer.ask("after that one", 0, &pushing(3, id));
    let id = subscription(observer, 4);
    let strange = PushTelemetryRequest {
        compression_type: 9,
        ..pushing(4, id)
    };
    observer.ask("in an unknown codec", 0, &strange);
    observer.ask("asking after an unknown codec", 0, &asking(4));
    let id = subscription(observer, 5);
    let large = PushTelemetryRequest {
        metrics: Bytes::from(vec![0; (1 << 20) + 1]),
        ..pushing(5, id)
    };
    observer.ask("more than allowed", 0, &large);
    for (instance, codec) in (6..).zip(Compression::ALL) {
        let id = subscription(observer, instance);
        let metrics = codec.compress(&metrics()).unwrap_or_default();
        let push = PushTelemetryRequest {
            compression_type: codec.code() as i8,
            metrics: metrics.into(),
            ..pushing(instance, id)
        };
        observer.ask(&format!("in {}", codec.name()), 0, &push);
    }
    let id = subscription(observer, 12);
    let damaged = PushTelemetryRequest {
        compression_type: Compression::Zstd.code() as i8,
        metrics: Bytes::from_static(b"not zstd"),
        ..pushing(12, id)
    };
    observer.ask("damaged", 0, &damaged);
    let id = subscription(observer, 13);
    let unreadable = PushTelemetryRequest {
        metrics: Bytes::from_static(b"\xff\xff"),
        ..pushing(13, id)
    };
    observer.ask("that are none", 0, &unreadable);
}

/// One gauge of one point, as OpenTelemetry writes it.
fn metrics() -> Vec<u8> {
    let field = |tag: u8, body: &[u8]| [&[tag << 3 | 2, body.len() as u8][..], body].concat();
    let point = [&[4 << 3 | 1][..], &1.5_f64.to_le_bytes()].concat();
    let metric = [field(1, b"up"), field(5, &field(1, &point))].concat();
    field(1, &field(2, &field(2, &metric)))
}

/// Subscriptions of some clients only.
fn matched(observer: &mut Observer) {
    for (name, pattern) in [
        ("by-id", "client_id=.*"),
        ("by-no-id", "client_id=.+"),
        ("by-address", "client_source_address=127\\.0\\.0\\.1"),
        ("by-software", "client_software_name=nobody"),
        ("by-instance", "client_instance_id=FRUVFRUVFRUVFRUVFRUVFQ"),
        ("by-two", "client_source_address=127.*,client_software_version=9"),
    ] {
        let metrics = format!("{name}.");
        observer.ask(
            name,
            1,
            &altered(name, &[("metrics", SET, &metrics), ("match", SET, pattern)]),
        );
    }
    observer.ask("the last", 1, &altered("last", &[("metrics", SET, "last.")]));
    until(observer, |told| names(told, "last."));
    observer.ask("what matches", 0, &asking(0x15));
    observer.ask("what matches another", 0, &asking(0x16));
}
