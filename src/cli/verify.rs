use std::path::PathBuf;

use super::exit::{Failure, Status};
use super::job_lines;
use super::output::Output;
use super::rebuilding::{FromArgs, Opened, each, part};
use super::remote_job;
use super::settings::CommonArgs;
use crate::jobs::verify::{Verified, against_store, base_of, plan};
use crate::jobs::{self, Difference, JobError, Request, Sample, Stop, Verify, shown};
use crate::snapshots::{BaseError, Work};
use crate::store::{DirectoryLock, PartitionStores};
use crate::types::Partition;
use clap::{Args as ClapArgs, ValueEnum};

/// Rebuild from the oldest sound base and the log, and compare row by row at one position.
///
/// Status 1 where anything differs. Says from which offset it covers: what lies below is the base's.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store verify                                        # the stores of the running service
  inventory-store verify --data-dir ./data                      # the stores of a stopped service
  inventory-store verify --brokers kafka-1:9092 --against snapshot
  inventory-store verify --data-dir ./data --against archive --sample 10%")]
pub struct Args {
    /// What is held against it: the served stores, the snapshots topic's newest checkpoint, or the archive's
    /// newest base.
    #[arg(long, value_name = "WHAT", default_value = "live")]
    against: Against,
    /// Only so many percent of the SKUs, always the same ones.
    #[arg(long, value_name = "N%", default_value = "100%", value_parser = percent)]
    sample: Sample,
    /// Only this partition; may be given more than once.
    #[arg(long, value_name = "N")]
    partition: Vec<u16>,
    /// Where to rebuild; removed at the end. `verify` in the data directory, unless given.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Differences and summaries as JSON lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: FromArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    Live,
    Snapshot,
    Archive,
}

impl From<Against> for jobs::Against {
    fn from(against: Against) -> Self {
        match against {
            Against::Live => Self::Live,
            Against::Snapshot => Self::Snapshot,
            Against::Archive => Self::Archive,
        }
    }
}

/// A partition's check and the rows that differ.
type Checked = (Verified, Vec<Difference>);

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let live = args.against == Against::Live;
    if let Some(client) = args.source.service(common, live)? {
        let request = Request::Verify(Verify {
            against: args.against.into(),
            sample: args.sample.0,
            partitions: args.partition,
        });
        return remote_job::run(&client, &request, args.json);
    }
    let opened = Opened::open(common, &args.source, live)?;
    let partitions = opened.wanted(&args.partition)?;
    let scratch = args.scratch.clone().unwrap_or_else(|| opened.data_dir.join("verify"));
    std::fs::create_dir_all(&scratch)?;
    let lock = DirectoryLock::take(&scratch)?;
    let stores = opened.stores(&scratch)?;
    let served = match args.against {
        Against::Live => Some(opened.stores(&opened.data_dir)?),
        _ => None,
    };
    let results = each("verify", &partitions, |partition, work| {
        check(&opened, &stores, served.as_ref(), &args, partition, work)
    })?;
    let (checked, failure) = part(results);
    drop(stores);
    drop(lock);
    // What is left after an interruption is gone on with.
    if failure.is_none() {
        let _ = std::fs::remove_dir_all(&scratch);
    }
    let mut out = Output::new();
    let mut differing = 0;
    for checked in &checked {
        differing += checked.0.compared.differences;
        print(&mut out, checked, args.json)?;
    }
    out.flush()?;
    match failure {
        Some(failure) => Err(failure),
        None if differing > 0 => Ok(Status::Refused),
        None => Ok(Status::Done),
    }
}

fn check(
    opened: &Opened,
    scratch: &PartitionStores,
    served: Option<&PartitionStores>,
    args: &Args,
    partition: Partition,
    work: &Work,
) -> Result<Checked, JobError> {
    let rebuild = opened.rebuild(scratch, plan(Stop::End)).map_err(|failure| {
        JobError::Log(crate::log::LogError::Refused {
            what: "preparing the rebuild",
            reason: failure.to_string(),
        })
    })?;
    let held = match served {
        Some(served) => served.open_live(partition)?.ok_or(BaseError::NoCheckpoint { partition })?,
        None => base_of(&rebuild, args.against.into(), partition, work)?,
    };
    let mut differences = Vec::new();
    let verified = against_store(&rebuild, &held.reader(), partition, args.sample, work, &mut |row| {
        differences.push(row)
    })?;
    Ok((verified, differences))
}

fn print(out: &mut Output, checked: &Checked, json: bool) -> Result<(), Failure> {
    let (verified, differences) = checked;
    for row in differences {
        let row = shown::difference(verified.partition, row);
        if json { out.json(&row)? } else { out.line(job_lines::difference(&row))? }
    }
    let verified = shown::verified(verified);
    if json { out.json(&verified) } else { out.line(job_lines::verified(&verified)) }
}

fn percent(text: &str) -> Result<Sample, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
    number
        .filter(|n| (1..=100).contains(n))
        .map(Sample)
        .ok_or_else(|| format!("{text:?} is not between 1% and 100%"))
}
