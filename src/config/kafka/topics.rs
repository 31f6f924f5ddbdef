use serde::{Deserialize, Serialize};

/// `[kafka.topics]`: the five topics, their names here and what `topics create` makes of them. Their number
/// of partitions is `contract.partitions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Default `inventory.events`.
    pub events: String,
    /// Default `inventory.stock.commands`.
    pub commands: String,
    /// Default `inventory.stock.snapshots`.
    pub snapshots: String,
    /// Default `inventory.stock.command-results`.
    pub results: String,
    /// Default `inventory.stock.dead-letters`.
    pub dead_letters: String,
    /// Copies of each partition. ADR-005: 3. Default 3; 1 with `--development`.
    pub replication: u16,
    /// Copies that must have a record before it is acknowledged. ADR-005: 2. Default 2; 1 with
    /// `--development`.
    pub min_insync_replicas: u16,
    /// How long events are kept, in hours. ADR-005: 7 days. Default 168.
    pub events_retention_hours: u32,
    /// How long commands are kept, in hours. Default 72 (3 days).
    pub commands_retention_hours: u32,
    /// How long results are kept, in hours; never less than the window in which a repeated command is known.
    /// Default 168 (7 days).
    pub results_retention_hours: u32,
    /// How long dead letters are kept, in hours. Default 720 (30 days).
    pub dead_letters_retention_hours: u32,
}

/// The names of the five topics, in the order of [`crate::types::Topic::ALL`].
pub type TopicNames = [String; 5];

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            events: "inventory.events".into(),
            commands: "inventory.stock.commands".into(),
            snapshots: "inventory.stock.snapshots".into(),
            results: "inventory.stock.command-results".into(),
            dead_letters: "inventory.stock.dead-letters".into(),
            replication: 3,
            min_insync_replicas: 2,
            events_retention_hours: 7 * 24,
            commands_retention_hours: 3 * 24,
            results_retention_hours: 7 * 24,
            dead_letters_retention_hours: 30 * 24,
        }
    }
}

impl TopicsConfig {
    pub(super) fn validate(&self, problems: &mut Vec<String>) {
        let names = [
            ("events", &self.events),
            ("commands", &self.commands),
            ("snapshots", &self.snapshots),
            ("results", &self.results),
            ("dead_letters", &self.dead_letters),
        ];
        for (i, (key, name)) in names.iter().enumerate() {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty()
                || name.len() > 249
                || !name.chars().all(legal)
                || matches!(name.as_str(), "." | "..")
            {
                problems.push(format!(
                    "topics.{key}: {name:?} is not a topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'"
                ));
            }
            if let Some((other, _)) = names.iter().take(i).find(|(_, earlier)| earlier == name) {
                problems.push(format!("topics.{key}: {name:?} is the name of topics.{other} too"));
            }
        }
        if self.replication == 0
            || self.min_insync_replicas == 0
            || self.min_insync_replicas > self.replication
        {
            problems.push(format!(
                "topics.min_insync_replicas: {} must be between 1 and topics.replication, which is {}",
                self.min_insync_replicas, self.replication
            ));
        }
        for (key, hours) in [
            ("events", self.events_retention_hours),
            ("commands", self.commands_retention_hours),
            ("results", self.results_retention_hours),
            ("dead_letters", self.dead_letters_retention_hours),
        ] {
            if hours == 0 {
                problems.push(format!("topics.{key}_retention_hours: 0 keeps nothing; at least 1 is needed"));
            }
        }
    }

    /// The names, in the order of [`crate::types::Topic::ALL`].
    #[must_use]
    pub fn names(&self) -> TopicNames {
        [&self.events, &self.commands, &self.snapshots, &self.results, &self.dead_letters].map(Clone::clone)
    }
}
