//! Where a writing verb writes to: a running service over HTTP, or Kafka's topics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::client::{Answer, Client, DEFAULT_URL, TokenArgs};
use super::exit::{Failure, Status};
use super::open::{OpenLog, partition_count};
use crate::config::Config;
use crate::log::{Appender, Log};
use crate::types::{Header, NewRecord, Topic, partition_of};

#[derive(Args, Clone)]
pub struct TargetArgs {
    /// The running service to send to; without it or --brokers, the configured brokers, else the default
    /// address.
    #[arg(long, value_name = "URL", conflicts_with = "brokers")]
    pub url: Option<String>,
    #[command(flatten)]
    pub brokers: super::brokers::BrokerArgs,
    #[command(flatten)]
    pub token: TokenArgs,
}

/// One CloudEvent on its way.
pub struct Message {
    /// Where it stood in the input.
    pub place: String,
    pub id: String,
    pub sku: String,
    pub topic: Topic,
    /// The structured CloudEvent.
    pub value: Vec<u8>,
    pub headers: Vec<Header>,
}

/// What became of a message: its position as text, or why it failed.
pub type Sent = Result<String, String>;

pub enum Target {
    Service(Client),
    Kafka { appender: Box<dyn Appender>, partitions: u16 },
}

impl Target {
    pub fn open(args: &TargetArgs, config: &Config) -> Result<Self, Failure> {
        if args.url.is_none() && config.kafka.is_configured() {
            let log: Arc<dyn Log> = OpenLog::kafka(config)?;
            let partitions = partition_count(log.as_ref())?;
            return Ok(Self::Kafka { appender: log.appender()?, partitions });
        }
        Ok(Self::Service(Client::new(args.url.as_deref().unwrap_or(DEFAULT_URL), &args.token)?))
    }

    pub fn name(&self) -> String {
        match self {
            Self::Service(client) => client.url().to_owned(),
            Self::Kafka { .. } => "Kafka".to_owned(),
        }
    }

    /// Sends the messages; one outcome each, in order.
    ///
    /// # Errors
    /// Where nothing can be sent at all: unreachable, no access.
    pub fn send(&self, messages: Vec<Message>) -> Result<Vec<Sent>, Failure> {
        match self {
            Self::Kafka { appender, partitions } => {
                let record = |message: Message| NewRecord {
                    topic: message.topic,
                    partition: partition_of(&message.sku, *partitions),
                    timestamp: None,
                    key: Some(message.sku.into_bytes()),
                    value: Some(message.value),
                    headers: message.headers,
                };
                let sent = appender.append(messages.into_iter().map(record).collect());
                Ok(sent
                    .into_iter()
                    .map(|outcome| outcome.map(|p| p.to_string()).map_err(|e| e.to_string()))
                    .collect())
            }
            Self::Service(client) => post(client, &messages),
        }
    }
}

/// One `POST /events` for all the events, then one `POST /commands` for all the commands.
fn post(client: &Client, messages: &[Message]) -> Result<Vec<Sent>, Failure> {
    let of = |topic: Topic| messages.iter().filter(move |message| message.topic == topic).collect::<Vec<_>>();
    let (events, commands) = (of(Topic::Events), of(Topic::Commands));
    let mut events = if events.is_empty() { Vec::new() } else { post_events(client, &events)? }.into_iter();
    let mut commands =
        if commands.is_empty() { Vec::new() } else { post_commands(client, &commands)? }.into_iter();
    let outcome = |message: &Message| {
        let outcome = if message.topic == Topic::Commands { commands.next() } else { events.next() };
        outcome.unwrap_or_else(|| Err("the service gave no answer for it".to_owned()))
    };
    Ok(messages.iter().map(outcome).collect())
}

const BATCH: &str = "application/cloudevents-batch+json";

fn array(messages: &[&Message]) -> Vec<u8> {
    let bytes = messages.iter().map(|message| message.value.len() + 1).sum::<usize>() + 1;
    let mut body = Vec::with_capacity(bytes);
    body.push(b'[');
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&message.value);
    }
    body.push(b']');
    body
}

fn post_events(client: &Client, events: &[&Message]) -> Result<Vec<Sent>, Failure> {
    let answer = client.post("/events", BATCH, &array(events))?;
    match answer.status {
        201 => positions(&answer.body, events.len(), "position"),
        400 => Ok(refused(&answer, events.len())),
        405 => {
            let text =
                format!("{} takes no events over HTTP, it follows Kafka: give --brokers", client.url());
            Err(Failure::text(Status::Refused, text))
        }
        _ => Err(answer.into_failure()),
    }
}

/// Sent is a command that is in the log, as over Kafka; its outcome stands on the results topic.
fn post_commands(client: &Client, commands: &[&Message]) -> Result<Vec<Sent>, Failure> {
    let body = array(commands);
    // A service that is behind says so; the same again is decided once.
    const PATIENCE: Duration = Duration::from_secs(60);
    let began = Instant::now();
    loop {
        let answer = client.post_preferring("/commands", BATCH, "respond-async", &body)?;
        match answer.status {
            207 => return positions(&answer.body, commands.len(), "command_position"),
            400 => return Ok(refused(&answer, commands.len())),
            429 if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(250)),
            _ => return Err(answer.into_failure()),
        }
    }
}

/// The service names the bad ones; nothing of the request was written.
fn refused(answer: &Answer, count: usize) -> Vec<Sent> {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let named = |index: usize| {
        let bad = problem.get("items")?.as_array()?;
        let item =
            bad.iter().find(|item| item.get("index").and_then(Value::as_u64) == u64::try_from(index).ok())?;
        item.get("detail").and_then(Value::as_str).map(super::table::shown)
    };
    let outcome = |index| Err(named(index).unwrap_or_else(|| format!("not written: {}", answer.problem())));
    (0..count).map(outcome).collect()
}

fn positions(body: &[u8], count: usize, name: &str) -> Result<Vec<Sent>, Failure> {
    let body: Value = serde_json::from_slice(body)?;
    let items = body.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.len() != count {
        let text = format!("the service answered for {} of {count}", items.len());
        return Err(Failure::text(Status::Data, text));
    }
    let position = |item: &Value| match item.get(name).and_then(Value::as_str) {
        Some(position) => Ok(position.to_owned()),
        None => {
            let message = item.get("message").and_then(Value::as_str);
            Err(message.map_or_else(|| "the service gave no position".to_owned(), super::table::shown))
        }
    };
    Ok(items.iter().map(position).collect())
}
