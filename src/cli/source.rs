//! Where a reading verb reads from: a running service, or the data directory of a stopped one.

use std::path::PathBuf;

use clap::Args;

use super::client::{Answer, Client, DEFAULT_URL, TokenArgs, encoded};
use super::exit::{Failure, Status};
use super::open;
use crate::config::Config;
use crate::query::page;
use crate::query::reads::{self, AsOf, PastBody, ReadError};
use crate::store::{DirectoryLock, StoreReader};
use crate::types::{NextOffset, Offset, Partition, Position, Sku, UtcTime, partition_of};

#[derive(Args, Clone)]
pub struct SourceArgs {
    /// The running service to ask.
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL, conflicts_with = "data_dir")]
    url: String,
    /// Read a stopped service's data directory instead.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    token: TokenArgs,
}

/// A moment: a position, or a time of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Position(Position),
    Time(UtcTime),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        text.parse().map(Self::Time).map_err(|_| {
            format!("{text:?} is neither a position such as 3:42 nor a time such as 2026-11-01T12:34:56Z")
        })
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position(position) => position.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// Something that answers reads with the HTTP bodies of the contract.
pub enum Source {
    Service(Client),
    Stopped(Stopped),
}

impl Source {
    pub fn open(args: &SourceArgs, config: &Config) -> Result<Self, Failure> {
        Ok(match &args.data_dir {
            Some(directory) => Self::Stopped(Stopped::open(directory, config)?),
            None => Self::Service(Client::new(&args.url, &args.token)?),
        })
    }

    /// The body of `GET /stock_levels/{sku}`.
    pub fn stock_level(
        &self,
        sku: &Sku,
        at_least: Option<Position>,
        as_of: Option<Moment>,
    ) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Service(client) => {
                let mut query = Vec::new();
                query.extend(at_least.map(|position| format!("at_least={}", encoded(&position.to_string()))));
                query.extend(as_of.map(|moment| format!("as_of={}", encoded(&moment.to_string()))));
                let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
                client
                    .get(&format!("/stock_levels/{}{query}", encoded(sku.as_str())))
                    .and_then(Answer::success)
            }
            Self::Stopped(stopped) => stopped.stock_level(sku, at_least, as_of),
        }
    }

    /// The body of `GET /stock_levels/{sku}/history`.
    pub fn history(&self, sku: &Sku, after: Option<&str>, limit: usize) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Service(client) => {
                let after = after.map(|token| format!("&after={}", encoded(token))).unwrap_or_default();
                client
                    .get(&format!("/stock_levels/{}/history?limit={limit}{after}", encoded(sku.as_str())))
                    .and_then(Answer::success)
            }
            Self::Stopped(stopped) => stopped.history(sku, after, limit),
        }
    }
}

/// The stores of a stopped service, held under its lock.
pub struct Stopped {
    directory: PathBuf,
    stores: Vec<(Partition, StoreReader)>,
    partition_count: u16,
    _lock: DirectoryLock,
}

impl Stopped {
    fn open(directory: &std::path::Path, config: &Config) -> Result<Self, Failure> {
        if !directory.join("partitions").is_dir() {
            let text = format!("{} holds no stores; is it the --data-dir of a service?", directory.display());
            return Err(Failure::text(Status::Usage, text));
        }
        let lock = DirectoryLock::take(directory)?;
        let stores = open::stores(directory, config, 1)?;
        let mut readers = Vec::new();
        let mut partition_count = 0;
        for partition in stores.partitions()? {
            if let Some(store) = stores.open_live(partition)? {
                partition_count = store.meta().identity.partition_count;
                readers.push((partition, store.reader()));
            }
        }
        Ok(Self { directory: directory.to_owned(), stores: readers, partition_count, _lock: lock })
    }

    fn store_of(&self, sku: &Sku) -> Result<(Partition, &StoreReader), Failure> {
        let partition = partition_of(sku.as_str(), self.partition_count);
        let found = self.stores.iter().find(|(held, _)| *held == partition);
        found.map(|(_, reader)| (partition, reader)).ok_or_else(|| {
            let text = format!(
                "{sku} belongs to partition {partition}, of which {} holds no store",
                self.directory.display()
            );
            Failure::text(Status::Refused, text)
        })
    }

    fn stock_level(
        &self,
        sku: &Sku,
        at_least: Option<Position>,
        as_of: Option<Moment>,
    ) -> Result<Vec<u8>, Failure> {
        let (partition, reader) = self.store_of(sku)?;
        let next = reader.meta()?.progress.next;
        if let Some(wanted) = at_least {
            reached(wanted, partition, next)?;
        }
        let as_of = match as_of {
            None => {
                let body = reads::stock_level(reader, sku).map_err(failed)?;
                return body.map(|body| body.json).ok_or_else(|| unknown(sku));
            }
            Some(Moment::Position(position)) => {
                reached(position, partition, next)?;
                AsOf::Offset(position.offset)
            }
            Some(Moment::Time(time)) => AsOf::Time(time.to_timestamp()),
        };
        match reads::stock_level_at(reader, partition, sku, as_of).map_err(failed)? {
            PastBody::Body(body) => Ok(body.json),
            PastBody::NeverSeen => Err(unknown(sku)),
            PastBody::BeforeHistory { begins } => {
                let text = format!(
                    "history of partition {partition} begins at {partition}:{begins}; that moment lies before it"
                );
                Err(Failure::text(Status::Refused, text))
            }
        }
    }

    fn history(&self, sku: &Sku, after: Option<&str>, limit: usize) -> Result<Vec<u8>, Failure> {
        let (partition, reader) = self.store_of(sku)?;
        let before = match after {
            None => None,
            Some(token) => {
                let offset = page::untoken("history", token).and_then(|text| text.parse().ok()).map(Offset);
                Some(offset.ok_or_else(|| Failure::text(Status::Data, "a page's token cannot be read"))?)
            }
        };
        let body = reads::history_page(reader, partition, sku, before, limit).map_err(failed)?;
        body.map(|body| body.json).ok_or_else(|| unknown(sku))
    }
}

pub(super) fn failed(error: ReadError) -> Failure {
    match error {
        ReadError::Store(error) => error.into(),
        ReadError::Json(error) => error.into(),
    }
}

fn unknown(sku: &Sku) -> Failure {
    Failure::text(Status::Refused, format!("{sku} has never been seen"))
}

/// A stopped store never comes further: a position that it has not reached is out of reach.
fn reached(wanted: Position, partition: Partition, next: NextOffset) -> Result<(), Failure> {
    if wanted.partition != partition {
        let text = format!(
            "{wanted} is a position of partition {}, the SKU belongs to partition {partition}",
            wanted.partition
        );
        return Err(Failure::text(Status::Usage, text));
    }
    if next.is_past(wanted.offset) {
        return Ok(());
    }
    let text = format!(
        "{wanted} is not reached: the next offset of partition {partition} is {next}, and the service is stopped"
    );
    Err(Failure::text(Status::Unreachable, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_position_or_a_time() {
        assert_eq!("3:42".parse::<Moment>().map(|m| m.to_string()), Ok("3:42".to_owned()));
        assert_eq!(
            "2026-11-01T14:00:00+02:00".parse::<Moment>().map(|m| m.to_string()),
            Ok("2026-11-01T12:00:00Z".to_owned())
        );
        assert!("yesterday".parse::<Moment>().expect_err("no moment").contains("neither"));
    }
}
