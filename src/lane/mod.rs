//! Lanes: the threads that own partitions and fold the log into their stores.
//!
//! A [`Lane`] is a `step(now)` in a loop, so that a test can drive it. It reads the events of its partitions,
//! gives them to each partition's projector, and publishes what came of it in the [`Registry`], which is all
//! that HTTP and the command line ever see. [`Lanes`] starts one thread per lane and stops them again.
//!
//! Life of a partition here: replaying (bulk, until level with what the log held when it began), level, live.
//! An error that may pass is tried again after a pause and shown as a stall; any other stops its partition
//! alone, with a state that says what to do.

mod archiving;
mod bring_up;
mod callers;
mod checks;
mod depot;
mod expiries;
mod folding;
mod follower;
mod guard;
mod identity;
mod lanes;
mod membership;
mod note;
mod observer;
mod on_demand;
mod opening;
mod openings;
mod owned;
mod ownership;
mod pace;
mod publishing;
mod registry;
mod replacing;
mod restoring;
mod settings;
mod sharing;
mod start_commands;
mod status;
mod step;
mod store_rows;
mod switching;
mod telling;
mod transact;
mod turns;
mod writer;

#[cfg(test)]
mod tests;

pub use archiving::{NotArchived, archive_now};
pub use bring_up::first_result;
pub use callers::{Answer, Callers, RegisterError, Waiting};
pub use checks::CheckError;
pub use expiries::Expiries;
pub use lanes::{Lanes, StartError};
pub use note::{NotedCheckpoint, OffsetNote};
pub use on_demand::{Cycle, SnapshotRefused};
pub use registry::{Registry, Waited};
pub use settings::{LaneMemory, LaneSettings};
pub use status::{PartitionStatus, State};
pub use step::{Lane, Next};

/// How far a partition's store is that is being made.
pub use crate::snapshots::Done;
pub use switching::{Held, NotHeld, NotSwitched, Switched};
