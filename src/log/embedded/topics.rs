//! The five topics as the embedded log has them: all there from the first opening, with Kafka's names for
//! their settings; and what each accepts.

use std::collections::BTreeMap;

use crate::config::log::LogConfig;
use crate::log::{LogError, TopicDescription};
use crate::types::{NewRecord, Topic};

use super::record;

const HOUR_MS: u64 = 3_600_000;
const DEAD_LETTER_EXTRA: usize = 1 << 20;

/// Whether the topic keeps the last record per key instead of the newest records.
pub(super) fn is_compacted(topic: Topic) -> bool {
    topic == Topic::Snapshots
}

/// How long the topic keeps records, in milliseconds; nothing where it is compacted.
pub(super) fn retention_ms(topic: Topic, config: &LogConfig) -> Option<u64> {
    let hours = match topic {
        Topic::Events => config.retention.events_hours,
        Topic::Commands => config.retention.commands_hours,
        Topic::Results => config.retention.results_hours,
        Topic::DeadLetters => config.retention.dead_letters_hours,
        Topic::Snapshots => return None,
    };
    Some(hours.saturating_mul(HOUR_MS))
}

/// How long compaction keeps a tombstone, in milliseconds.
pub(super) fn tombstones_ms(config: &LogConfig) -> u64 {
    config.retention.tombstones_hours.saturating_mul(HOUR_MS)
}

/// The largest record the topic takes.
pub(super) fn max_bytes(topic: Topic, config: &LogConfig) -> usize {
    match topic {
        // A letter carries the record it is about.
        Topic::DeadLetters => config.max_record_bytes.saturating_add(DEAD_LETTER_EXTRA),
        _ => config.max_record_bytes,
    }
}

/// The bytes that a record takes, as the limits count them.
pub(super) fn size(new: &NewRecord) -> usize {
    record::encoded_len(new.key.as_deref(), new.value.as_deref(), &new.headers)
}

/// Whether the topic takes this record.
pub(super) fn check(new: &NewRecord, config: &LogConfig) -> Result<(), LogError> {
    let (bytes, limit) = (size(new), max_bytes(new.topic, config));
    if bytes > limit {
        return Err(LogError::TooLarge { topic: new.topic, partition: new.partition, bytes, limit });
    }
    if is_compacted(new.topic) && new.key.is_none() {
        let reason = format!("{} is compacted: every record needs a key", new.topic);
        return Err(LogError::Refused { what: "appending", reason });
    }
    Ok(())
}

/// The topic by Kafka's names.
pub(super) fn describe(topic: Topic, config: &LogConfig) -> TopicDescription {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    match retention_ms(topic, config) {
        Some(ms) => {
            set("cleanup.policy", "delete".to_owned());
            set("retention.ms", ms.to_string());
        }
        None => {
            set("cleanup.policy", "compact".to_owned());
            set("delete.retention.ms", tombstones_ms(config).to_string());
        }
    }
    set("max.message.bytes", max_bytes(topic, config).to_string());
    TopicDescription { partitions: config.partitions, replication: 1, settings }
}
