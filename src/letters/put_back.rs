use super::{Letter, Origin};
use crate::codec::command;
use crate::codec::event::Malformed;
use crate::log::{Appender, LogError};
use crate::types::{NewRecord, Position, Sku, Topic, partition_of};

/// How commands are read, and how many partitions they have.
#[derive(Debug, Clone, Copy)]
pub struct PutBack {
    pub partitions: u16,
    pub max_bytes: usize,
    pub extended_values: bool,
}

/// Why a letter stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum PutBackError {
    #[error(
        "{origin} is an event: its place in the order is gone. Once the reader understands it, repair with `inventory-store replay --cutover`"
    )]
    Event { origin: Origin },
    #[error("{origin} would be a dead letter again: {malformed}")]
    StillMalformed { origin: Origin, malformed: Malformed },
    #[error(
        "{origin} was too large for its letter and is kept whole in the store of partition {}, which is not here: ask the instance that owns it",
        origin.partition
    )]
    NotWhole { origin: Origin },
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Appends the letter's command again, byte for byte with its own headers, on its SKU's partition. Put back
/// twice, it is decided once.
///
/// # Errors
/// [`PutBackError`]; nothing was appended then, or, with [`PutBackError::Log`], it may have been.
pub fn put_back(
    letter: &Letter,
    how: PutBack,
    appender: &dyn Appender,
) -> Result<(Position, Sku), PutBackError> {
    let origin = letter.origin;
    if origin.topic != Topic::Commands {
        return Err(PutBackError::Event { origin });
    }
    if letter.left_out.is_some() {
        return Err(PutBackError::NotWhole { origin });
    }
    let record = &letter.record;
    let read = command::decode(
        record.key.as_deref(),
        record.value.as_deref(),
        &record.headers,
        how.max_bytes,
        how.extended_values,
    );
    let read = read.map_err(|malformed| PutBackError::StillMalformed { origin, malformed })?;
    let record = NewRecord {
        topic: Topic::Commands,
        partition: partition_of(read.sku.as_str(), how.partitions),
        timestamp: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    };
    // One record in, one answer out.
    let unanswered = LogError::Refused { what: "append", reason: "the log gave no answer".to_owned() };
    let position = appender.append(vec![record]).pop().unwrap_or(Err(unanswered))?;
    Ok((position, read.sku))
}
