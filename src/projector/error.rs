use crate::domain::EvolveError;
use crate::log::LogError;
use crate::store::StoreError;
use crate::types::{Partition, Position};

/// Why a partition cannot be folded on.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "malformed records of partition {partition} cannot be put aside in {}: {source}",
        crate::types::Topic::DeadLetters
    )]
    DeadLetters { partition: Partition, source: LogError },
    /// A fault of this program, not of the record.
    #[error("the event at {position} cannot be folded: {source}")]
    Evolve { position: Position, source: EvolveError },
}

impl ProjectError {
    /// Whether calling [`super::Projector::commit`] again may succeed without anything being changed.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::DiskFull { .. }),
            Self::DeadLetters { source, .. } => source.is_retriable(),
            Self::Evolve { .. } => false,
        }
    }
}
