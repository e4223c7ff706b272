//! The Kafka server.

mod group;
