//! The suite on a real broker. One broker serves all tests: topics, groups and transactional ids of a harness
//! carry a prefix of their own.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use inventory_store::config::KafkaConfig;
use inventory_store::config::kafka::Properties;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::log::{CommitError, Consumed, Generation, Log, LogError, Member, Transactor};
use inventory_store::types::{NewRecord, NextOffset, Partition, Position, Timestamp, Topic};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::harness::Harness;
use super::observe::{append, eventually, record};
use super::writer::{self, Ack};
use crate::support::broker::{Broker, dies_with_its_parent};
use crate::support::pass_on::pass_on;

const PARTITIONS: u16 = 3;
const MAX_RECORD_BYTES: usize = 64 << 10;
const CHILD_CONFIG: &str = "INVENTORY_STORE_TEST_KAFKA";
const CHILD_SEED: &str = "INVENTORY_STORE_TEST_KAFKA_SEED";

super::conformance!(match Kafka::new() {
    Some(harness) => harness,
    None => return,
});

struct Kafka {
    config: KafkaConfig,
    log: Option<Arc<Prefixed>>,
}

impl Kafka {
    fn new() -> Option<Self> {
        let broker = Broker::shared("the log's conformance on Kafka")?;
        let mut config = broker.config();
        // A member that is gone is given up soon; a transaction too.
        config.consumer.session_timeout_ms = 6000;
        config.consumer.heartbeat_interval_ms = 500;
        // The topic's limit counts what is left after compression.
        config.producer.compression = "none".into();
        let log = KafkaLog::connect(&config).expect("connects");
        for topic in Topic::ALL {
            let mut want = wanted_topic(&config.topics, topic, PARTITIONS, MAX_RECORD_BYTES, true);
            want.settings.insert("max.message.bytes".into(), MAX_RECORD_BYTES.to_string());
            if topic == Topic::Snapshots {
                // Every record that comes later than the last begins a new segment, and closed ones are compacted.
                want.settings.insert("segment.ms".into(), "100".into());
                want.settings.insert("min.cleanable.dirty.ratio".into(), "0.001".into());
            } else {
                // The suite's records are years old.
                want.settings.insert("retention.ms".into(), "-1".into());
            }
            log.create(topic, &want).expect("creates");
        }
        let log = Some(Arc::new(Prefixed::new(log, &config)));
        Some(Self { config, log })
    }

    fn connect(&mut self) {
        let log = KafkaLog::connect(&self.config).expect("connects again");
        self.log = Some(Arc::new(Prefixed::new(log, &self.config)));
    }
}

impl Harness for Kafka {
    fn log(&self) -> Arc<dyn Log> {
        Arc::<Prefixed>::clone(self.log.as_ref().expect("connected"))
    }

    fn partitions(&self) -> u16 {
        PARTITIONS
    }

    fn max_record_bytes(&self) -> usize {
        MAX_RECORD_BYTES
    }

    fn drop_below(&self, topic: Topic, partition: Partition, before: NextOffset) {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.config.bootstrap_servers);
        let admin: AdminClient<DefaultClientContext> = settings.create().expect("an admin client");
        let name = inventory_store::log::kafka::topic_name(&self.config.topics, topic);
        let mut offsets = TopicPartitionList::new();
        let offset = Offset::Offset(i64::try_from(before.0).expect("small"));
        offsets.add_partition_offset(&name, i32::from(partition.0), offset).expect("an offset");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answer = runtime.block_on(admin.delete_records(&offsets, &AdminOptions::new())).expect("deletes");
        for element in answer.elements() {
            element.error().expect("deleted");
        }
    }

    fn compact(&self) {
        // The segment being written is never compacted: a tombstone of a key that nobody looks at begins another.
        let log = self.log();
        for partition in 0..PARTITIONS {
            let next = record(Topic::Snapshots, partition, "");
            append(
                &*log,
                vec![NewRecord {
                    value: None,
                    key: Some(b"next segment".to_vec()),
                    timestamp: Some(soon()),
                    ..next
                }],
            );
        }
    }

    /// The broker stays: it is shared. What a broker's own end does is asked in `kafka::outage`.
    fn stop_and_start(&mut self) {
        self.log = None;
        self.connect();
    }

    fn kill_while_writing(&mut self, seed: u64, acks: usize) -> Vec<Ack> {
        self.log = None;
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["conformance::kafka::writes_when_told_to", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_CONFIG, child_config(&self.config))
            .env(CHILD_SEED, seed.to_string())
            .stdout(Stdio::piped());
        dies_with_its_parent(&mut command);
        let mut child = command.spawn().expect("starts");
        let (mut acknowledged, mut killed) = (Vec::new(), false);
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            acknowledged.extend(Ack::parse(&line.expect("text")));
            if acknowledged.len() >= acks && !killed {
                child.kill().expect("killed");
                killed = true;
            }
        }
        child.wait().expect("ended");
        self.connect();
        let log = self.log();
        // As a restart does: taking over the writer's id ends what it had open.
        drop(log.transactor("killed").expect("taken over"));
        eventually("nothing is undecided", || {
            (0..PARTITIONS).all(|p| {
                let bounds = log.bounds(Topic::Events, Partition(p)).expect("bounds");
                bounds.last_stable == bounds.high_watermark
            })
        });
        acknowledged
    }
}

/// A second from now.
#[expect(clippy::disallowed_methods, reason = "a broker begins a new segment by the times of records")]
fn soon() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("not that late") + 1000)
}

/// What the killed writer has to know: the broker and the topics' prefix.
fn child_config(config: &KafkaConfig) -> String {
    format!("{} {}", config.bootstrap_servers, config.topics.events)
}

/// Not a test of its own: the body of the process that is killed.
#[test]
fn writes_when_told_to() {
    let Ok(told) = std::env::var(CHILD_CONFIG) else { return };
    let (bootstrap, events) = told.split_once(' ').expect("broker and topic");
    let prefix = events.strip_suffix(".events").expect("a prefix");
    let mut config = KafkaConfig { bootstrap_servers: bootstrap.to_owned(), ..KafkaConfig::default() };
    crate::support::broker::prefix_topics(&mut config, prefix);
    config.consumer.session_timeout_ms = 6000;
    config.consumer.heartbeat_interval_ms = 500;
    config.producer.properties = Properties::default();
    let seed = std::env::var(CHILD_SEED).expect("a seed").parse().expect("a number");
    let log = Prefixed::new(KafkaLog::connect(&config).expect("connects"), &config);
    let mut out = std::io::stdout().lock();
    writeln!(out).expect("told");
    writer::write(&log, seed, PARTITIONS, |acks| {
        let lines: String = acks.iter().map(|ack| ack.to_line() + "\n").collect();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_ok()
    });
}

/// The log with groups, members and writers of this harness alone.
struct Prefixed {
    log: Arc<KafkaLog>,
    prefix: String,
}

impl Prefixed {
    fn new(log: Arc<KafkaLog>, config: &KafkaConfig) -> Self {
        Self { log, prefix: config.topics.events.clone() }
    }

    fn own(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }
}

impl Log for Prefixed {
    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError> {
        self.log.committed(&self.own(group), partitions)
    }

    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        let transactor = self.log.transactor(&self.own(id))?;
        Ok(Box::new(Settling { transactor, log: Arc::clone(&self.log), touched: BTreeSet::new() }))
    }

    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError> {
        self.log.join(&self.own(group), &self.own(instance))
    }

    fn unshared(&self, group: &str) -> Result<Vec<Partition>, LogError> {
        self.log.unshared(&self.own(group))
    }

    fn share_again(&self, group: &str) -> Result<(), LogError> {
        self.log.share_again(&self.own(group))
    }

    pass_on!(log: cluster_id, partitions, bounds, offset_at, reader, appender, topics);
}

/// A broker answers a commit or abort before its markers are in the partitions: a reader sees them a moment
/// later. The suite looks at once, so this transactor waits for them.
struct Settling {
    transactor: Box<dyn Transactor>,
    log: Arc<KafkaLog>,
    touched: BTreeSet<(Topic, Partition)>,
}

impl Settling {
    fn settle(&mut self) {
        for (topic, partition) in std::mem::take(&mut self.touched) {
            eventually("the markers are written", || {
                let bounds = self.log.bounds(topic, partition).expect("bounds");
                bounds.last_stable == bounds.high_watermark
            });
        }
    }
}

impl Transactor for Settling {
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        self.touched.extend(records.iter().map(|record| (record.topic, record.partition)));
        self.transactor.stage(records)
    }

    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError> {
        let positions = self.transactor.commit(consumed, generation)?;
        self.settle();
        Ok(positions)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.transactor.abort()?;
        self.settle();
        Ok(())
    }
}
