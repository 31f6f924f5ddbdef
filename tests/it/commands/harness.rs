//! A log, instances of the service's core over it, and an independent look at what they wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inventory_store::codec::command::{Draft, encode};
use inventory_store::codec::event::{self, Decoded, into_owned};
use inventory_store::codec::result::{self, Outcome};
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::domain::event::Event;
use inventory_store::lane::{Lanes, Registry, State};
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{NewRecord, Partition, Position, Sku, Topic, UtcTime, partition_of};
use serde_json::Value;

use crate::conformance::observe::{append, read};
use crate::support::broker::Broker;
use crate::support::lanes::{self, eventually};

pub const PARTITIONS: u16 = 3;

/// A log of its own, and a place for the stores of instances.
pub struct World {
    pub log: Arc<dyn Log>,
    pub place: tempfile::TempDir,
    pub group: String,
}

/// What a test wants of a command beside its name and data.
#[derive(Default, Clone, Copy)]
pub struct Extra<'a> {
    pub expected_version: Option<u64>,
    pub expiry_time: Option<UtcTime>,
    pub correlation_id: Option<&'a str>,
}

impl World {
    pub fn embedded() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let config = LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..LogConfig::default() };
        let log: Arc<dyn Log> = EmbeddedLog::open(&place.path().join("log"), &config).expect("the log");
        Self { log, place, group: "lanes".into() }
    }

    /// Nothing where there is no broker.
    pub fn kafka(what: &str) -> Option<Self> {
        Some(Self::on(Broker::shared(&format!("kafka: commands: {what}"))?))
    }

    /// With topics of its own on this broker.
    pub fn on(broker: &Broker) -> Self {
        let mut config = broker.config();
        // The least that a broker allows: how long an instance that has gone keeps its partitions.
        config.consumer.session_timeout_ms = 6_000;
        config.consumer.heartbeat_interval_ms = 500;
        let group = config.topics.commands.clone();
        let log: Arc<dyn Log> = KafkaLog::connect(&config).expect("the log");
        lanes::create_topics(log.as_ref(), PARTITIONS);
        Self { log, place: tempfile::tempdir().expect("a directory"), group }
    }

    pub fn directory(&self, instance: &str) -> PathBuf {
        self.place.path().join(instance)
    }

    pub fn config(&self, instance: &str) -> LaneConfig {
        LaneConfig {
            lanes: 2,
            poll_wait_ms: 5,
            group: self.group.clone(),
            instance: instance.into(),
            retry_min_ms: 5,
            retry_max_ms: 100,
            ..LaneConfig::default()
        }
    }

    /// Starts an instance on its own directory.
    pub fn start(&self, instance: &str) -> Lanes {
        self.start_on(&self.log, instance)
    }

    /// Starts an instance that sees the log through `log`.
    pub fn start_on(&self, log: &Arc<dyn Log>, instance: &str) -> Lanes {
        std::fs::create_dir_all(self.directory(instance)).expect("a directory");
        lanes::start(log, &self.directory(instance), &self.config(instance)).expect("started")
    }

    /// Starts the only instance, and waits until every partition is live.
    pub fn start_alone(&self, instance: &str) -> Lanes {
        let lanes = self.start(instance);
        until_live(&lanes.registry());
        lanes
    }

    /// Appends a command; gives where it stands.
    pub fn send(&self, sku: &str, id: &str, name: &str, data: Value) -> Position {
        self.send_with(sku, id, name, data, Extra::default())
    }

    pub fn send_with(&self, sku: &str, id: &str, name: &str, data: Value, extra: Extra<'_>) -> Position {
        append(self.log.as_ref(), vec![command(sku, id, name, &data, extra)])[0]
    }

    /// Waits until so many results are there; gives them all, by partition and offset.
    pub fn results(&self, count: usize) -> Vec<(Position, Outcome)> {
        let found = eventually("the results", || {
            let found = self.results_now();
            (found.len() >= count).then_some(found)
        });
        assert_eq!(found.len(), count, "no more results than commands");
        found
    }

    pub fn results_now(&self) -> Vec<(Position, Outcome)> {
        let all = (0..PARTITIONS).flat_map(|partition| read(self.log.as_ref(), Topic::Results, partition));
        all.map(|seen| {
            let outcome = result::decode(seen.key.as_deref(), seen.value.as_deref(), &seen.headers, 1 << 20);
            (seen.position, outcome.expect("a result"))
        })
        .collect()
    }

    /// The outcome of the command at a position, once it is there.
    pub fn outcome(&self, at: Position) -> Outcome {
        eventually("the result", || {
            self.results_now().into_iter().map(|(_, outcome)| outcome).find(|o| o.command_position == at)
        })
    }

    /// Every event, in order within its partition.
    pub fn events(&self) -> Vec<(Position, Event<'static>)> {
        let all = (0..PARTITIONS).flat_map(|partition| read(self.log.as_ref(), Topic::Events, partition));
        all.map(|seen| {
            let decoded = event::decode(seen.key.as_deref(), seen.value.as_deref(), &seen.headers, 1 << 20);
            let Ok(Decoded::Event(event)) = decoded else { panic!("an event, not {decoded:?}") };
            (seen.position, into_owned(event))
        })
        .collect()
    }

    /// Per SKU: our own `sequence` goes 1, 2, 3 without a gap.
    pub fn sequences_are_gapless(&self) {
        let mut by_sku: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (_, event) in self.events() {
            if event.envelope.source == "inventory-store" {
                let sequence = event.envelope.sequence.expect("ours have one");
                by_sku.entry(event.envelope.sku.into_owned()).or_default().push(sequence);
            }
        }
        for (sku, sequences) in by_sku {
            let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
            assert_eq!(sequences, expected, "{sku}");
        }
    }

    /// With the stores deleted, replay gives byte-identical rows.
    pub fn replay_gives_the_same_rows(&self, instance: &str) {
        let rows = |directory: &Path| -> Vec<_> {
            lanes::content(directory).into_iter().map(|c| (c.rows, c.count, c.digest)).collect()
        };
        let before = rows(&self.directory(instance));
        let fresh = self.place.path().join("replayed");
        let config = LaneConfig { group: format!("{}-replay", self.group), ..self.config("replayer") };
        let lanes = lanes::start(&self.log, &fresh, &config).expect("started");
        // Its group has no position and the rows have a sequence of ours, but the results say where to go on.
        lanes::until_level(&self.log, &lanes.registry());
        lanes.stop();
        assert_eq!(rows(&fresh), before);
    }
}

pub fn command(sku: &str, id: &str, name: &str, data: &Value, extra: Extra<'_>) -> NewRecord {
    let key = Sku::new(sku).expect("a SKU");
    let encoded = encode(&Draft {
        name,
        sku: &key,
        source: "/test",
        id,
        time: None,
        expected_version: extra.expected_version,
        expiry_time: extra.expiry_time,
        correlation_id: extra.correlation_id,
        trace_parent: None,
        data,
    });
    NewRecord {
        topic: Topic::Commands,
        partition: partition_of(sku, PARTITIONS),
        timestamp: None,
        key: Some(sku.as_bytes().to_vec()),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

pub fn until_live(registry: &Registry) {
    eventually("every partition is live", || {
        for status in registry.statuses() {
            if let State::Failed { reason } = &status.state {
                panic!("partition {} failed: {reason}", status.partition);
            }
        }
        // Ready: no lane is still to come and take some over.
        let live = registry.statuses().iter().all(|status| status.state == State::Live);
        (live && registry.is_ready()).then_some(())
    });
}

/// A SKU of the partition.
pub fn sku_of(partition: u16) -> String {
    (0..)
        .map(|number| format!("SKU-{number}"))
        .find(|sku| partition_of(sku, PARTITIONS) == Partition(partition))
        .expect("one of three")
}

pub const RECEIVE: &str = "product-stock.receive";
pub const ALLOCATE: &str = "product-stock.allocate";

pub fn quantity(quantity: u64) -> Value {
    serde_json::json!({ "quantity": quantity })
}

/// The code of a refusal; nothing where it was accepted.
pub fn code(outcome: &Outcome) -> Option<&str> {
    match &outcome.verdict {
        result::Verdict::Accepted { .. } => None,
        result::Verdict::Rejected { code, .. } => Some(code),
    }
}

/// The event ids of an accepted outcome.
pub fn event_ids(outcome: &Outcome) -> Vec<String> {
    match &outcome.verdict {
        result::Verdict::Accepted { event_ids } => event_ids.iter().map(ToString::to_string).collect(),
        result::Verdict::Rejected { code, .. } => panic!("refused: {code}"),
    }
}
