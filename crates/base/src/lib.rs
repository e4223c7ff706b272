//! The words every crate shares, and the doors to clock, randomness and disk.
//!
//! Nothing here knows of any other crate of ours. What must be replayable from a seed takes its time, its random
//! bytes and its files from the doors in [`clock`], [`random`] and [`disk`]; production uses the `Real…`
//! implementations, tests the simulated ones.

pub mod clock;
pub mod disk;
pub mod kind;
pub mod partitioner;
pub mod random;
pub mod topic_name;
pub mod words;

pub use clock::{Clock, ManualClock, RealClock};
pub use kind::ErrorKind;
pub use random::{OsRandom, Random, SeededRandom};
pub use words::{Offset, PartitionIndex, TimestampMs};
