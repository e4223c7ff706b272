//! The differential runner: the same scenarios at Apache Kafka and at Rivulet, and where the answers differ.
//!
//! Kafka's side is recorded in `tests/kafka/` by `make kafka-diff`; `cargo test` plays the scenarios at Rivulet and
//! compares. Each difference must stand in `docs/kafka-differences.md`, and each line there must still be one.

mod compare;
mod flatten;
mod observer;
mod record;
pub mod scenarios;

pub use compare::{Difference, differences, documented, unexplained};
pub use observer::{Lane, Observation, Observer};
pub use record::{load, save};

/// What makes Rivulet behave as the Kafka that is recorded: settings whose defaults differ.
pub const SETTINGS: &[&str] = &[
    "--set",
    "replication.factor.policy=strict",
    "--set",
    "group.consumer.assignment.interval.ms=1000",
    "--set",
    "group.share.assignment.interval.ms=1000",
    "--set",
    "group.streams.assignment.interval.ms=1000",
    "--set",
    "group.streams.initial.rebalance.delay.ms=3000",
];
