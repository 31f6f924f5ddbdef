use clap::Args as ClapArgs;

use super::client::{Client, DEFAULT_URL, TokenArgs};
use super::exit::{Failure, Status};
use super::remote_job;
use crate::jobs::{Only, Request};

/// Publish a snapshot of a running service's partitions now, and wait for the checkpoints.
///
/// Each holds everything that was applied when this was asked for. A service that stops publishes a last one by
/// itself (snapshot.at_shutdown).
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store snapshot
  inventory-store snapshot --partition 3 --json
  inventory-store snapshot --url http://127.0.0.1:9090 --token-file admin.token

Prints cycle, position, changed rows and bytes of each partition. Status 1: a partition is not owned there, or
stands still; 3: it is not live yet, or its lane made no progress.")]
pub struct Args {
    /// The running service.
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
    /// Only this partition; may be given more than once.
    #[arg(long, value_name = "N")]
    partition: Vec<u16>,
    /// A JSON object per partition.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    token: TokenArgs,
}

pub fn run(args: Args) -> Result<Status, Failure> {
    let client = Client::new(&args.url, &args.token)?;
    remote_job::run(&client, &Request::Snapshot(Only { partitions: args.partition }), args.json)
}
