//! Describing and creating topics.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::Shared;
use super::context::Context;
use super::errors::{from_code, log_error};
use super::offsets::{Offsets, serve_events};
use crate::log::{LogError, TopicDescription};
use crate::types::Topic;

pub(super) type Admin = AdminClient<Context>;

/// Partitions and their copies; nothing where the topic does not exist.
fn shape(
    shared: &Shared,
    offsets: &Offsets,
    topic: Topic,
    timeout: Duration,
) -> Result<Option<(u16, u16)>, LogError> {
    const WHAT: &str = "asking for a topic";
    let name = shared.names.name(topic);
    let asker = offsets.asker();
    let answer = asker.fetch_metadata(Some(name), timeout);
    serve_events(asker);
    let metadata = answer.map_err(|error| log_error(WHAT, Some((topic, &shared.names)), &error, timeout))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else { return Ok(None) };
    if let Some(error) = found.error() {
        let code = RDKafkaErrorCode::from(error);
        return match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(None),
            _ => Err(from_code(WHAT, Some((topic, &shared.names)), code, &code.to_string(), timeout)),
        };
    }
    let partitions = found.partitions();
    if partitions.is_empty() {
        return Ok(None);
    }
    let replication = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
    let count = u16::try_from(partitions.len()).map_err(|_| LogError::Refused {
        what: WHAT,
        reason: format!("topic {name} has {} partitions; at most 65535 are understood", partitions.len()),
    })?;
    Ok(Some((count, u16::try_from(replication).unwrap_or(u16::MAX))))
}

/// Whether the topic is known to be missing, asked in passing: where no answer comes soon, it is not known.
pub(super) fn is_missing(shared: &Shared, offsets: &Offsets, topic: Topic) -> bool {
    matches!(shape(shared, offsets, topic, Duration::from_secs(1)), Ok(None))
}

pub(super) fn partitions(shared: &Shared, offsets: &Offsets, topic: Topic) -> Result<u16, LogError> {
    match shape(shared, offsets, topic, shared.timeout)? {
        Some((partitions, _)) => Ok(partitions),
        None => Err(LogError::UnknownTopic { topic, name: shared.names.name(topic).to_owned() }),
    }
}

pub(super) fn describe(
    shared: &Shared,
    offsets: &Offsets,
    admin: &Admin,
    topic: Topic,
) -> Result<Option<TopicDescription>, LogError> {
    const WHAT: &str = "asking for a topic's settings";
    let Some((partitions, replication)) = shape(shared, offsets, topic, shared.timeout)? else {
        return Ok(None);
    };
    let asked = [ResourceSpecifier::Topic(shared.names.name(topic))];
    let options = options(shared);
    let answer = wait_for(admin.describe_configs(&asked, &options), shared.timeout + GRACE)
        .ok_or(LogError::TimedOut { what: WHAT, seconds: shared.timeout.as_secs() })?
        .map_err(|error| log_error(WHAT, Some((topic, &shared.names)), &error, shared.timeout))?;
    let mut settings = BTreeMap::new();
    for resource in answer {
        let resource = resource.map_err(|code| {
            from_code(WHAT, Some((topic, &shared.names)), code, &code.to_string(), shared.timeout)
        })?;
        settings.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(Some(TopicDescription { partitions, replication, settings }))
}

pub(super) fn create(
    shared: &Shared,
    offsets: &Offsets,
    admin: &Admin,
    topic: Topic,
    want: &TopicDescription,
) -> Result<(), LogError> {
    const WHAT: &str = "creating a topic";
    let name = shared.names.name(topic);
    let mut new =
        NewTopic::new(name, i32::from(want.partitions), TopicReplication::Fixed(i32::from(want.replication)));
    for (key, value) in &want.settings {
        new = new.set(key, value);
    }
    let answer = wait_for(admin.create_topics([&new], &options(shared)), shared.timeout + GRACE)
        .ok_or(LogError::TimedOut { what: WHAT, seconds: shared.timeout.as_secs() })?
        .map_err(|error| log_error(WHAT, Some((topic, &shared.names)), &error, shared.timeout))?;
    for outcome in answer {
        outcome.map_err(|(_, code)| {
            from_code(WHAT, Some((topic, &shared.names)), code, &code.to_string(), shared.timeout)
        })?;
    }
    // Created is not yet known to every broker, nor with a leader for every partition.
    let deadline = Instant::now() + shared.timeout;
    while shape(shared, offsets, topic, shared.timeout)?
        .is_none_or(|(partitions, _)| partitions != want.partitions)
    {
        if Instant::now() > deadline {
            return Err(LogError::TimedOut {
                what: "waiting for a created topic to appear",
                seconds: shared.timeout.as_secs(),
            });
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// How much longer than librdkafka itself its answer is waited for.
const GRACE: Duration = Duration::from_secs(2);

fn options(shared: &Shared) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(shared.timeout)).operation_timeout(Some(shared.timeout))
}

/// Waits for one of the wrapper's futures on this thread: its admin calls have no other form.
fn wait_for<T>(future: impl Future<Output = T>, timeout: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let deadline = Instant::now() + timeout;
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return Some(answer);
        }
        let rest = deadline.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(rest);
    }
}
