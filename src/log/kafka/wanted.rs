use std::collections::BTreeMap;

use super::names::Names;
use crate::config::kafka::TopicsConfig;
use crate::log::TopicDescription;
use crate::types::Topic;

const HOUR_MS: u64 = 3_600_000;
/// What a record takes beside its value: key, headers, the batch around it.
const AROUND_BYTES: usize = 64 * 1024;
/// A letter carries the record it is about, and why.
const LETTER_EXTRA_BYTES: usize = 1024 * 1024;

/// What a topic is called in this deployment.
#[must_use]
pub fn topic_name(config: &TopicsConfig, topic: Topic) -> String {
    Names::new(config).name(topic).to_owned()
}

/// What a topic should be: domain contract, "Topics"; ADR-005's retention and copies.
#[must_use]
pub fn wanted_topic(
    config: &TopicsConfig,
    topic: Topic,
    partitions: u16,
    max_record_bytes: usize,
    development: bool,
) -> TopicDescription {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    let (replication, in_sync) =
        if development { (1, 1) } else { (config.replication, config.min_insync_replicas) };
    set("min.insync.replicas", in_sync.to_string());
    let hours = match topic {
        Topic::Events => Some(config.events_retention_hours),
        Topic::Commands => Some(config.commands_retention_hours),
        Topic::Results => Some(config.results_retention_hours),
        Topic::DeadLetters => Some(config.dead_letters_retention_hours),
        Topic::Snapshots => None,
    };
    match hours {
        Some(hours) => {
            set("cleanup.policy", "delete".into());
            set("retention.ms", (u64::from(hours) * HOUR_MS).to_string());
        }
        None => {
            set("cleanup.policy", "compact".into());
            // A tombstone stays as long as an event that a restore replays on top of it, and a day more.
            set(
                "delete.retention.ms",
                ((u64::from(config.events_retention_hours) + 24) * HOUR_MS).to_string(),
            );
        }
    }
    let extra = if topic == Topic::DeadLetters { LETTER_EXTRA_BYTES } else { 0 };
    set("max.message.bytes", max_record_bytes.saturating_add(AROUND_BYTES).saturating_add(extra).to_string());
    TopicDescription { partitions, replication, settings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_as_the_contract_has_them() {
        let config = TopicsConfig::default();
        let of = |topic, development| wanted_topic(&config, topic, 12, 1 << 20, development);
        let events = of(Topic::Events, false);
        assert_eq!((events.partitions, events.replication), (12, 3));
        assert_eq!(events.settings["retention.ms"], "604800000");
        assert_eq!(events.settings["min.insync.replicas"], "2");
        let snapshots = of(Topic::Snapshots, true);
        assert_eq!((snapshots.replication, snapshots.settings["min.insync.replicas"].as_str()), (1, "1"));
        assert_eq!(snapshots.settings["cleanup.policy"], "compact");
        assert!(!snapshots.settings.contains_key("retention.ms"));
        assert_eq!(of(Topic::DeadLetters, false).settings["max.message.bytes"], "2162688");
        assert_eq!(
            events.settings["max.message.bytes"], "1114112",
            "the largest value fits with what is around it"
        );
    }
}
