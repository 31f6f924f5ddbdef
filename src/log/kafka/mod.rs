//! The log on Apache Kafka, by librdkafka.
//!
//! [`KafkaLog`] keeps a client for questions, one for administration and one producer for what is appended
//! outside transactions; every reader, transactor and member has a client of its own. `settings` says which
//! properties each gets, `native` is the only unsafe code.

mod admin;
mod appender;
mod context;
mod errors;
mod leaving;
mod member;
mod names;
pub(super) mod native;
mod offsets;
mod produce;
mod reader;
mod reports;
mod settings;
mod sharing;
mod statistics;
mod taken;
mod transactor;
mod wanted;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::ProducerContext;

use self::context::{Context, Trouble};
use self::names::Names;
use self::native::PolledProducer;
use self::offsets::Offsets;
use self::settings::Settings;
use super::{
    Appender, Assignment, Bounds, Consumed, Log, LogError, Member, Purpose, Reader, TopicDescription,
    Transactor,
};
use crate::config::KafkaConfig;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

pub use self::statistics::{BrokerStatistics, ClientStatistics, Statistics};
pub use self::wanted::{topic_name, wanted_topic};

/// The log on Apache Kafka.
pub struct KafkaLog(Arc<Inner>);

/// What every part of the log works with.
struct Shared {
    settings: Settings,
    names: Names,
    /// Longest wait for an answer.
    timeout: Duration,
    statistics: Arc<Statistics>,
}

struct Inner {
    shared: Shared,
    cluster_id: String,
    offsets: Offsets,
    admin: admin::Admin,
    producer: appender::SharedProducer,
    largest_batch: OnceLock<usize>,
}

impl Shared {
    fn context(&self, purpose: &'static str) -> Context {
        Context::new(purpose, &self.statistics)
    }

    fn create<T: FromClientConfigAndContext<Context>>(
        &self,
        purpose: &'static str,
        settings: &ClientConfig,
    ) -> Result<T, LogError> {
        self.create_with(self.context(purpose), settings)
    }

    fn create_with<C: ClientContext, T: FromClientConfigAndContext<C>>(
        &self,
        context: C,
        settings: &ClientConfig,
    ) -> Result<T, LogError> {
        settings.create_with_context(context).map_err(|error| LogError::Refused {
            what: "making a Kafka client from the settings",
            reason: error.to_string(),
        })
    }

    fn create_producer<C: ProducerContext + 'static>(
        &self,
        context: C,
        settings: &ClientConfig,
    ) -> Result<PolledProducer<C>, LogError> {
        PolledProducer::new(self.create_with(context, settings)?).map_err(|error| LogError::Refused {
            what: "starting the thread of a Kafka producer",
            reason: error.to_string(),
        })
    }
}

impl Inner {
    /// The largest record, and batch, that the topic takes, as far as it can be found out.
    fn limit(&self, topic: Topic) -> usize {
        self.asked_limit(topic).unwrap_or(settings::LARGEST_RECORD)
    }

    fn asked_limit(&self, topic: Topic) -> Option<usize> {
        let described = admin::describe(&self.shared, &self.offsets, &self.admin, topic).ok().flatten()?;
        described.settings.get("max.message.bytes")?.parse().ok()
    }

    /// What every topic that transactions write to takes: one refuses a batch above its limit whole, and would
    /// refuse it again. Asked until all have answered: a transactor made anew must not wait for brokers once more.
    fn largest_batch(&self) -> usize {
        if let Some(known) = self.largest_batch.get() {
            return *known;
        }
        let written = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Commands);
        match written.map(|topic| self.asked_limit(topic)).collect::<Option<Vec<_>>>() {
            Some(limits) => {
                let least = limits.into_iter().min().unwrap_or(settings::LARGEST_RECORD);
                *self.largest_batch.get_or_init(|| least)
            }
            None => settings::LARGEST_RECORD,
        }
    }
}

impl KafkaLog {
    /// Connects, and says within the request timeout what stands in the way.
    ///
    /// # Errors
    /// [`LogError::Unreachable`] names the brokers and what to check; [`LogError::Refused`] where they were
    /// reached and said no, or a setting is wrong.
    pub fn connect(config: &KafkaConfig) -> Result<Arc<Self>, LogError> {
        let shared = Shared {
            settings: Settings::new(config)?,
            names: Names::new(&config.topics),
            timeout: Duration::from_millis(u64::from(config.request_timeout_ms)),
            statistics: Arc::new(Statistics::default()),
        };
        let offsets = Offsets::new(&shared)?;
        let cluster_id = reach(&shared, offsets.asker())?;
        let admin = shared.create("admin", &shared.settings.asking("read_committed"))?;
        Ok(Arc::new(Self(Arc::new(Inner {
            shared,
            cluster_id,
            offsets,
            admin,
            producer: Default::default(),
            largest_batch: OnceLock::new(),
        }))))
    }

    /// What librdkafka counts of its own work.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.0.shared.statistics
    }
}

/// Waits until a broker answers; gives the cluster's id.
fn reach(shared: &Shared, asker: &BaseConsumer<Context>) -> Result<String, LogError> {
    /// What else may come after a refusal: a broker that is only starting gives odd answers too.
    const SECOND_THOUGHTS: Duration = Duration::from_secs(1);
    let mut deadline = Instant::now() + shared.timeout;
    let brokers = &shared.settings.config().bootstrap_servers;
    let mut last: Option<Trouble> = None;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(unreached(brokers, last, shared.timeout));
        }
        // In slices: what goes wrong is told on the side, and only when the client is polled.
        let slice = rest.min(Duration::from_millis(250));
        if let Some(id) = asker.client().fetch_cluster_id(slice).filter(|id| !id.is_empty()) {
            return Ok(id);
        }
        // Long enough for all that waits: a poll of no time serves one event.
        asker.poll(Duration::from_millis(20));
        if let Some(trouble) = asker.context().take_trouble() {
            // librdkafka tells an error that repeats itself only every half a minute: once has to do.
            if trouble.is_refusal() {
                deadline = deadline.min(Instant::now() + SECOND_THOUGHTS);
            }
            // "All brokers are down" comes after the reason, and says less.
            if last.is_none() || trouble.code != Some(RDKafkaErrorCode::AllBrokersDown) {
                last = Some(trouble);
            }
        }
    }
}

fn unreached(brokers: &str, last: Option<Trouble>, timeout: Duration) -> LogError {
    match last {
        Some(trouble) if trouble.is_refusal() => LogError::Refused {
            what: "connecting to Kafka",
            reason: format!(
                "brokers {brokers}: {}. Check kafka.security: protocol, ca_location, username and password",
                trouble.reason
            ),
        },
        _ => LogError::Unreachable {
            reason: format!(
                "brokers {brokers} did not answer within {} s: {}. Check that they run, that \
                 kafka.bootstrap_servers names their listeners and that kafka.security.protocol is theirs",
                timeout.as_secs_f32(),
                last.map_or_else(|| "no answer".to_owned(), |trouble| trouble.reason)
            ),
        },
    }
}

impl Log for KafkaLog {
    fn cluster_id(&self) -> Result<String, LogError> {
        Ok(self.0.cluster_id.clone())
    }

    fn partitions(&self, topic: Topic) -> Result<u16, LogError> {
        admin::partitions(&self.0.shared, &self.0.offsets, topic)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.0.offsets.bounds(&self.0.shared, topic, partition)
    }

    fn offset_at(&self, topic: Topic, partition: Partition, time: Timestamp) -> Result<NextOffset, LogError> {
        self.0.offsets.at(&self.0.shared, topic, partition, time)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError> {
        self.0.offsets.of_group(&self.0.shared, group, partitions)
    }

    fn reader(&self, purpose: Purpose, from: &[Assignment]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(reader::KafkaReader::new(Arc::clone(&self.0), purpose, from)?))
    }

    fn appender(&self) -> Result<Box<dyn Appender>, LogError> {
        Ok(Box::new(appender::KafkaAppender::new(Arc::clone(&self.0))?))
    }

    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        Ok(Box::new(transactor::KafkaTransactor::new(Arc::clone(&self.0), id)?))
    }

    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(member::KafkaMember::new(Arc::clone(&self.0), group, instance)?))
    }

    fn unshared(&self, group: &str) -> Result<Vec<Partition>, LogError> {
        let count = self.partitions(Topic::Commands)?;
        sharing::unshared(&self.0.shared, self.0.offsets.asker(), group, count)
    }

    fn share_again(&self, group: &str) -> Result<(), LogError> {
        sharing::share_again(&self.0.shared, group)
    }

    fn describe(&self, topic: Topic) -> Result<Option<TopicDescription>, LogError> {
        admin::describe(&self.0.shared, &self.0.offsets, &self.0.admin, topic)
    }

    fn create(&self, topic: Topic, want: &TopicDescription) -> Result<(), LogError> {
        admin::create(&self.0.shared, &self.0.offsets, &self.0.admin, topic, want)
    }
}
