//! The Kafka log on a real broker: what the conformance suite cannot ask of both logs.

mod codecs;
mod lanes;
mod outage;
mod security;
mod topics;

use inventory_store::log::TopicDescription;
use inventory_store::types::{NewRecord, Partition, Topic};

fn topic(partitions: u16) -> TopicDescription {
    TopicDescription { partitions, replication: 1, settings: Default::default() }
}

fn event(partition: u16, value: &str) -> NewRecord {
    NewRecord {
        topic: Topic::Events,
        partition: Partition(partition),
        timestamp: None,
        key: Some(b"SKU-1".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}
