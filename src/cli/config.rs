use clap::{Args as ClapArgs, Subcommand};

use super::exit::{Failure, Status};
use super::output::Output;
use super::settings::CommonArgs;
use crate::config::Setting;

/// Show or check the settings in force.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store config show                              # every setting, its value, where it came from
  inventory-store --config store.toml config check         # status 2 and every problem, if there is one
  INVENTORY_STORE__LANE__LANES=2 inventory-store config show --json")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every setting in force, its value, and where it came from; secrets masked.
    #[command(after_help = "Examples:\n  inventory-store config show | grep -v '# default'")]
    Show {
        /// A JSON array of {key, value, from}.
        #[arg(long)]
        json: bool,
    },
    /// Whether the settings can be used; every problem is listed.
    #[command(after_help = "Examples:\n  inventory-store --config store.toml config check")]
    Check,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let loaded = common.load(Vec::new())?;
    let mut out = Output::new();
    match args.what {
        What::Check => out.line("the configuration can be used")?,
        What::Show { json: true } => out.json(&loaded.settings())?,
        What::Show { json: false } => show(&mut out, &loaded.settings())?,
    }
    out.flush()?;
    Ok(Status::Done)
}

/// As a TOML file, with the origin as a comment.
fn show(out: &mut Output, settings: &[Setting]) -> Result<(), Failure> {
    const COLUMN: usize = 44;
    let mut section = String::new();
    for setting in settings {
        let key = &setting.name;
        if setting.section != section {
            let space = if section.is_empty() { "" } else { "\n" };
            out.line(format_args!("{space}[{}]", setting.section))?;
            section.clone_from(&setting.section);
        }
        let text = match &setting.value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key} is not set"),
        };
        out.line(format_args!("{text:COLUMN$} # {}", setting.from))?;
    }
    Ok(())
}
