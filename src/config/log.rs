use serde::{Deserialize, Serialize};

/// Section `[log]`: the embedded log, used where no brokers are configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Partitions per topic: `contract.partitions`, not a setting of its own. Fixed when the log is first made.
    #[serde(skip)]
    pub partitions: u16,
    /// When an append is acknowledged: `always` = on the disk; `interval` = written, and on the disk within
    /// `fsync_interval_ms`, so that a power failure may take the last of what was acknowledged. Default
    /// `always`.
    pub fsync: Fsync,
    /// With `fsync = "interval"`: the longest time an acknowledged record may be without being on the disk,
    /// in milliseconds. Default 1000.
    pub fsync_interval_ms: u64,
    /// How long each topic keeps its records.
    pub retention: Retention,
    /// The largest record (key, value and headers), in bytes; dead letters take 1 MiB more. Default 1 MiB.
    pub max_record_bytes: usize,
    /// The most that one transaction may hold, in bytes; it is kept in memory until its commit. Default 64 MiB.
    pub max_transaction_bytes: usize,
    /// The most that is written to the disk at once, in bytes: appends that wait together share one write.
    /// Default 4 MiB.
    pub max_write_bytes: usize,
    /// The most that one poll of a reader delivers, in bytes; one record is always delivered. Default 8 MiB.
    pub fetch_bytes: usize,
    /// RocksDB's write buffer, in bytes; up to three exist at a time. Default 16 MiB.
    pub write_buffer_bytes: usize,
    /// RocksDB's block cache, in bytes. Default 16 MiB.
    pub block_cache_bytes: usize,
    /// Keys of the snapshots topic that one pass of compaction looks at (about 48 bytes of memory each).
    /// Default 500,000.
    pub compaction_keys: usize,
    /// The longest wait for other writers' appends, in milliseconds. Default 30,000.
    pub request_timeout_ms: u64,
    /// A group member that does not poll for this long while others wait for it loses its partitions, in
    /// milliseconds. Default 30,000.
    pub session_timeout_ms: u64,
}

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// On the disk.
    Always,
    /// Written; on the disk a little later. A power failure may take acknowledged records.
    Interval,
}

/// How long the embedded log keeps records, in hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Default 168 (7 days).
    pub events_hours: u64,
    /// Default 72 (3 days).
    pub commands_hours: u64,
    /// Default 168 (7 days).
    pub results_hours: u64,
    /// Default 720 (30 days).
    pub dead_letters_hours: u64,
    /// How long a deleted snapshot row's tombstone stays; not below `events_hours`. Default 192 (8 days).
    pub tombstones_hours: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            partitions: 12,
            fsync: Fsync::Always,
            fsync_interval_ms: 1000,
            retention: Retention::default(),
            max_record_bytes: 1 << 20,
            max_transaction_bytes: 64 << 20,
            max_write_bytes: 4 << 20,
            fetch_bytes: 8 << 20,
            write_buffer_bytes: 16 << 20,
            block_cache_bytes: 16 << 20,
            compaction_keys: 500_000,
            request_timeout_ms: 30_000,
            session_timeout_ms: 30_000,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events_hours: 168,
            commands_hours: 72,
            results_hours: 168,
            dead_letters_hours: 720,
            tombstones_hours: 192,
        }
    }
}

impl LogConfig {
    /// # Errors
    /// Every setting that cannot work, with what it may be.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut at_least = |name: &str, value: u64, least: u64| {
            if value < least {
                wrong.push(format!("{name}: {value}; it must be at least {least}"));
            }
        };
        at_least("partitions", self.partitions.into(), 1);
        at_least("fsync_interval_ms", self.fsync_interval_ms, 1);
        at_least("max_record_bytes", self.max_record_bytes as u64, 1024);
        at_least("max_transaction_bytes", self.max_transaction_bytes as u64, self.max_record_bytes as u64);
        at_least("max_write_bytes", self.max_write_bytes as u64, 1024);
        at_least("fetch_bytes", self.fetch_bytes as u64, 1024);
        at_least("write_buffer_bytes", self.write_buffer_bytes as u64, 64 << 10);
        at_least("compaction_keys", self.compaction_keys as u64, 1);
        at_least("request_timeout_ms", self.request_timeout_ms, 1);
        at_least("session_timeout_ms", self.session_timeout_ms, 1);
        at_least("retention.events_hours", self.retention.events_hours, 1);
        at_least("retention.commands_hours", self.retention.commands_hours, 1);
        at_least("retention.results_hours", self.retention.results_hours, 1);
        at_least("retention.dead_letters_hours", self.retention.dead_letters_hours, 1);
        at_least("retention.tombstones_hours", self.retention.tombstones_hours, self.retention.events_hours);
        if self.max_record_bytes > MAX_RECORD_BYTES {
            wrong.push(format!(
                "max_record_bytes: {}; it must be at most {MAX_RECORD_BYTES}",
                self.max_record_bytes
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// Lengths within a stored record are 32 bit; far below that, a record no longer belongs on a log.
const MAX_RECORD_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        assert_eq!(LogConfig::default().validate(), Ok(()));
        assert_eq!(toml::from_str::<LogConfig>("").expect("empty"), LogConfig::default());
    }

    #[test]
    fn refuses_what_cannot_work_and_names_it() {
        let config: LogConfig =
            toml::from_str("fetch_bytes = 0\n[retention]\ntombstones_hours = 1").expect("known keys");
        let wrong = config.validate().expect_err("refused");
        assert!(wrong.iter().any(|w| w.contains("fetch_bytes: 0")), "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("retention.tombstones_hours")), "{wrong:?}");
        assert!(toml::from_str::<LogConfig>("fsnyc = \"always\"").is_err());
    }
}
