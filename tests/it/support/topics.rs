//! The topics as an independent reader finds them.

use std::ops::ControlFlow;
use std::time::Duration;

use inventory_store::log::{Log, all_of, read_spans};
use inventory_store::types::{Position, Topic};
use serde_json::Value;

/// A record: its value as JSON where it is JSON.
#[derive(Debug, Clone)]
pub struct Found {
    pub at: Position,
    pub json: Option<Value>,
    pub headers: Vec<(String, String)>,
}

/// All that is committed, in the order of the log within each partition.
pub fn read(log: &dyn Log, topic: Topic) -> Vec<Found> {
    let mut found = Vec::new();
    let spans = all_of(log, topic).expect("the ends");
    read_spans(log, topic, &spans, Duration::from_secs(60), &mut |record| {
        let mut headers = Vec::new();
        record.headers.visit(&mut |name, value| {
            let value = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            headers.push((name.to_owned(), value));
        });
        let json = record.value.and_then(|value| serde_json::from_slice(value).ok());
        found.push(Found { at: record.position(), json, headers });
        ControlFlow::Continue(())
    })
    .expect("the topic is read");
    found.sort_by_key(|found| found.at);
    found
}

/// Deletes the records below an offset of each partition, from 0 on.
pub fn delete_before(brokers: &str, topic: &str, offsets: &[u64]) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let mut all = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(offsets) {
        let offset = Offset::Offset(i64::try_from(*offset).expect("an offset"));
        all.add_partition_offset(topic, partition, offset).expect("a partition");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let deleted = admin.delete_records(&all, &AdminOptions::new());
    runtime
        .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(30), deleted).await })
        .expect("in 30 s")
        .expect("deleted");
}
