//! `[kafka]`: the brokers and how they are spoken to. Without `bootstrap_servers` the embedded log is used.
//!
//! The defaults are decision record ADR-005's; where librdkafka, exactly-once or latency asks for another
//! value, the field says which and why.

mod properties;
mod security;
mod topics;

use serde::{Deserialize, Serialize};

pub use properties::Properties;
pub use security::{Mechanism, Protocol, Secret, SecurityConfig};
pub use topics::{TopicNames, TopicsConfig};

/// `[kafka]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to begin with, `host:port` separated by commas. Empty (the default) = no Kafka: the embedded
    /// log is used.
    pub bootstrap_servers: String,
    /// How this process names itself to brokers, in their logs and quotas; also the group id of its readers,
    /// which never join or commit. Default `inventory-store`.
    pub client_id: String,
    /// Longest wait for an answer of the brokers, in milliseconds. ADR-005: 30 s. Default 30000.
    pub request_timeout_ms: u32,
    /// How often librdkafka's statistics are taken for the metrics, in milliseconds; 0 = never.
    /// Default 5000.
    pub statistics_interval_ms: u32,
    pub security: SecurityConfig,
    pub topics: TopicsConfig,
    pub consumer: ConsumerConfig,
    pub producer: ProducerConfig,
    pub transactions: TransactionConfig,
    /// Any further property of librdkafka, for every client.
    pub properties: Properties,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: String::new(),
            client_id: "inventory-store".into(),
            request_timeout_ms: 30_000,
            statistics_interval_ms: 5_000,
            security: SecurityConfig::default(),
            topics: TopicsConfig::default(),
            consumer: ConsumerConfig::default(),
            producer: ProducerConfig::default(),
            transactions: TransactionConfig::default(),
            properties: Properties::default(),
        }
    }
}

/// `[kafka.consumer]`: readers and members of the command group. Offsets are committed by hand (in
/// transactions) and only committed records are read (`read_committed`), as ADR-005 asks; both are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumerConfig {
    /// Bytes a broker waits for before it answers a fetch in bulk. ADR-005: 1024, default 1024. Live reading
    /// always uses 1: a single event is not kept waiting.
    pub fetch_min_bytes: u32,
    /// Longest wait of a broker for those bytes in bulk, in milliseconds. ADR-005: 500, default 20: the end of
    /// a partition shows only in an answer without records, so this is waited for once in every partition that
    /// is restored or replayed. Live reading uses at most 100, which bounds how long a newly assigned partition
    /// waits behind a fetch under way.
    pub fetch_max_wait_ms: u32,
    /// Most bytes of one partition in a fetch in bulk. All of a fetch is unpacked at once, so a larger one is out
    /// of the processor's cache before it is folded; a distant broker may want more. Default 1048576.
    pub bulk_fetch_partition_bytes: u32,
    /// Records fetched ahead by one live reader, in KiB. Default 16384.
    pub live_queue_kib: u32,
    /// Records fetched ahead by one bulk reader at most, in KiB; it stops at some 20,000 of each partition.
    /// Default 131072.
    pub bulk_queue_kib: u32,
    /// A member that is silent for longer is out of the group, in milliseconds. ADR-005: 30 s. Default 30000.
    pub session_timeout_ms: u32,
    /// How often a member says that it is there, and so how soon it hears of a rebalance, in milliseconds.
    /// ADR-005: 10 s. A partition that moves stands still until every member has heard of it. Default 1000.
    pub heartbeat_interval_ms: u32,
    /// A member that does not poll for longer is out of the group, in milliseconds. ADR-005: 5 min.
    /// Default 300000.
    pub max_poll_interval_ms: u32,
    /// Any further property of librdkafka, for consumers.
    pub properties: Properties,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            fetch_min_bytes: 1024,
            fetch_max_wait_ms: 20,
            bulk_fetch_partition_bytes: 1024 * 1024,
            live_queue_kib: 16 * 1024,
            bulk_queue_kib: 128 * 1024,
            session_timeout_ms: 30_000,
            heartbeat_interval_ms: 1000,
            max_poll_interval_ms: 300_000,
            properties: Properties::default(),
        }
    }
}

/// `[kafka.producer]`: idempotent and `acks=all`, as ADR-005 asks; both are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProducerConfig {
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`. ADR-005: snappy. Default `snappy`.
    pub compression: String,
    /// How long records are gathered before a batch is sent, in milliseconds. ADR-005: 10. Default 10.
    /// Transactions do not wait for it: their commit sends what there is.
    pub linger_ms: u32,
    /// Bytes of a batch. ADR-005: 16384. Default 16384.
    pub batch_bytes: u32,
    /// Records waiting to be sent, over one producer, in KiB; when full, appending waits. ADR-005: 32 MB.
    /// Default 32768.
    pub buffer_kib: u32,
    /// How often sending a record is tried again within `delivery_timeout_ms`. ADR-005: as often as it takes.
    /// Default 2147483647.
    pub retries: u32,
    /// Requests under way to one broker. Idempotence keeps the order up to 5. ADR-005: 5. Default 5.
    pub max_in_flight: u32,
    /// Until then a record is written or has failed, in milliseconds. ADR-005: 120 s. Default 120000.
    pub delivery_timeout_ms: u32,
    /// Any further property of librdkafka, for producers.
    pub properties: Properties,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            compression: "snappy".into(),
            linger_ms: 10,
            batch_bytes: 16_384,
            buffer_kib: 32 * 1024,
            retries: 2_147_483_647,
            max_in_flight: 5,
            delivery_timeout_ms: 120_000,
            properties: Properties::default(),
        }
    }
}

/// `[kafka.transactions]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionConfig {
    /// Longest life of a transaction, and so of its records and requests, in milliseconds. ADR-005's 30 s and
    /// 120 s are for plain producers: a killed owner's open transaction hides everything behind it from every
    /// reader for this long. Default 15000.
    pub timeout_ms: u32,
    /// Bytes of a batch of one partition; less where a topic's `max.message.bytes` is less. A transaction is
    /// gathered already when it is sent: ADR-005's 16384, which is for plain producers, would only make many
    /// requests of it. Default 262144.
    pub batch_bytes: u32,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self { timeout_ms: 15_000, batch_bytes: 256 * 1024 }
    }
}

impl KafkaConfig {
    /// Whether Kafka is the log.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.bootstrap_servers.trim().is_empty()
    }

    /// The same settings with every queue within its share of `memory.budget`: `fetch_bytes` over so many
    /// readers, `producer_bytes` for the producer. A smaller setting stays.
    #[must_use]
    pub fn within(mut self, fetch_bytes: u64, readers: u16, producer_bytes: u64) -> Self {
        // Validation asks for 64 KiB at least; a budget that leaves less is refused before.
        let kib = |bytes: u64| u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(64);
        // A quarter of a reader's share: measured, librdkafka holds about four times what its queue counts, with
        // what it keeps of each record and the fetches it unpacks.
        let per_reader = kib(fetch_bytes / u64::from(readers.max(1)) / 4);
        self.consumer.bulk_queue_kib = self.consumer.bulk_queue_kib.min(per_reader);
        self.consumer.live_queue_kib = self.consumer.live_queue_kib.min(per_reader);
        self.producer.buffer_kib = self.producer.buffer_kib.min(kib(producer_bytes));
        self
    }

    /// # Errors
    /// Everything that is wrong, each naming its key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        for server in self.bootstrap_servers.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let port = server.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                problems.push(format!(
                    "bootstrap_servers: {server:?} is not HOST:PORT; write for example kafka-1:9092"
                ));
            }
        }
        if self.client_id.is_empty() || self.client_id.chars().any(|c| c.is_control() || c.is_whitespace()) {
            problems.push(format!("client_id: {:?} must be a word", self.client_id));
        }
        let mut at_least = |name: &str, value: u32, least: u32| {
            if value < least {
                problems.push(format!("{name}: {value} is too little; at least {least} is needed"));
            }
        };
        at_least("request_timeout_ms", self.request_timeout_ms, 100);
        at_least("consumer.live_queue_kib", self.consumer.live_queue_kib, 64);
        at_least("consumer.bulk_queue_kib", self.consumer.bulk_queue_kib, 64);
        at_least("consumer.bulk_fetch_partition_bytes", self.consumer.bulk_fetch_partition_bytes, 1024);
        at_least("consumer.fetch_min_bytes", self.consumer.fetch_min_bytes, 1);
        at_least("consumer.heartbeat_interval_ms", self.consumer.heartbeat_interval_ms, 1);
        at_least(
            "consumer.session_timeout_ms",
            self.consumer.session_timeout_ms,
            self.consumer.heartbeat_interval_ms.saturating_mul(2),
        );
        at_least(
            "consumer.max_poll_interval_ms",
            self.consumer.max_poll_interval_ms,
            self.consumer.session_timeout_ms,
        );
        at_least("producer.batch_bytes", self.producer.batch_bytes, 1024);
        at_least("producer.buffer_kib", self.producer.buffer_kib, 64);
        at_least(
            "producer.delivery_timeout_ms",
            self.producer.delivery_timeout_ms,
            self.producer.linger_ms.saturating_add(100),
        );
        at_least("transactions.batch_bytes", self.transactions.batch_bytes, 1024);
        at_least("transactions.timeout_ms", self.transactions.timeout_ms, 1000);
        if !(1..=5).contains(&self.producer.max_in_flight) {
            problems.push(format!(
                "producer.max_in_flight: {} is not between 1 and 5, up to which idempotence keeps the order",
                self.producer.max_in_flight
            ));
        }
        if !["none", "gzip", "snappy", "lz4", "zstd"].contains(&self.producer.compression.as_str()) {
            problems.push(format!(
                "producer.compression: {:?} is none of none, gzip, snappy, lz4, zstd",
                self.producer.compression
            ));
        }
        self.security.validate(&mut problems);
        self.topics.validate(&mut problems);
        self.properties.validate("properties", &mut problems);
        self.consumer.properties.validate("consumer.properties", &mut problems);
        self.producer.properties.validate("producer.properties", &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(KafkaConfig::default().validate(), Ok(()));
    }

    #[test]
    fn everything_wrong_is_named() {
        let config: KafkaConfig = toml::from_str(
            r#"
            bootstrap_servers = "kafka-1, kafka-2:9092"
            [security]
            protocol = "SASL_SSL"
            [producer]
            compression = "rar"
            [properties]
            "isolation.level" = "read_uncommitted"
            "#,
        )
        .expect("readable");
        let problems = config.validate().expect_err("four things are wrong");
        for key in [
            "bootstrap_servers: \"kafka-1\"",
            "security.username",
            "producer.compression",
            "properties.isolation.level",
        ] {
            assert!(problems.iter().any(|p| p.contains(key)), "{key} in {problems:?}");
        }
    }

    #[test]
    fn queues_stay_within_their_share_of_the_budget() {
        let config = KafkaConfig::default().within(64 << 20, 4, 8 << 20);
        assert_eq!(config.consumer.bulk_queue_kib, 4 * 1024);
        assert_eq!(config.consumer.live_queue_kib, 4 * 1024);
        assert_eq!(config.producer.buffer_kib, 8 * 1024);
        let plenty = KafkaConfig::default().within(u64::MAX, 1, u64::MAX);
        assert_eq!(plenty, KafkaConfig::default());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<KafkaConfig>("bootstrap_server = \"kafka:9092\"").is_err());
    }
}
