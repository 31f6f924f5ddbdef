use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs};

use super::cutover::{self, Cutover};
use super::exit::{Failure, Status};
use super::job_lines;
use super::output::Output;
use super::rebuilding::{FromArgs, Made, Opened, each, part};
use super::remote_job;
use super::settings::CommonArgs;
use crate::jobs::{Begin, Plan, Rebuild, Replay, Request, Stop, shown};
use crate::query::reads;
use crate::store::{DirectoryLock, PartitionStores};
use crate::types::{NextOffset, Partition, Sku, partition_of};

/// Make stores anew from a base and the log, beside what is served.
///
/// A running service does it itself and goes on serving; a stopped one's is done here. Interrupted (Ctrl-C
/// cancels it in the service too) or killed, the same again goes on where it was. A summary per partition in
/// the end.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store replay --cutover                                         # of the running service
  inventory-store replay --to 2026-11-01T12:00:00Z --sku SKU-000007
  inventory-store replay --data-dir ./data --into ./rebuilt                # of a stopped one
  inventory-store replay --brokers kafka-1:9092 --from timestamp 2026-11-01T00:00:00Z --into ./since
  inventory-store replay --data-dir ./data --cutover --accept-changes 12   # a repair")]
pub struct Args {
    /// Where to begin: `beginning`, `offset PARTITION:OFFSET`, or `timestamp TIME`: from the newest base at or
    /// before it.
    #[arg(long, num_args = 1..=2, value_names = ["WHERE", "VALUE"], default_value = "beginning")]
    from: Vec<String>,
    /// Where to stop, this record too: `PARTITION:OFFSET,…`, a time of the log, or `end`.
    #[arg(long, value_name = "POSITIONS|TIME|end", default_value = "end")]
    to: String,
    /// Only this partition; may be given more than once.
    #[arg(long, value_name = "N", action = ArgAction::Append)]
    partition: Vec<u16>,
    /// The directory to make the stores in; a running service makes them on its machine.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cutover", "sku"])]
    into: Option<PathBuf>,
    /// Make them beside the served ones, and serve them from then on, if they are equal.
    #[arg(long, conflicts_with = "sku")]
    cutover: bool,
    /// With --cutover: serve them though exactly so many rows differ, and list which.
    #[arg(long, value_name = "N", requires = "cutover")]
    accept_changes: Option<u64>,
    /// Print this SKU whole, as it was there, as `get` does.
    #[arg(long, value_name = "SKU")]
    sku: Option<Sku>,
    /// Where there is no base, begin without what came before. What is made so is never served.
    #[arg(long, conflicts_with = "cutover")]
    partial: bool,
    /// Summaries as JSON lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: FromArgs,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let usage = |text: &str| Err(Failure::text(Status::Usage, text));
    if args.into.is_none() && !args.cutover && args.sku.is_none() {
        return usage("say what for: --into DIR, --cutover or --sku SKU");
    }
    if args.cutover && (args.to != "end" || !args.partition.is_empty()) {
        return usage(
            "--cutover serves whole partitions up to the end: it goes with neither --to nor --partition",
        );
    }
    let wrong = |flag: &str, error: String| Failure::text(Status::Usage, format!("{flag} {error}"));
    let begin: Begin = args.from.join(" ").parse().map_err(|error| wrong("--from", error))?;
    let stop: Stop = args.to.parse().map_err(|error| wrong("--to", error))?;
    let plan = Plan { begin, stop, partial: args.partial };
    if let Some(client) = args.source.service(common, args.cutover)? {
        let request = Request::Replay(Replay {
            from: args.from.join(" "),
            to: args.to,
            partitions: args.partition,
            cutover: args.cutover,
            accept_changes: args.accept_changes,
            into: args.into.map(std::path::absolute).transpose()?,
            sku: args.sku,
            partial: args.partial,
        });
        return remote_job::run(&client, &request, args.json);
    }
    let opened = Opened::open(common, &args.source, args.cutover)?;
    if let Some(sku) = &args.sku {
        return of_sku(&opened, plan, sku, args.json);
    }
    let wanted = opened.wanted(&args.partition)?;
    let mut out = Output::new();
    let failure = if args.cutover {
        let stores = opened.stores(&opened.data_dir)?;
        let (mut history_from, mut stop) = (BTreeMap::new(), BTreeMap::new());
        for partition in &wanted {
            // To the very position of what is served, and with history as far back.
            if let Some(live) = stores.open_live(*partition)? {
                history_from.insert(*partition, live.meta().history_begins);
                stop.insert(*partition, live.meta().progress.next);
            }
        }
        let plan = Plan { stop: Stop::At(stop), ..plan };
        let (made, failure) = rebuild(&opened, &stores, plan, history_from, &wanted)?;
        summaries(&mut out, &made, args.json)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let cutover = Cutover { stores: &stores, archive: &opened.archive, accept: args.accept_changes };
        return cutover::run(&cutover, made, &mut out, args.json);
    } else {
        let Some(into) = &args.into else { return usage("--into DIR is missing") };
        let _lock = DirectoryLock::take(into)?;
        let stores = opened.stores(into)?;
        let (made, failure) = rebuild(&opened, &stores, plan, BTreeMap::new(), &wanted)?;
        for (store, rebuilt) in &made {
            stores.activate(rebuilt.partition, store.generation())?;
        }
        summaries(&mut out, &made, args.json)?;
        failure
    };
    out.flush()?;
    failure.map_or(Ok(Status::Done), Err)
}

fn rebuild(
    opened: &Opened,
    stores: &PartitionStores,
    plan: Plan,
    history_from: BTreeMap<Partition, NextOffset>,
    wanted: &[Partition],
) -> Result<(Vec<Made>, Option<Failure>), Failure> {
    let job = Rebuild { history_from, ..opened.rebuild(stores, plan)? };
    Ok(part(each("replay", wanted, |partition, work| job.run(partition, work))?))
}

fn summaries(out: &mut Output, made: &[Made], as_json: bool) -> Result<(), Failure> {
    for (_, rebuilt) in made {
        let made = shown::rebuilt(rebuilt);
        if as_json {
            out.json(&made)?;
        } else {
            out.line(job_lines::rebuilt(&made))?;
        }
    }
    Ok(())
}

/// Rebuilds the SKU's partition in a directory that goes again, and prints the SKU.
fn of_sku(opened: &Opened, plan: Plan, sku: &Sku, as_json: bool) -> Result<Status, Failure> {
    let partition = partition_of(sku.as_str(), opened.partitions);
    let scratch = opened.data_dir.join("scratch-replay");
    std::fs::create_dir_all(&scratch)?;
    let lock = DirectoryLock::take(&scratch)?;
    let stores = opened.stores(&scratch)?;
    let (made, failure) = rebuild(opened, &stores, plan, BTreeMap::new(), &[partition])?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let body = match made.first() {
        Some((store, rebuilt)) => {
            if rebuilt.partial {
                super::output::to_stderr("partial: what came before is missing from these numbers\n");
            }
            reads::stock_level(&store.reader(), sku).map_err(super::source::failed)?
        }
        None => None,
    };
    drop(made);
    drop(stores);
    drop(lock);
    // It takes room and harms nothing.
    let _ = std::fs::remove_dir_all(&scratch);
    let Some(body) = body else {
        return Err(Failure::text(Status::Refused, format!("{sku} had never been seen by then")));
    };
    let mut out = Output::new();
    super::get::print(&mut out, &body.json, as_json)?;
    out.flush()?;
    Ok(Status::Done)
}
