//! The projector: folds the records of one partition into its store.
//!
//! One fold, two modes. **Live** commits each batch at once, with history. **Bulk** folds into bounded memory
//! and writes sorted files: several times faster, without history. Both give byte-identical rows, digest and
//! position, for any split of the same records into batches and any number of crashes in between, because
//! - a row is a function of the records below the position alone, and
//! - rows and position go into the store in one atomic write.
//!
//! Rows that were read or written stay at hand: in the form that evolving needs (`working.rs`, `at_hand`)
//! and, where memory is short, as the store would write them (`packed.rs`), the longest untouched going first.
//!
//! A record that cannot be understood is put aside in the dead letters, acknowledged, before the position
//! passes it: at least once. The order in [`Projector::commit`] is what holds this.

mod at_hand;
mod error;
mod fingerprint;
mod fold;
mod kept;
mod letters;
mod notices;
mod packed;
mod results;
mod working;

#[cfg(test)]
mod tests;

use crate::domain::Rules;

pub use error::ProjectError;
pub use fingerprint::fingerprint;
pub use fold::{Mode, Projector};
pub use kept::{KeptError, KeptRecord};
pub use letters::{DeadLetters, Letter, header};

/// What every projector of a process is told.
#[derive(Debug, Clone)]
pub struct ProjectorSettings {
    pub rules: Rules,
    /// Largest record value that is read, in bytes; a larger one is malformed.
    pub max_record_bytes: usize,
    /// How long an outcome is remembered, in milliseconds of the results' log time (`dedupe.window`).
    pub dedupe_window_ms: i64,
}
