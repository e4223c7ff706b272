//! The registry's state machine from outside.

mod behaviour;
mod records;
mod world;
