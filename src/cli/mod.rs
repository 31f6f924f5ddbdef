//! The command line: one file per verb. Data goes to stdout, everything else to stderr.
//!
//! Exit statuses are a promise to scripts ([`exit::Status`]): 0 done, 1 refused or not found, 2 usage or
//! configuration, 3 unreachable or timed out, 4 data error, 130 interrupted. [`settings`] turns `--config`,
//! the environment and flags into the settings; [`source`] is where a reading verb reads from: a running
//! service or the directory of a stopped one.

mod archive;
mod banner;
mod brokers;
mod client;
mod clock;
mod command;
mod completions;
mod config;
mod cutover;
mod dead_letters;
mod exit;
mod generate;
mod generations;
mod get;
mod history;
mod input;
mod job_lines;
mod kafka_metrics;
mod maintenance;
mod measured;
mod open;
mod output;
mod parallel;
mod progress;
mod publish;
mod rebuilding;
mod remote_job;
mod replay;
mod restore;
mod serve;
mod settings;
mod signals;
mod snapshot;
mod source;
mod status_line;
mod table;
mod target;
mod telemetry;
mod topics;
mod verify;
mod workshop;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::{Failure, Status};
use settings::CommonArgs;

/// An event-sourced inventory store: events in, stock out.
///
/// Kafka's inventory.events is the truth; without brokers, an embedded log in the data directory is.
#[derive(Parser)]
#[command(name = "inventory-store", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Try it:
  inventory-store serve                                  # a service on an embedded log in ./data
  inventory-store generate --events 1000 --skus 100 --seed 1
  inventory-store get SKU-000007

Exit status: 0 done, 1 refused or not found, 2 usage or configuration, 3 unreachable or timed out,
4 data error, 130 interrupted.";

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Args),
    Publish(publish::Args),
    Generate(generate::Args),
    Get(get::Args),
    History(history::Args),
    Command(command::Args),
    Replay(replay::Args),
    Restore(restore::Args),
    Verify(verify::Args),
    Topics(topics::Args),
    Config(config::Args),
    DeadLetters(dead_letters::Args),
    Snapshot(snapshot::Args),
    Archive(archive::Args),
    Generations(generations::Args),
    Completions(completions::Args),
}

/// Runs the verb that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a reader that has gone away is no failure.
            let _ = error.print();
            return if error.use_stderr() { Status::Usage.into() } else { Status::Done.into() };
        }
    };
    match run(cli) {
        Ok(status) => status.into(),
        Err(failure) => failure.report(),
    }
}

/// `docs/cli.md`: the help of every verb.
#[must_use]
pub fn documentation() -> String {
    let mut page = String::from(
        "# Command line\n\n\
         `inventory-store VERB`. Data goes to stdout, everything else to stderr; verbs that print data take `--json`.\n\
         This page is the help of every verb; a test holds the two together (`INVENTORY_STORE_WRITE_DOCS=1` rewrites it).\n\
         The settings are in [configuration.md](configuration.md).\n\n\
         | status | meaning |\n|---|---|\n\
         | 0 | done |\n\
         | 1 | refused, not found, or differences found |\n\
         | 2 | usage or configuration, a data directory in use |\n\
         | 3 | unreachable or timed out: the same again may succeed |\n\
         | 4 | data error: corrupt, truncated, rewritten |\n\
         | 130 | interrupted; may be run again (`serve`: by a second signal; the first one ends it with 0) |\n",
    );
    document(&Cli::command(), "inventory-store", &mut page);
    page
}

fn document(command: &clap::Command, name: &str, page: &mut String) {
    // As wide everywhere, whatever terminal the test runs in.
    let mut command = command.clone().term_width(100).bin_name(name);
    page.push_str(&format!("\n## {name}\n\n```\n"));
    for line in command.render_long_help().to_string().lines() {
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page.push_str("```\n");
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        document(verb, &format!("{name} {}", verb.get_name()), page);
    }
}

fn run(cli: Cli) -> Result<Status, Failure> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Serve(args) => serve::run(&common, args),
        Verb::Publish(args) => publish::run(&common, args),
        Verb::Generate(args) => generate::run(&common, args),
        Verb::Get(args) => get::run(&common, args),
        Verb::History(args) => history::run(&common, args),
        Verb::Command(args) => command::run(&common, args),
        Verb::Replay(args) => replay::run(&common, args),
        Verb::Restore(args) => restore::run(&common, args),
        Verb::Verify(args) => verify::run(&common, args),
        Verb::Topics(args) => topics::run(&common, args),
        Verb::Config(args) => config::run(&common, args),
        Verb::DeadLetters(args) => dead_letters::run(&common, args),
        Verb::Snapshot(args) => snapshot::run(args),
        Verb::Archive(args) => archive::run(&common, args),
        Verb::Generations(args) => generations::run(&common, args),
        Verb::Completions(args) => completions::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_examples() {
        for verb in Cli::command().get_subcommands() {
            let help = verb.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", verb.get_name());
        }
    }
}
