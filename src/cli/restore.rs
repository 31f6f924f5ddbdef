use std::path::PathBuf;

use super::exit::{Failure, Status};
use super::job_lines;
use super::output::Output;
use super::rebuilding::{FromArgs, Opened, each, part};
use super::remote_job;
use super::settings::CommonArgs;
use crate::jobs::{Begin, FromBase, JobError, Plan, Request, Restore, Sample, Stop, compare, shown};
use crate::store::{DirectoryLock, PartitionStores, StoreError, StoreWriter};
use crate::types::{Partition, Topic};
use clap::Args as ClapArgs;

/// Bring stores back from a base: the newest checkpoint of the snapshots topic, or the archive.
///
/// With --cutover what was brought back is served. A store that is lost or stands below the log is replaced by
/// the base; a sound one only if the base and the log give the very rows that are served.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store restore --from latest --cutover                       # of the running service
  inventory-store restore --from latest --data-dir ./data --cutover     # of a stopped one
  inventory-store restore --from latest --brokers kafka-1:9092 --into ./copy
  inventory-store restore --from 007-42-9f86d081884c7d65 --data-dir ./data --into ./copy
  inventory-store restore --from 2026-11-01T12:00:00Z --data-dir ./data --into ./copy")]
pub struct Args {
    /// `latest`, a base of the archive by name, or a time: then the archive's newest base not behind it.
    #[arg(long, value_name = "latest|ID|TIME")]
    from: String,
    /// The directory to make the stores in.
    #[arg(long, value_name = "DIR", conflicts_with = "cutover", required_unless_present = "cutover")]
    into: Option<PathBuf>,
    /// Serve them: at once in a running service, from the next start on in --data-dir.
    #[arg(long)]
    cutover: bool,
    /// Only this partition; may be given more than once.
    #[arg(long, value_name = "N")]
    partition: Vec<u16>,
    /// Summaries as JSON lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: FromArgs,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let from: FromBase =
        args.from.parse().map_err(|error| Failure::text(Status::Usage, format!("--from {error}")))?;
    if let Some(client) = args.source.service(common, args.cutover)? {
        let request = Request::Restore(Restore {
            from: args.from,
            partitions: args.partition,
            cutover: args.cutover,
            into: args.into.map(std::path::absolute).transpose()?,
        });
        return remote_job::run(&client, &request, args.json);
    }
    let opened = Opened::open(common, &args.source, args.cutover)?;
    let partitions = match from {
        FromBase::Id(id) => opened.wanted(&[id.partition.0])?,
        _ => opened.wanted(&args.partition)?,
    };
    let directory = args.into.clone().unwrap_or_else(|| opened.data_dir.clone());
    let _lock = if args.cutover { None } else { Some(DirectoryLock::take(&directory)?) };
    let stores = opened.stores(&directory)?;
    let plan = Plan { begin: Begin::Base(from), stop: Stop::End, partial: false };
    let rebuild = opened.rebuild(&stores, plan)?;
    let results = each("restore", &partitions, |partition, work| {
        let (store, rebuilt) = match served(&opened, &stores, partition)?.filter(|_| args.cutover) {
            // A sound store: what is to be served in its place stands where it does, and holds the same.
            Some(live) => {
                let stop = Stop::At([(partition, live.meta().progress.next)].into());
                let plan = Plan { begin: Begin::Base(from), stop, partial: false };
                let (mut store, rebuilt) = rebuild.with(plan).run(partition, work)?;
                let compared = compare(&live.reader(), &store.reader(), Sample::ALL, &mut |_| {})?;
                if compared.differences > 0 {
                    let generation = store.generation();
                    drop(store);
                    stores.remove(partition, generation)?;
                    return Err(JobError::NotTheSame { partition, differences: compared.differences });
                }
                store.succeed(&live.reader())?;
                (store, rebuilt)
            }
            None => rebuild.copy(partition, work)?,
        };
        store.close()?;
        stores.activate(partition, rebuilt.generation)?;
        Ok(rebuilt)
    })?;
    let (made, failure) = part(results);
    let mut out = Output::new();
    for rebuilt in made {
        let made = shown::rebuilt(&rebuilt);
        if args.json { out.json(&made)? } else { out.line(job_lines::rebuilt(&made))? }
    }
    out.flush()?;
    failure.map_or(Ok(Status::Done), Err)
}

/// The store that a service would go on with: sound, and where the log still reaches.
fn served(
    opened: &Opened,
    stores: &PartitionStores,
    partition: Partition,
) -> Result<Option<StoreWriter>, JobError> {
    let live = match stores.open_live(partition) {
        Ok(Some(live)) => live,
        Ok(None) | Err(StoreError::Damaged { .. } | StoreError::Unreadable { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bounds = opened.log.bounds(Topic::Events, partition)?;
    let reached = (bounds.start..=bounds.high_watermark).contains(&live.meta().progress.next);
    Ok(Some(live).filter(|_| reached))
}
