use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, DEFAULT_URL, TokenArgs};
use super::clock;
use super::exit::{Failure, Status};
use super::job_lines;
use super::open;
use super::output::{Output, to_stderr};
use super::parallel::in_parallel;
use super::remote_job;
use super::settings::{CommonArgs, flag};
use super::table::{Table, shown as printable};
use crate::config::Config;
use crate::jobs::{Only, Request, shown};
use crate::snapshots::archive::{Archive, BaseId, Keeping, Origin, Unsound};
use crate::snapshots::{BaseError, Work};
use crate::store::{DirectoryLock, StoreReader};
use crate::types::Partition;

/// Bases kept beyond what topics remember: make, list, check, remove them.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store archive create                               # by the running service, where it keeps them
  inventory-store archive create --data-dir ./data             # of a stopped one, under snapshots/
  inventory-store archive list --archive s3://bucket/inventory
  inventory-store archive verify                               # reads everything; status 4 if anything is wrong
  inventory-store archive prune --keep 7 --keep-days 30 --dry-run")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a base of each partition, as it is now. A base that is there already is kept.
    #[command(
        after_help = "Examples:\n  inventory-store archive create --url http://127.0.0.1:9090\n  inventory-store archive create --data-dir ./data --archive /backup/inventory"
    )]
    Create {
        /// The running service that makes them, in its own archive; without it and --data-dir, the one at
        /// http://127.0.0.1:8080.
        #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "archive"])]
        url: Option<String>,
        /// The data directory of a stopped service.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        token: TokenArgs,
        /// Only this partition; may be given more than once.
        #[arg(long, value_name = "N")]
        partition: Vec<u16>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// What there is, by partition and position.
    #[command(after_help = "Examples:\n  inventory-store archive list --partition 3 --json")]
    List {
        /// Only this partition.
        #[arg(long, value_name = "N")]
        partition: Option<u16>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Read bases as a whole and check every byte; all of them where none is named.
    #[command(
        after_help = "Examples:\n  inventory-store archive verify\n  inventory-store archive verify 007-42-9f86d081884c7d65"
    )]
    Verify {
        /// Which.
        #[arg(value_name = "BASE")]
        bases: Vec<BaseId>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Remove bases that are older than is kept, and what killed processes left; never the last sound base of a
    /// partition.
    #[command(
        after_help = "Examples:\n  inventory-store archive prune --dry-run\n  inventory-store archive prune --keep 3 --keep-days 0"
    )]
    Prune {
        /// Keep so many of the newest of each partition, instead of archive.keep.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Keep those made within so many days, instead of archive.keep_days.
        #[arg(long, value_name = "DAYS")]
        keep_days: Option<u32>,
        /// Only show what would be removed.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(ClapArgs)]
struct PlaceArgs {
    /// The archive's root, instead of archive.url: a directory, file://, s3://, gs:// or az://.
    #[arg(long = "archive", value_name = "URL")]
    archive: Option<String>,
    /// A JSON object per base.
    #[arg(long)]
    json: bool,
}

impl PlaceArgs {
    fn open(&self, common: &CommonArgs) -> Result<(Archive, Config), Failure> {
        let flags = flag("--archive", "archive.url", self.archive.as_ref()).into_iter().collect();
        let config = common.load(flags)?.config;
        Ok((Archive::open(&config.archive)?, config))
    }
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    match args.what {
        What::Create { url, data_dir: None, token, partition, place } => {
            if place.archive.is_some() {
                let text = "--archive goes with --data-dir: a running service makes bases where its own archive.url says";
                return Err(Failure::text(Status::Usage, text));
            }
            let client = Client::new(url.as_deref().unwrap_or(DEFAULT_URL), &token)?;
            remote_job::run(&client, &Request::Archive(Only { partitions: partition }), place.json)
        }
        What::Create { data_dir: Some(data_dir), partition, place, .. } => {
            let (archive, config) = place.open(common)?;
            create(&archive, &config, &data_dir, &partition, place.json)
        }
        What::List { partition, place } => list(&place.open(common)?.0, partition.map(Partition), place.json),
        What::Verify { bases, place } => verify(&place.open(common)?.0, bases, place.json),
        What::Prune { keep, keep_days, dry_run, place } => {
            let (archive, mut config) = place.open(common)?;
            config.archive.keep = keep.unwrap_or(config.archive.keep);
            config.archive.keep_days = keep_days.unwrap_or(config.archive.keep_days);
            prune(&archive, Keeping::new(&config.archive), dry_run, place.json)
        }
    }
}

fn create(
    archive: &Archive,
    config: &Config,
    data_dir: &std::path::Path,
    wanted: &[u16],
    as_json: bool,
) -> Result<Status, Failure> {
    if !data_dir.join("partitions").is_dir() {
        let text = format!("{} holds no stores; is it the --data-dir of a service?", data_dir.display());
        return Err(Failure::text(Status::Usage, text));
    }
    let _lock = DirectoryLock::take(data_dir)?;
    let stores = open::stores(data_dir, config, 1)?;
    let mut readers: Vec<(StoreReader, String)> = Vec::new();
    for partition in stores.partitions()? {
        if !wanted.is_empty() && !wanted.contains(&partition.0) {
            continue;
        }
        if let Some(store) = stores.open_live(partition)? {
            let from = format!("{} in {}", store.generation(), data_dir.display());
            readers.push((store.reader(), from));
        }
    }
    if let Some(missing) = wanted.iter().find(|n| !readers.iter().any(|(r, _)| r.partition().0 == **n)) {
        let text = format!("{} holds no store of partition {missing}", data_dir.display());
        return Err(Failure::text(Status::Refused, text));
    }

    let outcomes = in_parallel("archive create", &readers, |(reader, from), work| {
        let origin = Origin { created_at: clock::now(), created_from: from.clone() };
        archive.create(reader, origin, work)
    })?;

    let mut out = Output::new();
    // What was made is said before what was not.
    let (made, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    for published in made.iter().flatten() {
        let line = shown::archived(published);
        if as_json { out.json(&line)? } else { out.line(job_lines::archived(&line))? }
    }
    out.flush()?;
    match failed.into_iter().find_map(Result::err) {
        Some(error) => Err(error.into()),
        None => Ok(Status::Done),
    }
}

fn list(archive: &Archive, partition: Option<Partition>, as_json: bool) -> Result<Status, Failure> {
    let listing = archive.list(partition)?;
    let mut out = Output::new();
    if as_json {
        for base in &listing.bases {
            out.json(&shown::base(base))?;
        }
        for unsound in &listing.unsound {
            out.json(&line_of_unsound(unsound))?;
        }
    } else {
        let head = ["base", "rows", "bytes", "events until", "made", "of", "state"];
        let mut table = Table::new(&head).right(1).right(2);
        for base in &listing.bases {
            let manifest = &base.manifest;
            table.row(vec![
                base.id.to_string(),
                manifest.rows.to_string(),
                manifest.bytes().to_string(),
                manifest.event_time().map_or_else(|| "-".into(), |time| time.to_string()),
                manifest.created_at.to_string(),
                printable(&manifest.created_from),
                base.superseded.as_ref().map_or("-".into(), |why| format!("superseded: {}", printable(why))),
            ]);
        }
        for line in table.lines() {
            out.line(line)?;
        }
        for unsound in &listing.unsound {
            out.line(format_args!("{}  unsound: {}", unsound.id, unsound.error))?;
        }
    }
    out.flush()?;
    Ok(Status::Done)
}

fn verify(archive: &Archive, wanted: Vec<BaseId>, as_json: bool) -> Result<Status, Failure> {
    let mut ids = wanted;
    let mut unsound: Vec<Unsound> = Vec::new();
    if ids.is_empty() {
        let listing = archive.list(None)?;
        ids = listing.bases.iter().map(|base| base.id).collect();
        unsound = listing.unsound;
    }
    let found = in_parallel("archive verify", &ids, |id, work| (*id, archive.verify(*id, work)))?;

    let mut interrupted = false;
    let mut out = Output::new();
    for (id, verified) in found {
        match verified {
            Ok(sound) if as_json => {
                out.json(&json!({"base": id.to_string(), "sound": true, "rows": sound.rows, "files": sound.files, "bytes": sound.bytes}))?;
            }
            Ok(sound) => out.line(format_args!("{id}  sound  {} rows  {} bytes", sound.rows, sound.bytes))?,
            Err(BaseError::Interrupted) => interrupted = true,
            Err(BaseError::Archive(error)) if error.is_damage() => unsound.push(Unsound { id, error }),
            Err(error) => return Err(error.into()),
        }
    }
    for unsound in &unsound {
        if as_json {
            out.json(&line_of_unsound(unsound))?;
        } else {
            out.line(format_args!("{}  unsound: {}", unsound.id, unsound.error))?;
        }
    }
    out.flush()?;
    match (unsound.is_empty(), interrupted) {
        (false, _) => Ok(Status::Data),
        (true, true) => Err(BaseError::Interrupted.into()),
        (true, false) => Ok(Status::Done),
    }
}

fn prune(archive: &Archive, keeping: Keeping, dry_run: bool, as_json: bool) -> Result<Status, Failure> {
    /// What lies about of a base that is being written is younger than this.
    const AT_WORK: Duration = Duration::from_secs(24 * 3600);

    let now = clock::now();
    let pruned = archive.prune(keeping, now, dry_run, &Work::default())?;
    let swept = if dry_run { 0 } else { archive.sweep(AT_WORK, now)? };
    let outcome = if dry_run { "would be removed" } else { "removed" };
    let mut out = Output::new();
    for base in &pruned.removed {
        if as_json {
            let mut line = shown::base(base);
            line["outcome"] = json!(outcome);
            out.json(&line)?;
        } else {
            out.line(format_args!("{}  {outcome}", base.id))?;
        }
    }
    out.flush()?;
    for unsound in &pruned.unsound {
        to_stderr(&format!("{} is unsound and was left: {}\n", unsound.id, unsound.error));
    }
    for partition in &pruned.held_back {
        to_stderr(&format!(
            "nothing of partition {partition} was removed: none of the bases that would stay is sound\n"
        ));
    }
    to_stderr(&format!(
        "{} kept, {} {outcome}, {swept} stray files swept\n",
        pruned.kept.len(),
        pruned.removed.len()
    ));
    Ok(if pruned.unsound.is_empty() && pruned.held_back.is_empty() { Status::Done } else { Status::Data })
}

fn line_of_unsound(unsound: &Unsound) -> Value {
    json!({
        "base": unsound.id.to_string(),
        "partition": unsound.id.partition,
        "next": unsound.id.next,
        "sound": false,
        "error": unsound.error.to_string(),
    })
}
