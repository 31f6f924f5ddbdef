use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::statistics::Statistics;

/// What every client hands its logs, errors and statistics to.
#[derive(Clone)]
pub(super) struct Context {
    /// What the client is for, for logs and metrics.
    pub(super) purpose: &'static str,
    statistics: Arc<Statistics>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// The last thing that went wrong between a client and its brokers.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) code: Option<RDKafkaErrorCode>,
    pub(super) reason: String,
}

impl Trouble {
    /// Whether waiting can not help: the brokers were reached and said no, or are not who they should be.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self.code,
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::UnsupportedSASLMechanism
                    | RDKafkaErrorCode::SSL
            )
        )
    }
}

impl Context {
    pub(super) fn new(purpose: &'static str, statistics: &Arc<Statistics>) -> Self {
        Self { purpose, statistics: Arc::clone(statistics), trouble: Arc::default() }
    }

    /// The last trouble, forgotten by this call.
    pub(super) fn take_trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let client = self.purpose;
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(client, facility, line, "librdkafka"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(client, facility, line, "librdkafka");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(client, facility, line, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(client = self.purpose, %error, reason, "kafka client in trouble");
        let code = error.rdkafka_error_code();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" comes after the reason, and says less.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) || trouble.is_none() {
            *trouble = Some(Trouble { code, reason: reason.to_owned() });
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        self.statistics.take(self.purpose, json);
    }
}

impl ConsumerContext for Context {}

/// A context around [`Context`], in its field `base`, hands on what every client has.
macro_rules! delegate_to_context {
    ($context:ty) => {
        impl rdkafka::ClientContext for $context {
            fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
                self.base.log(level, facility, line);
            }

            fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
                self.base.error(error, reason);
            }

            fn stats_raw(&self, json: &[u8]) {
                self.base.stats_raw(json);
            }
        }
    };
}
pub(super) use delegate_to_context;
