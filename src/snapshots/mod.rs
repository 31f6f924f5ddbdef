//! Snapshots: the rows of a partition at one position, beside the log, so that not all of it must be read.
//!
//! [`Publication`] writes a cycle to the snapshots topic: the rows that changed, and a checkpoint. [`topic`]
//! reads a snapshot partition, [`restore`] makes a generation from it, or from a base of the [`archive`].
//! Nothing here knows what a row means: keys, values, hashes.
//!
//! A base is checked before it is used (invariant 6): right log, right partition, no newer format, a position
//! that the log still reaches, and the count and digest of its rows. What fails is a [`BaseError`] that names
//! the cause; another base may do ([`BaseError::is_of_the_base`]).

pub mod archive;
mod base;
pub mod bring_back;
mod chunks;
mod publish;
pub mod restore;
mod sort;
pub mod topic;
mod work;

#[cfg(test)]
pub(crate) mod tests;

pub use base::{BaseError, Wanted};
pub use chunks::Chunk;
pub use publish::{Publication, PublishError, Step};
pub use work::{Done, Work};
