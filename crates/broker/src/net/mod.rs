//! Connections: accepting them, reading requests, writing answers, and what bounds all three.

mod budget;
mod buffers;
mod connection;
mod garbage;
mod listener;
mod mute;
mod rope;
mod send;

pub(crate) use budget::{Budget, Permit, Slots};
pub(crate) use buffers::Buffers;
pub(crate) use connection::{Close, Peer, Reply, Work};
pub(crate) use listener::Listeners;
