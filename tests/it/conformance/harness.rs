use std::sync::Arc;

use inventory_store::log::Log;
use inventory_store::types::{NextOffset, Partition, Topic};

use super::writer::Ack;

/// What each implementation does its own way. One harness is one fresh log with the five topics, empty.
pub trait Harness {
    /// The log. Whoever holds it lets go of it (and of all that came from it) before
    /// [`Self::stop_and_start`] and [`Self::kill_while_writing`].
    fn log(&self) -> Arc<dyn Log>;

    /// Partitions of every topic: at least 3.
    fn partitions(&self) -> u16;

    /// The largest record that the events topic takes, in bytes.
    fn max_record_bytes(&self) -> usize;

    /// Drops every record below `before`, as retention would.
    fn drop_below(&self, topic: Topic, partition: Partition, before: NextOffset);

    /// Has the snapshots topic compacted: everything appended so far, except perhaps the last record of a
    /// partition, is looked at when it returns or soon after.
    fn compact(&self);

    /// Stops the log cleanly and starts it again.
    fn stop_and_start(&mut self);

    /// Runs [`super::writer::write`] with this seed, kills the log with SIGKILL after some `acks`
    /// acknowledgements, starts it again, and gives what was acknowledged.
    fn kill_while_writing(&mut self, seed: u64, acks: usize) -> Vec<Ack>;
}
