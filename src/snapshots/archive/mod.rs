//! The archive: bases as sorted, checksummed, compressed files in a directory or any object store.
//!
//! # Layout
//! ```text
//! 007/00000000000000000042-9f86d081884c7d65/     a base: partition, `next` of events, tag
//!     rows-5f3a…-00000.rows …                    rows in the order of their keys, about 8 MiB a file
//!     manifest.json                              written last: with it, and only with it, this is a base
//!     superseded.json                            where there is one, the base is never restored
//! ```
//! The tag is a hash of what the base is of (cluster, log start, versions, digest), so two processes that
//! archive the same state come to the same name, and other state never does.
//!
//! # How it holds
//! - Every file is put whole and only where there was none; the manifest is put last. A process killed before
//!   leaves files that no manifest names: never listed, swept after a day ([`Archive::sweep`]).
//! - Each block of a file carries its checksum, each file its totals, and the manifest each file's size and
//!   sha256, its own checksum, and the digest of all rows. Reading ends well only where all of that agrees; one
//!   bit flipped anywhere is a typed error ([`ArchiveError`]) that names the file. Nothing is ever replaced by
//!   a default.
//! - Memory does not grow with rows: a writer or reader holds a few blocks and two files.
//!
//! The bytes stand in `docs/formats.md`. Calls block, each at most `archive.timeout_seconds`: call them from
//! plain threads, never from an async task.

mod base;
mod block;
mod copies;
mod error;
mod file;
mod keeping;
mod manifest;
mod open;
mod place;
mod reader;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use base::{Archive, Base, Listing, Unsound};
pub use error::ArchiveError;
pub use keeping::{Keeping, Pruned};
pub use manifest::{BaseId, FileEntry, Manifest};
pub use reader::{Given, Hashed, KeyAndValue, RowReader};
pub use verify::Verified;
pub use writer::{BaseWriter, Origin, Published};
