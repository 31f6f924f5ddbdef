use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A long piece of work, as others see it: how far it is, and whether it is to stop.
///
/// Written by the one who works, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Work {
    stop: Arc<AtomicBool>,
    phase: Mutex<Phase>,
    done: AtomicU64,
    total: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// What is being done, since when, and what was done of it then.
#[derive(Debug, Default)]
struct Phase {
    name: &'static str,
    began: Option<(Instant, u64)>,
}

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Done {
    /// What is being done now, in a word.
    pub phase: &'static str,
    /// In the phase's own unit, of `total`; a total of 0 is not known.
    pub done: u64,
    pub total: u64,
    /// Rows written so far.
    pub rows: u64,
    /// Bytes read or written so far.
    pub bytes: u64,
    /// Of this phase's unit, since it began; nothing while that is not known.
    pub per_second: Option<f64>,
    /// Of this phase, at the rate so far; nothing while that is not known.
    pub seconds_left: Option<f64>,
}

impl Work {
    /// Work that stops when this is set.
    #[must_use]
    pub fn stopped_by(stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..Self::default() }
    }

    /// Asks it to stop at the next opportunity.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn done(&self) -> Done {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let per_second = phase.began.and_then(|(began, from)| {
            let rate = done.saturating_sub(from) as f64 / began.elapsed().as_secs_f64();
            (rate > 0.0 && rate.is_finite()).then_some(rate)
        });
        // A total of 0 is not known, and so is what is left of it.
        let seconds_left =
            per_second.filter(|_| total > 0).map(|rate| total.saturating_sub(done) as f64 / rate);
        Done {
            phase: phase.name,
            done,
            total,
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            per_second,
            seconds_left,
        }
    }

    /// Begins a phase of `total` units, of which `done` are done already.
    pub fn begin(&self, phase: &'static str, done: u64, total: u64) {
        let began = Some((Instant::now(), done));
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase { name: phase, began };
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub fn reach(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    pub fn add(&self, done: u64, rows: u64, bytes: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
