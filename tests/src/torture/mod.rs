//! Torture: real clients against the release binary while it is killed, paused, cut off, out of disk and out of power;
//! what they saw is written down and checked.

pub mod checker;
pub mod history;
pub mod power;
pub mod proxy;
pub mod workload;
