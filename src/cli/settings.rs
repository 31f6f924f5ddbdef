use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use crate::config::{Flag, Loaded, Sources};

/// What every verb takes.
#[derive(Args, Clone)]
pub struct CommonArgs {
    /// A TOML file of settings; may be given more than once, a later one wins. No file is read unless named.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "INVENTORY_STORE_CONFIG",
        help_heading = "Settings"
    )]
    config: Vec<PathBuf>,
}

impl CommonArgs {
    /// The settings in force: defaults, then files, then the environment, then `flags`.
    pub fn load(&self, flags: Vec<Flag>) -> Result<Loaded, Failure> {
        // A variable that is not UTF-8 is none of ours.
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Sources { files: self.config.clone(), environment, flags }.load()?)
    }
}

/// A flag that carries a setting, where it was given.
pub fn flag(flag: &'static str, key: &'static str, value: Option<impl ToString>) -> Option<Flag> {
    value.map(|value| Flag { flag, key, value: value.to_string() })
}
