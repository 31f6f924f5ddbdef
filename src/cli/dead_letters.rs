//! `dead-letters`: what could not be understood, through a running service, a stopped one's directory, or the
//! brokers.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::brokers::BrokerArgs;
use super::client::{Answer, Client, DEFAULT_URL, TokenArgs, encoded};
use super::exit::{Failure, Status};
use super::get::cell;
use super::open::{self, OpenLog, partition_count};
use super::output::Output;
use super::settings::CommonArgs;
use super::table::Table;
use crate::config::Config;
use crate::letters::{self, Letter, LetterView, LettersError, PutBack, PutBackError};
use crate::store::{DirectoryLock, PartitionStores};
use crate::types::Position;

/// List, show and put back dead letters: records that could not be understood.
///
/// A letter is named by its own position on the dead-letter topic. Only commands are put back; what was wrong
/// with an event is repaired by a replay, once the reader understands it.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store dead-letters list
  inventory-store dead-letters show 3:0 --json
  inventory-store dead-letters put-back 3:0
  inventory-store dead-letters list --data-dir ./data             # of a stopped service
  inventory-store dead-letters list --brokers kafka-1:9092        # without a service")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Each record that was put aside, once: position, origin, reason.
    #[command(after_help = "Examples:\n  inventory-store dead-letters list --limit 1000 --json")]
    List {
        /// Behind this position.
        #[arg(long, value_name = "PARTITION:OFFSET")]
        after: Option<Position>,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        limit: u64,
        #[command(flatten)]
        from: From,
    },
    /// One record with its headers, byte for byte.
    #[command(after_help = "Examples:\n  inventory-store dead-letters show 3:0")]
    Show {
        /// The letter's.
        position: Position,
        #[command(flatten)]
        from: From,
    },
    /// Append a command again, as it came.
    #[command(after_help = "Examples:\n  inventory-store dead-letters put-back 3:0")]
    PutBack {
        /// The letter's.
        position: Position,
        #[command(flatten)]
        from: From,
    },
}

#[derive(ClapArgs)]
struct From {
    /// The running service to ask; without it, --data-dir or brokers, the default address.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "brokers"])]
    url: Option<String>,
    /// A stopped service's data directory instead.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    brokers: BrokerArgs,
    #[command(flatten)]
    token: TokenArgs,
    /// JSON instead of lines.
    #[arg(long)]
    json: bool,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let from = match &args.what {
        What::List { from, .. } | What::Show { from, .. } | What::PutBack { from, .. } => from,
    };
    let loaded = common.load(from.brokers.flag().into_iter().collect())?;
    let place = Place::open(from, &loaded.config)?;
    let mut out = Output::new();
    let body = match &args.what {
        What::List { after, limit, .. } => {
            place.list(*after, usize::try_from(*limit).unwrap_or(usize::MAX))?
        }
        What::Show { position, .. } => place.show(*position)?,
        What::PutBack { position, .. } => place.put_back(*position)?,
    };
    if from.json {
        out.json(&body)?;
    } else {
        let lines = match &args.what {
            What::List { .. } => listed(&body),
            What::Show { .. } => shown(&body),
            What::PutBack { .. } => vec![cell(body.get("position"))],
        };
        for line in lines {
            out.line(line)?;
        }
    }
    out.flush()?;
    Ok(Status::Done)
}

/// Where letters are.
enum Place {
    Service(Client),
    Here(Box<Here>),
}

/// The log itself, and the stores beside it where there are any.
struct Here {
    log: OpenLog,
    stores: Option<PartitionStores>,
    how: PutBack,
    _lock: Option<DirectoryLock>,
}

impl Place {
    fn open(from: &From, config: &Config) -> Result<Self, Failure> {
        let here =
            |directory: Option<&Path>| Here::open(directory, config).map(|here| Self::Here(Box::new(here)));
        match (&from.url, &from.data_dir) {
            (Some(url), _) => Ok(Self::Service(Client::new(url, &from.token)?)),
            (None, Some(directory)) => here(Some(directory)),
            (None, None) if config.kafka.is_configured() => here(None),
            (None, None) => Ok(Self::Service(Client::new(DEFAULT_URL, &from.token)?)),
        }
    }

    fn list(&self, after: Option<Position>, limit: usize) -> Result<Value, Failure> {
        match self {
            Self::Service(client) => {
                let after = after.map(|after| format!("&after={}", encoded(&after.to_string())));
                let path = format!("/dead-letters?limit={limit}{}", after.unwrap_or_default());
                Ok(serde_json::from_slice(&client.get(&path).and_then(Answer::success)?)?)
            }
            Self::Here(here) => {
                let listed = letters::list(here.log.log().as_ref(), after, limit).map_err(failed)?;
                let next = listed.letters.last().filter(|_| listed.more).map(|letter| letter.position);
                Ok(json!({"items": listed.letters, "next": next, "others": listed.others}))
            }
        }
    }

    fn show(&self, position: Position) -> Result<Value, Failure> {
        match self {
            Self::Service(client) => {
                let answer = client.get(&format!("/dead-letters/{position}")).and_then(Answer::success)?;
                Ok(serde_json::from_slice(&answer)?)
            }
            Self::Here(here) => Ok(serde_json::to_value(LetterView::of(&here.find(position)?))?),
        }
    }

    fn put_back(&self, position: Position) -> Result<Value, Failure> {
        match self {
            Self::Service(client) => {
                let path = format!("/dead-letters/{position}/put-back");
                let answer = client.post(&path, "application/json", b"{}").and_then(Answer::success)?;
                Ok(serde_json::from_slice(&answer)?)
            }
            Self::Here(here) => {
                let letter = here.find(position)?;
                let appender = here.log.log().appender()?;
                let put_back = letters::put_back(&letter, here.how, appender.as_ref());
                let (position, sku) = put_back.map_err(|error| match error {
                    PutBackError::Log(error) => error.into(),
                    refused => Failure::new(Status::Refused, refused),
                })?;
                Ok(json!({"position": position, "sku": sku.as_str()}))
            }
        }
    }
}

impl Here {
    fn open(directory: Option<&Path>, config: &Config) -> Result<Self, Failure> {
        let (log, stores, lock) = match directory {
            None => (OpenLog::Kafka(OpenLog::kafka(config)?), None, None),
            Some(directory) => {
                let has_log = config.kafka.is_configured() || directory.join("log").is_dir();
                if !has_log {
                    let text = format!(
                        "{} holds no embedded log; is it the --data-dir of a service? With Kafka, give --brokers too",
                        directory.display()
                    );
                    return Err(Failure::text(Status::Usage, text));
                }
                let lock = DirectoryLock::take(directory)?;
                let log = OpenLog::open(directory, config)?;
                let stores = open::stores(directory, config, 1)?;
                (log, Some(stores), Some(lock))
            }
        };
        let how = PutBack {
            partitions: partition_count(log.log().as_ref())?,
            max_bytes: config.contract.max_record_bytes,
            extended_values: config.contract.extended_values,
        };
        Ok(Self { log, stores, how, _lock: lock })
    }

    fn find(&self, position: Position) -> Result<Letter, Failure> {
        let found = letters::get(self.log.log().as_ref(), position).map_err(failed)?;
        let letter = found.ok_or_else(|| {
            Failure::text(Status::Refused, format!("there is no dead letter at {position}, or no longer"))
        })?;
        let kept = letters::whole(letter, |origin| match &self.stores {
            None => Ok(None),
            Some(stores) => match stores.open_live(origin.partition)? {
                None => Ok(None),
                Some(store) => store.reader().dead(origin.topic, origin.offset),
            },
        });
        kept.map_err(failed)
    }
}

fn failed(error: LettersError) -> Failure {
    match error {
        LettersError::Log(error) => error.into(),
        LettersError::Store(error) => error.into(),
        LettersError::Kept { .. } => Failure::new(Status::Data, error),
        LettersError::NotALetter(_) | LettersError::TooMany => Failure::new(Status::Refused, error),
    }
}

fn listed(body: &Value) -> Vec<String> {
    let items = body.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["position", "topic", "origin", "time", "reason", "detail"]);
    for item in items {
        let field = |name: &str| cell(item.get(name));
        table.row(["position", "topic", "origin", "time", "reason", "detail"].map(field).to_vec());
    }
    let mut lines = table.lines();
    if body.get("next").is_some_and(Value::is_string) {
        lines.push(format!("… more: --after {}", cell(body.get("next"))));
    }
    lines
}

fn shown(body: &Value) -> Vec<String> {
    let mut lines: Vec<String> = ["position", "topic", "origin", "time", "reason", "detail", "key"]
        .map(|name| format!("{name:10}{}", cell(body.get(name))))
        .to_vec();
    for header in body.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let value = header.get("value").filter(|value| !value.is_null()).or(header.get("value_base64"));
        lines.push(format!("header    {}: {}", cell(header.get("name")), cell(value)));
    }
    let present = |name: &str| body.get(name).filter(|value| !value.is_null());
    lines.push(match (present("value"), present("value_base64"), present("value_sha256")) {
        (Some(value), ..) => format!("value     {}", cell(Some(value))),
        (_, Some(value), _) => format!("value     {} (base64)", cell(Some(value))),
        (.., Some(hash)) => {
            format!(
                "value     left out: {} bytes, SHA-256 {}",
                cell(body.get("value_bytes")),
                cell(Some(hash))
            )
        }
        _ => "value     null".to_owned(),
    });
    lines
}
