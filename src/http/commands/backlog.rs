use std::sync::atomic::{AtomicU64, Ordering};

use crate::lane::Registry;
use crate::types::{Partition, Position};

/// How far the commands topic is ahead of the lanes, as far as this process filled it.
pub struct Backlog {
    /// Per partition, the offset behind the last command appended here.
    ends: Vec<AtomicU64>,
}

impl Backlog {
    pub fn new(partitions: u16) -> Self {
        Self { ends: (0..partitions).map(|_| AtomicU64::new(0)).collect() }
    }

    /// A command of ours stands at `position`.
    pub fn appended(&self, position: Position) {
        if let Some(end) = self.ends.get(usize::from(position.partition.0)) {
            end.fetch_max(position.offset.next().0, Ordering::Relaxed);
        }
    }

    /// Commands of the partition that were appended and whose results are not applied here. 0 where another
    /// instance owns the partition: it guards its own queue.
    pub fn undecided(&self, partition: Partition, registry: &Registry) -> u64 {
        let end = self.ends.get(usize::from(partition.0)).map_or(0, |end| end.load(Ordering::Relaxed));
        if end == 0 || !registry.state(partition).is_owned() {
            return 0;
        }
        // One row, microseconds. A store that cannot be read refuses nobody: its reads say what is wrong.
        let meta = registry.store(partition).and_then(|store| store.meta().ok());
        meta.map_or(0, |meta| end.saturating_sub(meta.progress.next_commands.0))
    }
}
