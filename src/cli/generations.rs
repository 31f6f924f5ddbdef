use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::client::{Client, DEFAULT_URL, TokenArgs};
use super::exit::{Failure, Status};
use super::job_lines;
use super::open;
use super::output::Output;
use super::remote_job;
use super::settings::CommonArgs;
use super::table::{Table, shown as printable};
use crate::jobs::generations::{self, Found};
use crate::jobs::{Activate, Only, Request, shown};
use crate::store::{Digest, DirectoryLock, Generation, PartitionStores};
use crate::types::Partition;

/// The rebuildings of each partition: list, remove, switch back.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store generations list                                     # of the running service
  inventory-store generations prune
  inventory-store generations list --data-dir ./data
  inventory-store generations activate 3 gen-0001 --data-dir ./data    # back to the one before a cutover
  inventory-store generations prune --data-dir ./data                  # all but those being served")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every generation, its position, and which is served.
    #[command(after_help = "Examples:\n  inventory-store generations list --data-dir ./data --json")]
    List {
        #[command(flatten)]
        of: DirectoryArgs,
    },
    /// Remove the generations that are not served. A partition that serves none keeps its newest.
    #[command(after_help = "Examples:\n  inventory-store generations prune --data-dir ./data --partition 3")]
    Prune {
        /// Only this partition.
        #[arg(long, value_name = "N")]
        partition: Option<u16>,
        #[command(flatten)]
        of: DirectoryArgs,
    },
    /// Serve this generation: of a stopped service from the next start on, once its rows were read and sum up to
    /// its digest; of a running one at once, brought up to the log's end and holding the very rows that are
    /// served.
    #[command(after_help = "Examples:\n  inventory-store generations activate 3 gen-0001 --data-dir ./data")]
    Activate {
        /// Of which partition.
        partition: u16,
        /// For example gen-0001.
        #[arg(value_parser = generation)]
        generation: Generation,
        #[command(flatten)]
        of: DirectoryArgs,
    },
}

#[derive(ClapArgs)]
struct DirectoryArgs {
    /// The running service; without it and --data-dir, the one at http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    url: Option<String>,
    /// The data directory of a stopped service.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    token: TokenArgs,
    /// A JSON object per generation.
    #[arg(long)]
    json: bool,
}

fn generation(text: &str) -> Result<Generation, String> {
    text.parse()
        .or_else(|()| text.parse().map(Generation))
        .map_err(|_| format!("{text:?} is no generation; `generations list` shows names such as gen-0001"))
}

impl DirectoryArgs {
    /// The stores of a stopped service; nothing where it is a running one's affair.
    fn open(&self, common: &CommonArgs) -> Result<Option<(DirectoryLock, PartitionStores)>, Failure> {
        let Some(data_dir) = &self.data_dir else { return Ok(None) };
        let config = common.load(Vec::new())?.config;
        if !data_dir.join("partitions").is_dir() {
            let text = format!("{} holds no stores; is it the --data-dir of a service?", data_dir.display());
            return Err(Failure::text(Status::Usage, text));
        }
        let lock = DirectoryLock::take(data_dir)?;
        Ok(Some((lock, open::stores(data_dir, &config, 1)?)))
    }

    fn ask(&self, request: &Request) -> Result<Status, Failure> {
        let client = Client::new(self.url.as_deref().unwrap_or(DEFAULT_URL), &self.token)?;
        remote_job::run(&client, request, self.json)
    }
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    match args.what {
        What::List { of } => {
            let Some((_lock, stores)) = of.open(common)? else {
                return of.ask(&Request::Generations(Only::default()));
            };
            list(&stores, of.json)
        }
        What::Prune { partition, of } => {
            let Some((_lock, stores)) = of.open(common)? else {
                return of.ask(&Request::Prune(Only { partitions: partition.into_iter().collect() }));
            };
            prune(&stores, partition.map(Partition), of.json)
        }
        What::Activate { partition, generation, of } => {
            let Some((_lock, stores)) = of.open(common)? else {
                let generation = generation.to_string();
                return of.ask(&Request::Activate(Activate { partition, generation }));
            };
            activate(&stores, Partition(partition), generation, of.json)
        }
    }
}

fn list(stores: &PartitionStores, as_json: bool) -> Result<Status, Failure> {
    let mut out = Output::new();
    let head = ["partition", "generation", "live", "next", "rows", "bytes", "digest"];
    let mut table = Table::new(&head).right(0).right(3).right(4).right(5);
    for partition in stores.homes()? {
        for found in generations::list(stores, None, partition)? {
            if as_json {
                out.json(&shown::generation(&found))?;
                continue;
            }
            let Found { partition, generation, live, bytes, meta } = found;
            let mut cells =
                vec![partition.to_string(), generation.to_string(), if live { "yes" } else { "-" }.into()];
            match meta {
                Ok(meta) => cells.extend([
                    meta.progress.next.to_string(),
                    meta.rows.to_string(),
                    bytes.to_string(),
                    Digest(meta.digest).to_string(),
                ]),
                Err(error) => {
                    cells.extend(["-".into(), "-".into(), bytes.to_string(), printable(&error.to_string())]);
                }
            }
            table.row(cells);
        }
    }
    if !as_json {
        for line in table.lines() {
            out.line(line)?;
        }
    }
    out.flush()?;
    Ok(Status::Done)
}

fn prune(stores: &PartitionStores, only: Option<Partition>, as_json: bool) -> Result<Status, Failure> {
    let mut out = Output::new();
    for partition in
        stores.homes()?.into_iter().filter(|partition| only.is_none_or(|only| only == *partition))
    {
        let mut gone = Vec::new();
        let pruned = generations::prune(stores, None, partition, &mut |removed| gone.push(removed));
        // What was removed is said before what was not.
        for removed in &gone {
            let line = shown::removed(removed);
            if as_json { out.json(&line)? } else { out.line(job_lines::removed(&line))? }
        }
        pruned?;
    }
    out.flush()?;
    Ok(Status::Done)
}

fn activate(
    stores: &PartitionStores,
    partition: Partition,
    generation: Generation,
    as_json: bool,
) -> Result<Status, Failure> {
    if !stores.generations(partition)?.contains(&generation) {
        let text =
            format!("partition {partition} has no {generation}; `generations list` shows what there is");
        return Err(Failure::text(Status::Refused, text));
    }
    let before = stores.live(partition).ok().flatten();
    let store = stores.open_generation(partition, generation)?;
    let meta = store.meta().clone();
    let recount = store.recount()?;
    if (recount.rows, recount.digest) != (meta.rows, Digest(meta.digest)) {
        let text = format!(
            "{generation} of partition {partition} is damaged: it has {} rows with digest {}, its meta says {} with {}; nothing was changed",
            recount.rows,
            recount.digest,
            meta.rows,
            Digest(meta.digest)
        );
        return Err(Failure::text(Status::Data, text));
    }
    store.close()?;
    stores.activate(partition, generation)?;
    let mut out = Output::new();
    if as_json {
        out.json(&json!({
            "partition": partition,
            "generation": generation.to_string(),
            "before": before.map(|before| before.to_string()),
            "next": meta.progress.next,
            "rows": meta.rows,
        }))?;
    } else {
        let before = before.map_or_else(|| "none".to_owned(), |before| before.to_string());
        out.line(format_args!(
            "partition {partition}  {generation}  served from the next start on (before: {before})  next {}  {} rows",
            meta.progress.next, meta.rows
        ))?;
    }
    out.flush()?;
    Ok(Status::Done)
}
