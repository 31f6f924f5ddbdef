//! `[telemetry]`: what the process says of itself.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// What the process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or per module as in
    /// `info,inventory_store::lane=debug`.
    pub level: String,
    /// `auto` (text on a terminal, JSON otherwise), `text` or `json`.
    pub format: LogFormat,
    /// Whether `serve` shows a live line on a terminal: events/s, position, SKUs.
    pub status_line: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto, status_line: true }
    }
}

impl TelemetryConfig {
    /// # Errors
    /// Everything that is wrong, each naming its key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        match EnvFilter::builder().parse(&self.level) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(vec![format!("level: {:?} is no level ({error}); write for example info", self.level)])
            }
        }
    }
}
