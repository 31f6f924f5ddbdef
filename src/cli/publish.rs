use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::exit::{Failure, Status};
use super::input::{Entry, Input};
use super::output::{Output, to_stderr};
use super::settings::CommonArgs;
use super::table::shown;
use super::target::{Message, Target, TargetArgs};
use crate::codec::event::http::Item;
use crate::domain::command::Request;
use crate::domain::event::TYPE_PREFIX;
use crate::types::Topic;

/// Send CloudEvents: events and commands, each to the topic its type belongs to.
///
/// Reads structured CloudEvents as one JSON object, an array, or JSON lines. Prints ID, a tab and
/// PARTITION:OFFSET for each; what cannot be sent is named on stderr, the rest is sent all the same.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store publish events.json
  inventory-store publish events.jsonl --brokers kafka-1:9092
  jq -c . orders.json | inventory-store publish --url http://127.0.0.1:8080 -")]
pub struct Args {
    /// A file, or - for stdin.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// {\"id\":…,\"position\":…} per line instead of columns.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What one request carries at most; a service takes 10,000 events and 8 MiB by default.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let loaded = common.load(args.target.brokers.flag().into_iter().collect())?;
    let config = &loaded.config;
    let mut input = Input::open(&args.file)?;
    let target = Target::open(&args.target, config)?;
    let mut publishing = Publishing {
        target,
        out: Output::new(),
        json: args.json,
        waiting: Vec::new(),
        bytes: 0,
        failed: 0,
        sent: 0,
    };
    while let Some(entry) = input.next()? {
        publishing.take(entry, config.contract.max_record_bytes)?;
    }
    publishing.send()?;
    if publishing.failed + publishing.sent == 0 {
        return Err(Failure::text(Status::Refused, "the input holds no event"));
    }
    if publishing.failed > 0 {
        to_stderr(&format!("{} of {} failed\n", publishing.failed, publishing.failed + publishing.sent));
        return Ok(Status::Refused);
    }
    Ok(Status::Done)
}

struct Publishing {
    target: Target,
    out: Output,
    json: bool,
    waiting: Vec<Message>,
    bytes: usize,
    failed: u64,
    sent: u64,
}

impl Publishing {
    fn take(&mut self, entry: Entry, max_bytes: usize) -> Result<(), Failure> {
        match entry.item.and_then(|item| checked(item, max_bytes)) {
            Err(reason) => self.fail(&entry.place, None, &reason),
            Ok((topic, item)) => {
                self.bytes += item.value.len();
                self.waiting.push(Message {
                    place: entry.place,
                    id: item.event_id,
                    sku: item.sku,
                    topic,
                    value: item.value,
                    headers: item.headers,
                });
                if self.waiting.len() >= BATCH || self.bytes >= BATCH_BYTES {
                    self.send()?;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        let messages = std::mem::take(&mut self.waiting);
        if messages.is_empty() {
            return Ok(());
        }
        let names: Vec<(String, String)> = messages.iter().map(|m| (m.place.clone(), m.id.clone())).collect();
        for ((place, id), outcome) in names.iter().zip(self.target.send(messages)?) {
            match outcome {
                Err(reason) => self.fail(place, Some(id), &reason),
                Ok(position) => {
                    self.sent += 1;
                    if self.json {
                        self.out.json(&json!({"id": id, "position": position}))?;
                    } else {
                        self.out.line(format_args!("{}\t{position}", shown(id)))?;
                    }
                }
            }
        }
        self.out.flush()
    }

    fn fail(&mut self, place: &str, id: Option<&str>, reason: &str) {
        self.failed += 1;
        let id = id.map(|id| format!(" ({})", shown(id))).unwrap_or_default();
        to_stderr(&format!("{place}{id}: {}\n", shown(reason)));
    }
}

/// The topic the item belongs to; it must be one that the store will understand. A command that is invalid under
/// any setting would only be refused.
fn checked(item: Item, max_bytes: usize) -> Result<(Topic, Item), String> {
    let topic = topic_of(&item.event_type);
    let checked = match topic {
        Topic::Commands => item
            .decode_command(max_bytes, true)
            .map_err(|malformed| malformed.to_string())
            .and_then(|read| read.command.map(drop).map_err(|refusal| refusal.message)),
        _ => item.decode(max_bytes).map(drop).map_err(|malformed| malformed.to_string()),
    };
    checked.map_err(|reason| format!("{}: {reason}", item.event_id))?;
    Ok((topic, item))
}

/// The topic a type belongs to.
pub fn topic_of(event_type: &str) -> Topic {
    match event_type.strip_prefix(TYPE_PREFIX) {
        Some(name) if Request::TYPE_NAMES.contains(&name) => Topic::Commands,
        _ => Topic::Events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_belongs_to_one_topic() {
        assert_eq!(topic_of("com.paklog.inventory.fulfillment.v1.product-stock.receive"), Topic::Commands);
        assert_eq!(
            topic_of("com.paklog.inventory.fulfillment.v1.product-stock.level-changed"),
            Topic::Events
        );
        assert_eq!(topic_of("com.paklog.inventory.fulfillment.v1.something-newer"), Topic::Events);
        assert_eq!(topic_of("product-stock.receive"), Topic::Events, "another publisher's type");
    }
}
