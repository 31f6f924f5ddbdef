use crate::config::kafka::TopicsConfig;
use crate::types::Topic;

/// What the five topics are called in this deployment.
#[derive(Debug, Clone)]
pub(super) struct Names([String; 5]);

impl Names {
    pub(super) fn new(config: &TopicsConfig) -> Self {
        Self(config.names())
    }

    pub(super) fn name(&self, topic: Topic) -> &str {
        let [events, commands, snapshots, results, dead_letters] = &self.0;
        match topic {
            Topic::Events => events,
            Topic::Commands => commands,
            Topic::Snapshots => snapshots,
            Topic::Results => results,
            Topic::DeadLetters => dead_letters,
        }
    }

    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.name(*topic) == name)
    }
}
