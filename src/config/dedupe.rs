//! `[dedupe]`: how long a command's outcome is remembered.

use serde::{Deserialize, Serialize};

/// `[dedupe]`: how long a command's outcome is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DedupeConfig {
    /// Hours of log time within which the same command again gets its first outcome, and changes nothing. The
    /// results topic must be kept for longer. Default 24.
    pub window: u32,
}

impl Default for DedupeConfig {
    fn default() -> Self {
        Self { window: 24 }
    }
}

impl DedupeConfig {
    /// The window in milliseconds.
    #[must_use]
    pub fn window_ms(&self) -> i64 {
        i64::from(self.window) * 3_600_000
    }

    /// # Errors
    /// Everything that is wrong, each naming its key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        if self.window == 0 {
            return Err(vec!["window: 0 remembers nothing; at least 1 hour is needed".into()]);
        }
        Ok(())
    }
}
