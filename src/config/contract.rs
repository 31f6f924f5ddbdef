//! `[contract]`: what other services see of us on the topics.

use serde::{Deserialize, Serialize};

/// What other services see of us on the topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContractConfig {
    /// The CloudEvents `source` of what this store writes; the same on every instance, and never changed once
    /// events are written: our own duplicates are told by it. A URI reference. Default `inventory-store`.
    pub source: String,
    /// Partitions of events, commands, snapshots and results, which must be alike: what `topics create` makes,
    /// and what an embedded log is made with; it keeps that number. 1 to 1000. Default 12.
    pub partitions: u16,
    /// Largest record value that is read, in bytes; a larger one goes to dead letters. Default 1048576
    /// (1 MiB).
    pub max_record_bytes: usize,
    /// Whether commands may write statuses, hold types, classes and reasons that the platform's published
    /// schemas do not list; without it such a command is refused as invalid. Default false.
    pub extended_values: bool,
    /// How events are written: `structured` (one JSON object holds attributes and data, as the other services
    /// read them) or `binary` (attributes as headers). Both are always read. Default `structured`.
    pub mode: EventMode,
}

/// How events travel, as the setting says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventMode {
    #[default]
    Structured,
    Binary,
}

impl Default for ContractConfig {
    fn default() -> Self {
        Self {
            source: "inventory-store".into(),
            partitions: 12,
            max_record_bytes: 1024 * 1024,
            extended_values: false,
            mode: EventMode::Structured,
        }
    }
}

impl ContractConfig {
    /// # Errors
    /// Everything that is wrong, each naming its key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.source.is_empty() || self.source.chars().any(|c| c.is_control() || c.is_whitespace()) {
            problems.push(format!(
                "source: {:?} is not a URI reference; write for example inventory-store",
                self.source
            ));
        }
        if !(1..=1000).contains(&self.partitions) {
            problems.push(format!("partitions: {} is not between 1 and 1000", self.partitions));
        }
        if !(1024..=64 * 1024 * 1024).contains(&self.max_record_bytes) {
            problems
                .push(format!("max_record_bytes: {} is not between 1 KiB and 64 MiB", self.max_record_bytes));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
