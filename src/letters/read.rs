use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use super::view::Summary;
use super::{LeftOut, Letter, NotALetter, Origin};
use crate::log::{Log, LogError, Span, all_of, read_spans};
use crate::projector::{KeptError, KeptRecord};
use crate::store::StoreError;
use crate::types::{Position, Topic};

/// How long the log may bring nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Letters remembered at once, to show each origin once: 32 MiB at most.
const MOST: usize = 1_000_000;

/// Why letters cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the whole record of {origin} in the store cannot be read: {source}")]
    Kept { origin: Origin, source: KeptError },
    #[error(transparent)]
    NotALetter(#[from] NotALetter),
    #[error("the dead-letter topic holds more than {MOST} letters; read it with a tool of Kafka's")]
    TooMany,
}

/// A page of letters.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// In the order of their positions.
    pub letters: Vec<Summary>,
    /// There are more behind the last.
    pub more: bool,
    /// Records of the topic that are no letters of ours.
    pub others: u64,
}

/// The first `limit` letters behind `after`, each origin once, at its first position. Reads the whole topic.
///
/// # Errors
/// [`LettersError`]
pub fn list(log: &dyn Log, after: Option<Position>, limit: usize) -> Result<Listed, LettersError> {
    let mut seen = HashSet::new();
    let mut found = BTreeMap::new();
    let (mut more, mut others, mut too_many) = (false, 0, false);
    read_spans(log, Topic::DeadLetters, &all_of(log, Topic::DeadLetters)?, PATIENCE, &mut |record| {
        let Ok(letter) = Letter::read(&record) else {
            others += 1;
            return ControlFlow::Continue(());
        };
        // One origin's letters stand on one partition, so the first that comes is the first there is.
        if !seen.insert(letter.origin) || after.is_some_and(|after| letter.position <= after) {
            return ControlFlow::Continue(());
        }
        found.insert(letter.position, Summary::of(&letter));
        if found.len() > limit {
            found.pop_last();
            more = true;
        }
        too_many = seen.len() > MOST;
        if too_many { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if too_many {
        return Err(LettersError::TooMany);
    }
    Ok(Listed { letters: found.into_values().collect(), more, others })
}

/// The letter at this position of the dead-letter topic; nothing where there is none (any more).
///
/// # Errors
/// [`LettersError`]
pub fn get(log: &dyn Log, position: Position) -> Result<Option<Letter>, LettersError> {
    if position.partition.0 >= log.partitions(Topic::DeadLetters)? {
        return Ok(None);
    }
    let bounds = log.bounds(Topic::DeadLetters, position.partition)?;
    let to = position.offset.next();
    if bounds.start.is_past(position.offset) || !bounds.last_stable.is_past(position.offset) {
        return Ok(None);
    }
    let span = Span { partition: position.partition, from: crate::types::NextOffset(position.offset.0), to };
    let mut found = None;
    read_spans(log, Topic::DeadLetters, &[span], PATIENCE, &mut |record| {
        found = Some(Letter::read(&record));
        ControlFlow::Break(())
    })?;
    Ok(found.transpose()?)
}

/// The letter with its whole record, which `kept` finds in the store of the origin's partition; as it is where
/// the store does not have it.
///
/// # Errors
/// [`LettersError`]
pub fn whole(
    letter: Letter,
    kept: impl FnOnce(Origin) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<Letter, LettersError> {
    let origin = letter.origin;
    let Some(LeftOut { .. }) = letter.left_out else { return Ok(letter) };
    let Some(bytes) = kept(origin)? else { return Ok(letter) };
    let record = KeptRecord::decode(&bytes).map_err(|source| LettersError::Kept { origin, source })?;
    Ok(Letter { record, left_out: None, ..letter })
}
