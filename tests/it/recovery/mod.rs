//! The one on call: stores lost, spoiled, asked about; with the real binary.

mod archiving;
mod asking;
mod compacted;
mod disk_full;
mod faults_page;
mod ground;
mod held_up;
mod history;
mod jobs;
#[cfg(feature = "failpoints")]
mod killed;
mod on_demand;
mod on_kafka;
mod repaired;
mod repairs;
mod replaced;
mod retention;
mod service;
mod stale_owner;
mod unreachable;
mod verbs;
mod watched;
