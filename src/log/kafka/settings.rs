//! From the `[kafka]` section to librdkafka's properties: the one place that names them.

use std::io;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::config::KafkaConfig;
use crate::config::kafka::{Mechanism, Properties, Protocol, SecurityConfig};
use crate::log::{LogError, Purpose};

/// What our producers take of one record, in bytes; the topic's own limit is the broker's to hold.
pub(super) const LARGEST_RECORD: usize = 128 * 1024 * 1024;

/// The properties of each kind of client.
pub(super) struct Settings {
    config: KafkaConfig,
    common: ClientConfig,
}

impl Settings {
    /// # Errors
    /// [`LogError::Refused`] where a file that the settings name cannot be read.
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        let mut common = ClientConfig::new();
        set_all(&mut common, &config.properties);
        common
            .set("bootstrap.servers", &config.bootstrap_servers)
            .set("client.id", &config.client_id)
            // Topics are made by `topics create`, never by a typing error.
            .set("allow.auto.create.topics", "false")
            .set("statistics.interval.ms", config.statistics_interval_ms.to_string())
            .set_log_level(RDKafkaLogLevel::Info);
        unless_set(&mut common, "topic.metadata.propagation.max.ms", "5000");
        unless_set(&mut common, "reconnect.backoff.max.ms", "2000");
        unless_set(&mut common, "log.connection.close", "false");
        // Client metrics for the broker: a histogram is kept at every poll. What this service does is told by its
        // own metrics.
        unless_set(&mut common, "enable.metrics.push", "false");
        security(&mut common, &config.security)?;
        Ok(Self { config: config.clone(), common })
    }

    pub(super) fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// A client that asks about topics, offsets and settings and reads nothing.
    pub(super) fn asking(&self, isolation: &str) -> ClientConfig {
        let mut settings = self.common.clone();
        // Nobody polls these often enough for statistics, and they move no records.
        settings.set("isolation.level", isolation).set("statistics.interval.ms", "0");
        settings
    }

    /// A client that asks for a group's committed offsets. `read_committed` is what makes the broker wait for
    /// offsets of transactions still open.
    pub(super) fn asking_group(&self, group: &str) -> ClientConfig {
        let mut settings = self.asking("read_committed");
        settings.set("group.id", group).set("enable.auto.commit", "false");
        settings
    }

    fn consumer(&self) -> ClientConfig {
        let mut settings = self.common.clone();
        set_all(&mut settings, &self.config.consumer.properties);
        settings
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // `earliest` and `latest` also fire where a position has fallen out of the log.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        settings
    }

    pub(super) fn reader(&self, purpose: Purpose) -> ClientConfig {
        let consumer = &self.config.consumer;
        let mut settings = self.consumer();
        // Assigning needs the name of a group, but a reader neither joins nor commits.
        settings.set("group.id", &self.config.client_id);
        match purpose {
            Purpose::Live => {
                live(&mut settings);
                let fetch = fetch_bytes(consumer.live_queue_kib).to_string();
                unless_set(&mut settings, "fetch.max.bytes", &fetch);
                unless_set(&mut settings, "queued.max.messages.kbytes", &consumer.live_queue_kib.to_string());
            }
            Purpose::Bulk => {
                unless_set(&mut settings, "fetch.min.bytes", &consumer.fetch_min_bytes.to_string());
                unless_set(&mut settings, "fetch.wait.max.ms", &consumer.fetch_max_wait_ms.to_string());
                let fetch = fetch_bytes(consumer.bulk_queue_kib);
                unless_set(&mut settings, "fetch.max.bytes", &fetch.to_string());
                let of_partition = consumer.bulk_fetch_partition_bytes.min(fetch / 2);
                unless_set(&mut settings, "fetch.message.max.bytes", &of_partition.to_string());
                // As many more are fetched ahead of each partition: more only grow cold before they are folded.
                unless_set(&mut settings, "queued.min.messages", "20000");
                unless_set(&mut settings, "queued.max.messages.kbytes", &consumer.bulk_queue_kib.to_string());
                // The default of 1000 stalls a reader that empties its queue faster than it is filled.
                unless_set(&mut settings, "fetch.queue.backoff.ms", "2");
            }
        }
        settings
    }

    pub(super) fn member(&self, group: &str, instance: &str) -> ClientConfig {
        let mut settings = self.passing_member(group);
        settings.set("group.instance.id", instance);
        settings
    }

    /// A member without a lasting name: when it leaves, the group shares out at once.
    pub(super) fn passing_member(&self, group: &str) -> ClientConfig {
        let consumer = &self.config.consumer;
        let mut settings = self.consumer();
        settings
            .set("group.id", group)
            // Ends are for readers; the wrapper hands them on without saying of which topic.
            .set("enable.partition.eof", "false")
            // The default is eager: every join would take every partition from everyone.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", consumer.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", consumer.heartbeat_interval_ms.to_string())
            .set("max.poll.interval.ms", consumer.max_poll_interval_ms.to_string());
        live(&mut settings);
        unless_set(&mut settings, "queued.max.messages.kbytes", &consumer.live_queue_kib.to_string());
        settings
    }

    fn producer(&self) -> ClientConfig {
        let producer = &self.config.producer;
        let mut settings = self.common.clone();
        set_all(&mut settings, &producer.properties);
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", &producer.compression)
            .set("linger.ms", producer.linger_ms.to_string())
            .set("batch.size", producer.batch_bytes.to_string())
            .set("queue.buffering.max.kbytes", producer.buffer_kib.to_string())
            .set("retries", producer.retries.to_string())
            .set("max.in.flight.requests.per.connection", producer.max_in_flight.to_string());
        // What a record may have is the topic's to say: dead letters are larger than what they hold.
        unless_set(&mut settings, "message.max.bytes", &LARGEST_RECORD.to_string());
        settings
    }

    /// ADR-005's producer, for what is appended outside transactions.
    pub(super) fn appender(&self) -> ClientConfig {
        let mut settings = self.producer();
        settings
            .set("request.timeout.ms", self.config.request_timeout_ms.to_string())
            .set("delivery.timeout.ms", self.config.producer.delivery_timeout_ms.to_string());
        settings
    }

    /// librdkafka refuses a record timeout above the transaction's, and a socket timeout above that and 100 ms.
    /// `largest_batch`: what the topics take, in bytes.
    pub(super) fn transactor(&self, id: &str, largest_batch: usize) -> ClientConfig {
        let timeout = self.config.transactions.timeout_ms.to_string();
        let mut settings = self.producer();
        settings
            .set("transactional.id", id)
            .set("batch.size", largest_batch.min(self.config.transactions.batch_bytes as usize).to_string())
            .set("transaction.timeout.ms", &timeout)
            .set("delivery.timeout.ms", &timeout)
            .set("request.timeout.ms", &timeout)
            .set("socket.timeout.ms", &timeout);
        // Right after a commit the broker may still be writing its markers, and answers that one should try
        // again; the default waits 100 ms before doing so.
        unless_set(&mut settings, "retry.backoff.ms", "2");
        settings
    }
}

/// One record, soon.
fn live(settings: &mut ClientConfig) {
    unless_set(settings, "fetch.min.bytes", "1");
    unless_set(settings, "fetch.wait.max.ms", "100");
    unless_set(settings, "fetch.queue.backoff.ms", "10");
}

fn set_all(settings: &mut ClientConfig, properties: &Properties) {
    for (name, value) in &properties.0 {
        settings.set(name, value);
    }
}

/// A default of ours, which `properties` may override.
fn unless_set(settings: &mut ClientConfig, name: &str, value: &str) {
    if settings.get(name).is_none() {
        settings.set(name, value);
    }
}

fn security(settings: &mut ClientConfig, config: &SecurityConfig) -> Result<(), LogError> {
    let protocol = match config.protocol {
        // Left to the passed-through properties where those say something.
        Protocol::Plaintext => return Ok(()),
        Protocol::Ssl => "SSL",
        Protocol::SaslSsl => "SASL_SSL",
    };
    settings.set("security.protocol", protocol);
    for (name, location) in [
        ("ssl.ca.location", &config.ca_location),
        ("ssl.certificate.location", &config.certificate_location),
        ("ssl.key.location", &config.key_location),
    ] {
        if let Some(path) = location {
            // librdkafka's own message does not say which file it was.
            readable(path).map_err(|error| refused(path, &error))?;
            settings.set(name, path.to_string_lossy());
        }
    }
    if let Some(password) = &config.key_password {
        settings.set("ssl.key.password", password.expose());
    }
    if config.protocol == Protocol::SaslSsl {
        let mechanism = match config.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        settings
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", config.username.as_deref().unwrap_or_default());
        let password = match (&config.password, &config.password_file) {
            (Some(password), _) => password.expose().to_owned(),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| refused(path, &error))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            (None, None) => String::new(),
        };
        settings.set("sasl.password", password);
    }
    Ok(())
}

fn readable(path: &Path) -> io::Result<()> {
    std::fs::File::open(path).map(drop)
}

fn refused(path: &Path, error: &io::Error) -> LogError {
    LogError::Refused {
        what: "reading what [kafka.security] names",
        reason: format!("{}: {error}", path.display()),
    }
}
/// Most bytes of one fetch: a quarter of the queue it goes into. librdkafka stops fetching when the queue is
/// full, not before an answer overfills it, and its default of 50 MB, unpacked, would by itself take more than
/// a small `memory.budget` has. A larger record is fetched all the same.
fn fetch_bytes(queue_kib: u32) -> u32 {
    const MIB: u32 = 1 << 20;
    (queue_kib.saturating_mul(1024 / 4)).clamp(MIB, 50 * MIB)
}
