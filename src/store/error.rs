use std::io;
use std::path::{Path, PathBuf};

use crate::codec::rows::RowError;
use crate::types::Partition;

/// What can go wrong with a store. Each message names the directory and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory.
    #[error("{directory} is in use by process {pid} at {url}; stop it, or ask it with --url {url}")]
    Locked { directory: PathBuf, pid: u32, url: String },
    /// Bytes that this store did not write: a failing disk, or a foreign hand.
    #[error(
        "the store in {directory} is damaged: {detail}; set the directory aside and start again: the partition is then rebuilt from a base or the log"
    )]
    Damaged { directory: PathBuf, detail: String },
    /// A row or meta value that cannot be read.
    #[error(
        "the store in {directory} holds an unreadable value under key {key}: {source}; set the directory aside and start again: the partition is then rebuilt from a base or the log"
    )]
    Unreadable { directory: PathBuf, key: String, source: RowError },
    /// No room on the device; nothing of the write happened.
    #[error("no space left for the store in {directory}; free some, then start again: nothing is lost")]
    DiskFull { directory: PathBuf },
    /// Written by a newer program.
    #[error(
        "the store in {directory} was written with {what} {found}, this program knows up to {known}; run the newer program, or set the directory aside and rebuild it"
    )]
    Newer { directory: PathBuf, what: &'static str, found: u32, known: u32 },
    /// The directory holds another partition's store.
    #[error("{directory} holds the store of partition {found}, expected partition {expected}")]
    OtherPartition { directory: PathBuf, found: Partition, expected: Partition },
    /// A row stands twice in one write: a fault of the caller, refused before anything is written.
    #[error("one write names the row {key} twice")]
    RepeatedRow { key: String },
    /// A counter or the digest would leave its range: a fault of the caller.
    #[error("the write does not fit the store in {directory}: {detail}")]
    Inconsistent { directory: PathBuf, detail: String },
    #[error("cannot use {path}: {source}; see that this process may read and write it, then start again")]
    Io { path: PathBuf, source: io::Error },
    #[error("the store in {directory} failed: {detail}")]
    Failed { directory: PathBuf, detail: String },
}

impl StoreError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            Self::DiskFull { directory: path.to_path_buf() }
        } else {
            Self::Io { path: path.to_path_buf(), source }
        }
    }

    /// What RocksDB said about the store in `directory`. Its binding passes on no codes, only texts.
    pub(super) fn rocksdb(directory: &Path, error: &rocksdb::Error) -> Self {
        let directory = directory.to_path_buf();
        let detail = error.to_string();
        if detail.contains("No space left on device") || detail.contains("Space limit reached") {
            return Self::DiskFull { directory };
        }
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Damaged { directory, detail },
            _ => Self::Failed { directory, detail },
        }
    }

    pub(super) fn unreadable(directory: &Path, key: &[u8], source: RowError) -> Self {
        Self::Unreadable { directory: directory.to_path_buf(), key: key.escape_ascii().to_string(), source }
    }
}
