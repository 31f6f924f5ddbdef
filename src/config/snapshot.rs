//! `[snapshot]`: how often state is published to the snapshots topic, and how it is read back.

use serde::{Deserialize, Serialize};

/// `[snapshot]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotConfig {
    /// Publishes snapshots at all. Off, a lost store is brought back from an archive or the log alone.
    /// Default true.
    pub enabled: bool,
    /// Events of a partition after which its next snapshot cycle begins. Default 100000.
    pub every_events: u64,
    /// Seconds after which a partition's next cycle begins where it has any event. Default 300.
    pub every_seconds: u64,
    /// Whether a cycle is published when the service stops. Default true.
    pub at_shutdown: bool,
    /// How long stopping may wait for that, in seconds. Default 20.
    pub shutdown_seconds: u64,
    /// Bytes of snapshot records in one transaction, about; all rows of a SKU stay together. Default 262144.
    pub chunk_bytes: usize,
    /// The most that a lane publishes, in bytes a second. Default 8388608 (8 MiB).
    pub bytes_per_second: u64,
    /// Memory for records read back and not yet in a sorted run, in bytes, per partition that is being
    /// restored. Default 33554432 (32 MiB).
    pub read_memory: usize,
    /// Seconds without progress after which reading a snapshot is given up and its cause named. Default 60.
    pub patience_seconds: u64,
    /// Partitions that are restored at a time; 0 = one per core. Default 0.
    pub restores: usize,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            every_events: 100_000,
            every_seconds: 300,
            at_shutdown: true,
            shutdown_seconds: 20,
            chunk_bytes: 256 << 10,
            bytes_per_second: 8 << 20,
            read_memory: 32 << 20,
            patience_seconds: 60,
            restores: 0,
        }
    }
}

impl SnapshotConfig {
    /// # Errors
    /// Every setting that cannot work, one line each.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        for (name, value) in [
            ("every_events", self.every_events),
            ("every_seconds", self.every_seconds),
            ("chunk_bytes", self.chunk_bytes as u64),
            ("bytes_per_second", self.bytes_per_second),
            ("read_memory", self.read_memory as u64),
            ("patience_seconds", self.patience_seconds),
        ] {
            if value == 0 {
                wrong.push(format!("{name}: 0 is too little; at least 1 is needed"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// How many partitions are restored at a time.
    #[must_use]
    pub fn restores(&self) -> usize {
        if self.restores > 0 {
            return self.restores;
        }
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}
