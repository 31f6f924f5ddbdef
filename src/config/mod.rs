//! The settings: one file per section, each a struct with a doc, default and unit per field.
//!
//! A module takes its own section, never the whole. A section is
//! `#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] #[serde(deny_unknown_fields, default)]` with a
//! `Default` and `fn validate(&self) -> Result<(), Vec<String>>` that lists everything wrong, each text
//! naming the key without its section (`"retention_days: 0 keeps nothing; …"`).
//!
//! [`Sources::load`] merges defaults, files, environment and flags; [`Loaded`] is the settings in force and
//! where each came from.

pub mod archive;
pub mod contract;
pub mod dedupe;
pub mod http;
pub mod kafka;
pub mod lane;
pub mod log;
pub mod snapshot;
pub mod store;
pub mod telemetry;

mod keys;
mod layers;
mod show;

use serde::{Deserialize, Serialize};

pub use archive::ArchiveConfig;
pub use contract::{ContractConfig, EventMode};
pub use dedupe::DedupeConfig;
pub use http::HttpConfig;
pub use kafka::KafkaConfig;
pub use lane::LaneConfig;
pub use layers::{BROKERS, ConfigError, Flag, Loaded, PREFIX, Sources};
pub use log::LogConfig;
pub use show::Setting;
pub use snapshot::SnapshotConfig;
pub use store::{MemoryConfig, StoreConfig};
pub use telemetry::{LogFormat, TelemetryConfig};

/// Every setting of a process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub archive: ArchiveConfig,
    pub contract: ContractConfig,
    pub dedupe: DedupeConfig,
    pub http: HttpConfig,
    pub kafka: KafkaConfig,
    pub lane: LaneConfig,
    pub log: LogConfig,
    pub memory: MemoryConfig,
    pub snapshot: SnapshotConfig,
    pub store: StoreConfig,
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Everything that cannot work, each naming its key.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        [
            ("archive", self.archive.validate()),
            ("contract", self.contract.validate()),
            ("dedupe", self.dedupe.validate()),
            ("http", self.http.validate()),
            ("kafka", self.kafka.validate()),
            ("lane", self.lane.validate()),
            ("log", self.log.validate()),
            ("snapshot", self.snapshot.validate()),
            ("store", self.store.validate()),
            ("telemetry", self.telemetry.validate()),
        ]
        .into_iter()
        .flat_map(|(section, checked)| {
            let prefix = format!("{section}.");
            checked.err().unwrap_or_default().into_iter().map(move |problem| {
                if problem.starts_with(&prefix) { problem } else { format!("{prefix}{problem}") }
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests;
