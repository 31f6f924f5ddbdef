use std::collections::BTreeMap;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::brokers::BrokerArgs;
use super::exit::{Failure, Status};
use super::open::OpenLog;
use super::output::Output;
use super::settings::CommonArgs;
use super::table::Table;
use crate::config::Config;
use crate::log::kafka::{topic_name, wanted_topic};
use crate::log::{Log, TopicDescription};
use crate::types::Topic;

/// Check, create or describe Kafka's topics.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store topics check --brokers kafka-1:9092      # status 1 and want/have where they differ
  inventory-store topics create --brokers kafka-1:9092
  inventory-store topics create --development              # one copy of each partition
  inventory-store topics describe --json")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(ClapArgs)]
struct Common {
    /// Replication factor and minimum of in-sync replicas 1, for a single broker.
    #[arg(long)]
    development: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    brokers: BrokerArgs,
}

#[derive(Subcommand)]
enum What {
    /// Compare the topics with the settings; status 1 where they differ.
    #[command(after_help = "Examples:\n  inventory-store topics check --brokers kafka-1:9092")]
    Check(Common),
    /// Create the topics that do not exist; those that do are compared, never changed.
    #[command(
        after_help = "Examples:\n  inventory-store topics create --development --brokers 127.0.0.1:9092"
    )]
    Create(Common),
    /// Show the topics as they are.
    #[command(after_help = "Examples:\n  inventory-store topics describe --brokers kafka-1:9092 --json")]
    Describe(Common),
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let (What::Check(how) | What::Create(how) | What::Describe(how)) = &args.what;
    let loaded = common.load(how.brokers.flag().into_iter().collect())?;
    let config = &loaded.config;
    let log = OpenLog::kafka(config)?;
    let mut out = Output::new();
    let status = match &args.what {
        What::Describe(how) => describe(log.as_ref(), config, how.json, &mut out)?,
        What::Check(how) => compare(log.as_ref(), config, how, &[], &mut out)?,
        What::Create(how) => {
            let created = create(log.as_ref(), config, how.development)?;
            compare(log.as_ref(), config, how, &created, &mut out)?
        }
    };
    out.flush()?;
    Ok(status)
}

/// Creates what is missing; gives what it created.
fn create(log: &dyn Log, config: &Config, development: bool) -> Result<Vec<Topic>, Failure> {
    let mut created = Vec::new();
    for topic in Topic::ALL {
        if log.describe(topic)?.is_none() {
            log.create(topic, &wanted(config, topic, development))?;
            created.push(topic);
        }
    }
    Ok(created)
}

fn wanted(config: &Config, topic: Topic, development: bool) -> TopicDescription {
    wanted_topic(
        &config.kafka.topics,
        topic,
        config.contract.partitions,
        config.contract.max_record_bytes,
        development,
    )
}

/// One property of a topic, as it should be and as it is.
struct Difference {
    property: String,
    want: String,
    have: String,
}

fn differences(want: &TopicDescription, have: Option<&TopicDescription>) -> Vec<Difference> {
    let Some(have) = have else {
        return vec![Difference { property: "topic".into(), want: "exists".into(), have: "missing".into() }];
    };
    let mut all = vec![
        ("partitions".to_owned(), want.partitions.to_string(), have.partitions.to_string()),
        ("replication".to_owned(), want.replication.to_string(), have.replication.to_string()),
    ];
    let of = |settings: &BTreeMap<String, String>, name: &str| {
        settings.get(name).cloned().unwrap_or_else(|| "unset".into())
    };
    all.extend(
        want.settings.iter().map(|(name, value)| (name.clone(), value.clone(), of(&have.settings, name))),
    );
    let differing = all.into_iter().filter(|(_, want, have)| want != have);
    differing.map(|(property, want, have)| Difference { property, want, have }).collect()
}

fn compare(
    log: &dyn Log,
    config: &Config,
    how: &Common,
    created: &[Topic],
    out: &mut Output,
) -> Result<Status, Failure> {
    let mut table = Table::new(&["topic", "state", "property", "want", "have"]);
    let mut items = Vec::new();
    let mut differ = false;
    for topic in Topic::ALL {
        let name = topic_name(&config.kafka.topics, topic);
        let have = log.describe(topic)?;
        let found = differences(&wanted(config, topic, how.development), have.as_ref());
        differ |= !found.is_empty();
        let state = if created.contains(&topic) {
            "created"
        } else if found.is_empty() {
            "as wanted"
        } else {
            "differs"
        };
        if found.is_empty() {
            table.row(vec![name.clone(), state.into(), "-".into(), "-".into(), "-".into()]);
        }
        for difference in &found {
            table.row(vec![
                name.clone(),
                state.into(),
                difference.property.clone(),
                difference.want.clone(),
                difference.have.clone(),
            ]);
        }
        let listed: Vec<Value> =
            found.iter().map(|d| json!({"property": d.property, "want": d.want, "have": d.have})).collect();
        items.push(json!({"topic": name, "state": state, "differences": listed}));
    }
    if how.json {
        out.json(&json!({ "items": items }))?;
    } else {
        for line in table.lines() {
            out.line(line)?;
        }
    }
    Ok(if differ { Status::Refused } else { Status::Done })
}

fn describe(log: &dyn Log, config: &Config, json: bool, out: &mut Output) -> Result<Status, Failure> {
    let mut items = Vec::new();
    for topic in Topic::ALL {
        let name = topic_name(&config.kafka.topics, topic);
        let have = log.describe(topic)?;
        if !json {
            match &have {
                None => out.line(format_args!("{name}: does not exist"))?,
                Some(have) => {
                    out.line(format_args!(
                        "{name}: {} partitions, replication {}",
                        have.partitions, have.replication
                    ))?;
                    for (setting, value) in &have.settings {
                        out.line(format_args!("  {setting} = {value}"))?;
                    }
                }
            }
        }
        items.push(match have {
            None => json!({"topic": name, "exists": false}),
            Some(have) => json!({"topic": name, "exists": true, "partitions": have.partitions,
                "replication": have.replication, "settings": have.settings}),
        });
    }
    if json {
        out.json(&json!({ "items": items }))?;
    }
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_is_wanted_and_what_is_there() {
        let want = TopicDescription {
            partitions: 12,
            replication: 3,
            settings: BTreeMap::from([("cleanup.policy".into(), "delete".into())]),
        };
        assert!(differences(&want, Some(&want)).is_empty());
        let have = TopicDescription { partitions: 6, settings: BTreeMap::new(), ..want.clone() };
        let found = differences(&want, Some(&have));
        let shown: Vec<String> =
            found.iter().map(|d| format!("{} {} {}", d.property, d.want, d.have)).collect();
        assert_eq!(shown, ["partitions 12 6", "cleanup.policy delete unset"]);
        assert_eq!(differences(&want, None)[0].have, "missing");
    }
}
