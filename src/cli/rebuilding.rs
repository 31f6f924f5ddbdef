//! What `replay`, `restore` and `verify` share: where they read from, where they write, and how they show it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::brokers::BrokerArgs;
use super::client::{Client, DEFAULT_URL, TokenArgs};
use super::exit::{Failure, Status};
use super::open::{self, OpenLog};
use super::output::to_stderr;
use super::parallel::in_parallel;
use super::settings::{CommonArgs, flag};
use crate::config::Config;
use crate::domain::Rules;
use crate::jobs::{Class, JobError, Plan, Rebuild, Rebuilt};
use crate::log::Log;
use crate::projector::ProjectorSettings;
use crate::snapshots::Work;
use crate::snapshots::archive::Archive;
use crate::store::{DirectoryLock, PartitionStores, StoreWriter};
use crate::types::{Partition, Topic};
use clap::Args;

/// Where events and bases are read from.
#[derive(Args, Clone)]
pub struct FromArgs {
    /// The running service that does it, beside what it serves; without it, --data-dir or brokers, the one at
    /// http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "brokers", "archive"])]
    url: Option<String>,
    /// The data directory of a stopped service: of its embedded log, and of the stores that are served.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The archive's root, instead of archive.url.
    #[arg(long = "archive", value_name = "URL")]
    archive: Option<String>,
    #[command(flatten)]
    brokers: BrokerArgs,
    #[command(flatten)]
    token: TokenArgs,
}

impl FromArgs {
    /// The running service to ask, where the job is not done here. `serves`: it is about what is served, so
    /// that Kafka alone will not do.
    pub fn service(&self, common: &CommonArgs, serves: bool) -> Result<Option<Client>, Failure> {
        if let Some(url) = &self.url {
            return Client::new(url, &self.token).map(Some);
        }
        if self.data_dir.is_some() || self.brokers.flag().is_some() {
            return Ok(None);
        }
        if !serves && common.load(Vec::new())?.config.kafka.is_configured() {
            return Ok(None);
        }
        Client::new(DEFAULT_URL, &self.token).map(Some)
    }
}

/// Everything that is open while a job runs.
pub struct Opened {
    pub config: Config,
    pub archive: Archive,
    pub data_dir: PathBuf,
    pub log: Arc<dyn Log>,
    pub partitions: u16,
    _log: OpenLog,
    _lock: Option<DirectoryLock>,
}

impl Opened {
    /// `holds`: the served stores are worked on too, so the data directory must be this process's.
    pub fn open(common: &CommonArgs, args: &FromArgs, holds: bool) -> Result<Self, Failure> {
        let flags = [
            flag("--data-dir", "store.data_dir", args.data_dir.as_ref().map(|directory| directory.display())),
            flag("--archive", "archive.url", args.archive.as_ref()),
            args.brokers.flag(),
        ];
        let config = common.load(flags.into_iter().flatten().collect())?.config;
        let data_dir = config.store.data_dir.clone();
        if !config.kafka.is_configured() && !data_dir.join("log").is_dir() {
            let text = format!(
                "{} holds no embedded log; give --data-dir of a stopped service, or --brokers",
                data_dir.display()
            );
            return Err(Failure::text(Status::Usage, text));
        }
        // The embedded log is of the same directory; its owner is named by this lock.
        let needed = holds || !config.kafka.is_configured();
        let lock = if needed { Some(DirectoryLock::take(&data_dir)?) } else { None };
        let opened = OpenLog::open(&data_dir, &config)?;
        let log = opened.log();
        let partitions = log.partitions(Topic::Events)?;
        let archive = Archive::open(&config.archive).map_err(|e| Failure::new(Status::Usage, e))?;
        Ok(Self { config, archive, data_dir, log, partitions, _log: opened, _lock: lock })
    }

    /// The stores below a directory that this process holds.
    pub fn stores(&self, directory: &Path) -> Result<PartitionStores, Failure> {
        open::stores(directory, &self.config, self.partitions)
    }

    /// The partitions asked for; all where none is.
    pub fn wanted(&self, only: &[u16]) -> Result<Vec<Partition>, Failure> {
        if let Some(odd) = only.iter().find(|number| **number >= self.partitions) {
            let text = format!("there is no partition {odd}; the events have {} partitions", self.partitions);
            return Err(Failure::text(Status::Usage, text));
        }
        if only.is_empty() {
            return Ok((0..self.partitions).map(Partition).collect());
        }
        Ok(only.iter().copied().map(Partition).collect())
    }

    pub fn rebuild<'a>(&'a self, stores: &'a PartitionStores, plan: Plan) -> Result<Rebuild<'a>, Failure> {
        let plan_of_memory = open::memory(&self.config, self.partitions)?;
        let threads = threads(usize::from(self.partitions)) as u64;
        let share = plan_of_memory.fold_alone() / threads.max(1);
        Ok(Rebuild {
            log: self.log.as_ref(),
            stores,
            archive: &self.archive,
            projector: ProjectorSettings {
                rules: Rules { own_source: self.config.contract.source.clone() },
                max_record_bytes: self.config.contract.max_record_bytes,
                dedupe_window_ms: self.config.dedupe.window_ms(),
            },
            memory: usize::try_from(share).unwrap_or(usize::MAX),
            read_memory: self.config.snapshot.read_memory,
            patience: Duration::from_secs(self.config.snapshot.patience_seconds),
            plan,
            history_from: std::collections::BTreeMap::new(),
            keep: false,
        })
    }
}

fn threads(partitions: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(1, partitions.max(1))
}

/// A partition's part of a job, ended.
type Ended<T> = (Partition, Result<T, JobError>);

/// Does `act` for each partition, several at a time, showing how far all are; stops them on Ctrl-C.
pub fn each<T: Send>(
    what: &'static str,
    partitions: &[Partition],
    act: impl Fn(Partition, &Work) -> Result<T, JobError> + Sync,
) -> Result<Vec<Ended<T>>, Failure> {
    let results = in_parallel(what, partitions, |partition, work| act(*partition, work))?;
    Ok(partitions.iter().copied().zip(results).collect())
}

/// Parts those that ended well from the first that did not: its status is the verb's.
pub fn part<T>(results: Vec<(Partition, Result<T, JobError>)>) -> (Vec<T>, Option<Failure>) {
    let (mut good, mut bad) = (Vec::new(), None);
    for (_, result) in results {
        match result {
            Ok(value) => good.push(value),
            Err(error) => {
                let failure = Failure::from(error);
                match &mut bad {
                    None => bad = Some(failure),
                    Some(_) => to_stderr(&format!("error: {failure}\n")),
                }
            }
        }
    }
    (good, bad)
}

/// A rebuilt store and what it came to.
pub type Made = (StoreWriter, Rebuilt);

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let status = match &error {
            JobError::Base(error) => Status::from(error),
            error => error.class().into(),
        };
        Self::new(status, error)
    }
}

impl From<Class> for Status {
    fn from(class: Class) -> Self {
        match class {
            Class::Refused => Self::Refused,
            Class::Unreachable => Self::Unreachable,
            Class::Data => Self::Data,
            Class::Interrupted => Self::Interrupted,
        }
    }
}
