use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::names::Names;
use crate::log::LogError;
use crate::types::Topic;

/// Says in the log's words what a call to Kafka ran into. `what` was being done, to `topic` if to one.
pub(super) fn log_error(
    what: &'static str,
    topic: Option<(Topic, &Names)>,
    error: &KafkaError,
    timeout: Duration,
) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => from_code(what, topic, code, &error.to_string(), timeout),
        None => LogError::Refused { what, reason: error.to_string() },
    }
}

pub(super) fn from_code(
    what: &'static str,
    topic: Option<(Topic, &Names)>,
    code: RDKafkaErrorCode,
    reason: &str,
    timeout: Duration,
) -> LogError {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownTopicId => match topic {
            Some((topic, names)) => LogError::UnknownTopic { topic, name: names.name(topic).to_owned() },
            None => LogError::Refused { what, reason: reason.to_owned() },
        },
        Code::TopicAlreadyExists => match topic {
            Some((topic, names)) => LogError::TopicExists { topic, name: names.name(topic).to_owned() },
            None => LogError::Refused { what, reason: reason.to_owned() },
        },
        Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut | Code::TimedOutQueue => {
            LogError::TimedOut { what, seconds: timeout.as_secs() }
        }
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::CoordinatorNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::WaitingForCoordinator
        | Code::NetworkException => LogError::Unreachable { reason: format!("{what}: {reason}") },
        _ => LogError::Refused { what, reason: reason.to_owned() },
    }
}
