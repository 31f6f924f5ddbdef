//! How far a long verb is: a bar on a terminal, a JSON line a second elsewhere; both on stderr.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::to_stderr;

/// Between two JSON lines.
const EVERY: Duration = Duration::from_secs(1);

/// The progress of one verb.
pub struct Progress {
    what: &'static str,
    began: Instant,
    told: Cell<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(what: &'static str) -> Self {
        let began = Instant::now();
        let bar = stderr().is_terminal().then(|| {
            let style = "{msg} {bar:30} {human_pos}/{human_len} {per_sec}, {eta} left";
            // The template is ours, and a bar without it would still count.
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { what, began, told: Cell::new(began), bar }
    }

    /// `done` of `total` of what the phase does.
    pub fn show(&self, phase: &str, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(phase.to_owned());
        } else if self.told.get().elapsed() >= EVERY {
            self.told.set(Instant::now());
            let seconds = self.began.elapsed().as_secs_f64();
            let rate = done as f64 / seconds.max(0.001);
            let left = total.saturating_sub(done) as f64 / rate.max(0.001);
            let line = json!({
                "progress": self.what,
                "phase": phase,
                "done": done,
                "total": total,
                "per_second": rate.round(),
                "seconds": seconds.round(),
                "seconds_left": left.round(),
            });
            to_stderr(&format!("{line}\n"));
        }
    }

    /// Takes a bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
