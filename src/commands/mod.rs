//! Commands become events and results, or a refusal: everything between a record of the commands topic and
//! the records of one transaction. No log and no store: given rows, gives records.
//!
//! [`Overlay`] is what a lane knows of a partition beyond its store: its own committed events and outcomes
//! that its reader has not delivered yet. [`Deciding`] reads through it, decides a batch of commands one
//! after another, and ends as [`Decided`]: records to write, which then are committed into the overlay or
//! undone as if they had never been.

mod decided;
mod deciding;
mod expiry;
mod overlay;
mod stamp;

#[cfg(test)]
mod tests;

use crate::codec::event::Mode;
use crate::codec::result::Outcome;
use crate::domain::Rules;
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::types::{Sku, Timestamp};

pub use decided::Decided;
pub use deciding::Deciding;
pub use expiry::Due;
pub use overlay::Overlay;

/// What deciding needs to know of the deployment.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// `contract.source` is the source of what is written.
    pub rules: Rules,
    /// How events are written: `contract.mode`.
    pub mode: Mode,
    /// `contract.max_record_bytes`: no larger command is read, and none becomes a larger event.
    pub max_record_bytes: usize,
    /// `contract.extended_values`.
    pub extended_values: bool,
    /// Partitions of events, commands and results.
    pub partitions: u16,
}

/// The rows as the store has them, all at one position.
pub trait Rows {
    /// The store cannot be read.
    type Error;

    /// The SKU's own row.
    ///
    /// # Errors
    /// The store cannot be read.
    fn stock(&self, sku: &str) -> Result<Option<StockRow>, Self::Error>;

    /// One entry.
    ///
    /// # Errors
    /// The store cannot be read.
    fn entry(&self, sku: &str, facet: Facet, id: &str) -> Result<Option<Entry>, Self::Error>;

    /// The first outcome under a name, while it is remembered.
    ///
    /// # Errors
    /// The store cannot be read.
    fn outcome(&self, name: &Name) -> Result<Option<Outcome>, Self::Error>;
}

/// What names a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    pub sku: Sku,
    pub source: Box<str>,
    pub id: Box<str>,
}

impl Name {
    fn bytes(&self) -> usize {
        self.sku.as_str().len() + self.source.len() + self.id.len()
    }
}

/// The log's time of a record that is not written yet: rows made of it are never stored.
const NOT_WRITTEN: Timestamp = Timestamp(0);
