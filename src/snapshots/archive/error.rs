use crate::types::{NextOffset, Partition};

use super::BaseId;

/// What can go wrong with an archive. Each message names the place and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The URL or an option cannot be used.
    #[error("the archive at {url} cannot be used: {detail}; set archive.url and archive.options right")]
    Misconfigured { url: String, detail: String },
    /// No answer, or none in time. The same again may succeed.
    #[error(
        "the archive at {url} cannot be reached: {detail}; see that it answers from here and that archive.options are right, then do the same again: nothing that was published is lost"
    )]
    Unreachable { url: String, detail: String },
    /// The store of the archive answers, and says no.
    #[error(
        "the archive at {url} refuses access: {detail}; see that the credentials may list, read, write and delete there"
    )]
    Denied { url: String, detail: String },
    #[error(
        "no space left for the archive at {url}; free some, then do the same again: bases that were there still are"
    )]
    DiskFull { url: String },
    #[error("the archive at {url} failed: {detail}")]
    Failed { url: String, detail: String },
    /// There is no such base.
    #[error("{url} holds no base {wanted}; `inventory-store archive list` shows what there is")]
    NoBase { url: String, wanted: String },
    /// It was made of state that was found wrong afterwards.
    #[error(
        "base {base} is superseded ({reason}) and never restored; take another, `inventory-store archive list` shows them"
    )]
    Superseded { base: BaseId, reason: String },
    /// A file that the manifest names is not there.
    #[error("{file} of the archive is missing; take another base, or bring the file back")]
    Missing { file: String },
    /// A file ends before its end.
    #[error("{file} of the archive is truncated: {detail}; take another base, or bring the file back")]
    Truncated { file: String, detail: String },
    /// Bytes that were not written like this: a failing disk, or a foreign hand.
    #[error("{file} of the archive is corrupt: {detail}; take another base, or bring the file back")]
    Corrupt { file: String, detail: String },
    /// A sound file, of something else.
    #[error(
        "{file} of the archive does not belong there: {detail}; take another base, or bring the right file back"
    )]
    Foreign { file: String, detail: String },
    /// Written by a newer program.
    #[error(
        "{file} of the archive has {what} {found}, this program knows up to {known}; run the newer program, or take an older base"
    )]
    Newer { file: String, what: &'static str, found: u32, known: u32 },
    /// The rows given to a writer are not the ones that its meta speaks of: a fault of the store they came from.
    #[error(
        "the rows of partition {partition} at {next} are not what its store says: {detail}; run `inventory-store verify`. Nothing was published"
    )]
    UnsoundSource { partition: Partition, next: NextOffset, detail: String },
}

impl ArchiveError {
    /// Whether this base is damaged: another may be sound.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Truncated { .. }
                | Self::Corrupt { .. }
                | Self::Foreign { .. }
                | Self::Newer { .. }
        )
    }

    pub(super) fn corrupt(file: &str, detail: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), detail: detail.into() }
    }
}
