//! Log lines: text on a terminal, JSON otherwise, always on stderr.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::status_line::StatusLine;
use crate::config::{LogFormat, TelemetryConfig};

/// Starts logging as configured; `line` is wiped before a log line is written.
///
/// A variable `RUST_LOG` has no effect: the level is the setting `telemetry.level`.
pub fn start(config: &TelemetryConfig, line: &StatusLine) {
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let text = match config.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(line.clone())
        .with_span_events(FmtSpan::NONE);
    let started = if text {
        builder.with_target(false).with_ansi(stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    if let Err(error) = started {
        super::output::to_stderr(&format!("warning: log lines cannot be set up: {error}\n"));
    }
}
