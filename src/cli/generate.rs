use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde_json::json;

use super::client::Client;
use super::exit::{Failure, Status};
use super::output::{Output, to_stderr};
use super::settings::CommonArgs;
use super::target::{Message, Target, TargetArgs};
use crate::codec::event::{Mode, encode};
use crate::generator::{Commands, Options, Warehouse};
use crate::types::{Header, Topic, UtcTime};

/// Send a generated warehouse day: receipts, allocations, picks, holds, damage, transfers.
///
/// The same seed, number of SKUs and start give the same events on any machine.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store generate --events 10000 --skus 100 --seed 1
  inventory-store generate --events 100000 --skus 1000 --seed 1 --rate 2000
  inventory-store generate --events 1000 --skus 10 --seed 1 --commands --brokers kafka-1:9092")]
pub struct Args {
    /// How many.
    #[arg(long, value_name = "N")]
    events: u64,
    /// Over how many SKUs, SKU-000000 and up.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    skus: u32,
    /// What the day is made from.
    #[arg(long, value_name = "S")]
    seed: u64,
    /// How many a second; as fast as they are taken, unless given.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Commands in place of events.
    #[arg(long)]
    commands: bool,
    /// The time of the first event; a millisecond lies between two.
    #[arg(long, value_name = "TIME", conflicts_with = "commands")]
    start: Option<UtcTime>,
    /// Wait until the service is ready, this long at most.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// A file that keeps how many were taken; the next run with it goes on behind those.
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// The summary as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Sent at once without a rate.
const BATCH: u64 = 1_000;

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let loaded = common.load(args.target.brokers.flag().into_iter().collect())?;
    let target = Target::open(&args.target, &loaded.config)?;
    if let (Target::Service(client), Some(seconds)) = (&target, args.wait) {
        wait_until_ready(client, Duration::from_secs(seconds))?;
    }
    let done = args.progress.as_deref().map(read_progress).transpose()?.unwrap_or(0);
    let mut stream = stream(&args, done);
    let pace = Pace::new(args.rate);
    let began = Instant::now();
    let (mut sent, mut failed) = (0_u64, 0_u64);
    while done + sent + failed < args.events {
        let count = pace.batch().min(args.events - done - sent - failed);
        let messages: Vec<Message> =
            stream.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        let outcomes =
            target.send(messages).inspect_err(|_| to_stderr(&format!("{sent} were sent before this\n")))?;
        for outcome in outcomes {
            match outcome {
                Ok(_) => sent += 1,
                Err(reason) => {
                    if failed == 0 {
                        to_stderr(&format!("the first that failed: {reason}\n"));
                    }
                    failed += 1;
                }
            }
        }
        if let Some(path) = &args.progress {
            write_progress(path, done + sent + failed)?;
        }
        pace.hold(began, sent + failed);
    }
    summary(&args, &target, sent, failed, began.elapsed())?;
    Ok(if failed == 0 { Status::Done } else { Status::Refused })
}

fn summary(args: &Args, target: &Target, sent: u64, failed: u64, took: Duration) -> Result<(), Failure> {
    let mut out = Output::new();
    let seconds = took.as_secs_f64();
    let rate = if seconds > 0.0 { (sent as f64 / seconds).round() } else { 0.0 };
    if args.json {
        out.json(&json!({"sent": sent, "failed": failed, "seconds": seconds, "per_second": rate, "skus": args.skus, "seed": args.seed}))?;
    } else {
        let what = if args.commands { "commands" } else { "events" };
        out.line(format_args!(
            "{sent} {what} over {} SKUs to {} in {seconds:.1} s ({rate:.0}/s), seed {}",
            args.skus,
            target.name(),
            args.seed
        ))?;
        if failed > 0 {
            out.line(format_args!("{failed} failed"))?;
        }
    }
    out.flush()
}

/// The messages behind the first `done`.
fn stream(args: &Args, done: u64) -> Box<dyn Iterator<Item = Message>> {
    let skip = usize::try_from(done).unwrap_or(usize::MAX);
    if args.commands {
        let commands = Commands::new(args.seed, args.skus).skip(skip);
        return Box::new(commands.map(|(sku, command)| Message {
            place: String::new(),
            id: command.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned(),
            sku,
            topic: Topic::Commands,
            value: command.to_string().into_bytes(),
            headers: vec![Header::new("content-type", "application/cloudevents+json; charset=UTF-8")],
        }));
    }
    let mut options = Options { seed: args.seed, skus: args.skus, ..Options::default() };
    if let Some(start) = args.start {
        options.start = start;
    }
    Box::new(Warehouse::new(options).skip(skip).map(|event| {
        let encoded = encode(&event, Mode::Structured);
        Message {
            place: String::new(),
            id: event.envelope.id.to_string(),
            sku: event.envelope.sku.to_string(),
            topic: Topic::Events,
            value: encoded.value,
            headers: encoded.headers,
        }
    }))
}

/// Keeps a rate without bursts longer than a twentieth of a second.
struct Pace {
    rate: Option<u64>,
}

impl Pace {
    const fn new(rate: Option<u64>) -> Self {
        Self { rate }
    }

    fn batch(&self) -> u64 {
        self.rate.map_or(BATCH, |rate| (rate / 20).clamp(1, BATCH))
    }

    fn hold(&self, began: Instant, sent: u64) {
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(sent as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
}

fn wait_until_ready(client: &Client, at_most: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + at_most;
    loop {
        let last = match client.get("/health/ready") {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => answer.problem(),
            Err(failure) => failure.to_string(),
        };
        if Instant::now() >= deadline {
            let text = format!("{} was not ready within {} s: {last}", client.url(), at_most.as_secs());
            return Err(Failure::text(Status::Unreachable, text));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many were taken before; none where there is no file.
fn read_progress(path: &Path) -> Result<u64, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            Failure::text(
                Status::Usage,
                format!("{} does not hold a number; delete it to begin again", path.display()),
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => {
            Err(Failure::text(Status::Usage, format!("{} cannot be read: {error}", path.display())))
        }
    }
}

/// Whole or not at all: a run that is killed leaves the number before.
fn write_progress(path: &Path, count: u64) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = std::fs::write(&beside, format!("{count}\n")).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        Failure::text(Status::Usage, format!("{} cannot be written: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_as_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("progress");
        assert_eq!(read_progress(&path).expect("none"), 0);
        write_progress(&path, 42).expect("written");
        assert_eq!(read_progress(&path).expect("read"), 42);
        std::fs::write(&path, "many").expect("written");
        assert_eq!(read_progress(&path).expect_err("no number").status, Status::Usage);
    }

    #[test]
    fn a_slow_rate_goes_one_by_one() {
        assert_eq!(Pace::new(Some(5)).batch(), 1);
        assert_eq!(Pace::new(Some(2000)).batch(), 100);
        assert_eq!(Pace::new(None).batch(), BATCH);
    }
}
