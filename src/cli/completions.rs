use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::exit::{Failure, Status};

/// Print a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  inventory-store completions bash > /etc/bash_completion.d/inventory-store
  inventory-store completions zsh > ~/.zfunc/_inventory-store")]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

pub fn run(args: Args) -> Result<Status, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::Cli::command(), "inventory-store", &mut script);
    let mut out = super::output::Output::new();
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    out.flush()?;
    Ok(Status::Done)
}
