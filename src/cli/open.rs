//! Opening what a process works with: the log and the stores.

use std::path::Path;
use std::sync::Arc;

use super::exit::{Failure, Status};
use crate::config::store::MemoryPlan;
use crate::config::{Config, LogConfig};
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::KafkaLog;
use crate::log::{Log, LogError};
use crate::store::PartitionStores;
use crate::types::Topic;

/// The log that the settings name.
pub enum OpenLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka(Arc<KafkaLog>),
}

impl OpenLog {
    /// Kafka where brokers are configured, else the embedded log in the data directory.
    pub fn open(data_dir: &Path, config: &Config) -> Result<Self, Failure> {
        if config.kafka.is_configured() {
            // How many partitions there are is known only once connected; more lanes than these there never are.
            let lanes = config.lane.count(u16::MAX);
            let plan = memory(config, config.contract.partitions)?;
            // Each lane has a reader, a member and two writers; beside them there are the readers of results and
            // the producer of what is appended outside transactions.
            let clients = lanes.saturating_mul(2).saturating_add(1);
            let producer_buffers = plan.producer_buffers / u64::from(clients);
            let kafka = config.kafka.clone().within(plan.fetch_queues, clients, producer_buffers);
            return Ok(Self::Kafka(KafkaLog::connect(&kafka)?));
        }
        let settings = LogConfig { partitions: config.contract.partitions, ..config.log.clone() };
        Ok(Self::Embedded(EmbeddedLog::open(&data_dir.join("log"), &settings)?))
    }

    /// Kafka, for a verb that has no data directory.
    pub fn kafka(config: &Config) -> Result<Arc<KafkaLog>, Failure> {
        if !config.kafka.is_configured() {
            let text = "no brokers are configured: give --brokers or set KAFKA_BOOTSTRAP_SERVERS (the embedded log makes its topics itself)";
            return Err(Failure::text(Status::Usage, text));
        }
        Ok(KafkaLog::connect(&config.kafka)?)
    }

    pub fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::<EmbeddedLog>::clone(log),
            Self::Kafka(log) => Arc::<KafkaLog>::clone(log),
        }
    }

    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Kafka(_) => "kafka",
        }
    }
}

/// The number of partitions of events, commands, snapshots and results, which must be one.
pub fn partition_count(log: &dyn Log) -> Result<u16, Failure> {
    let counts = Topic::CO_PARTITIONED
        .into_iter()
        .map(|topic| log.partitions(topic).map(|count| (topic, count)))
        .collect::<Result<Vec<_>, LogError>>()?;
    log.partitions(Topic::DeadLetters)?;
    let (_, events) = counts.first().copied().unwrap_or((Topic::Events, 0));
    if counts.iter().all(|(_, count)| *count == events) {
        return Ok(events);
    }
    let listed: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic} {count}")).collect();
    let text = format!(
        "the topics have different numbers of partitions ({}); a SKU must have one number on all of them. Nothing was written. \
         Recreate the odd ones with `inventory-store topics create`",
        listed.join(", ")
    );
    Err(Failure::text(Status::Usage, text))
}

/// How memory is shared out among so many partitions.
pub fn memory(config: &Config, partitions: u16) -> Result<MemoryPlan, Failure> {
    MemoryPlan::divide(&config.memory, partitions).map_err(|problem| Failure::text(Status::Usage, problem))
}

/// The stores in a data directory, which must be locked.
pub fn stores(data_dir: &Path, config: &Config, partitions: u16) -> Result<PartitionStores, Failure> {
    Ok(PartitionStores::open(data_dir, &config.store, &memory(config, partitions)?.store)?)
}
