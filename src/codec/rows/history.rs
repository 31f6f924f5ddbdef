use super::wire::{self, SchemaRead, SchemaWrite};
use super::words::{Word, quantity};
use super::{RowError, optional_instant};
use crate::domain::rows::Numbers;
use crate::types::{Offset, Timestamp, UtcTime, Version};

/// The version byte of history items.
pub(super) const HISTORY_VERSION: u8 = 1;

/// The numbers of a SKU after one event: what `history` and `as_of` answer from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    pub offset: Offset,
    /// The partition's log time at this event: the greatest record timestamp up to here, this one included.
    /// It never falls within a partition, so "as of T" is the last item whose log time is not above T.
    pub log_time: Timestamp,
    /// The event's own time; the record's timestamp where it has none.
    pub time: UtcTime,
    /// The type without the contract's prefix.
    pub event_type: Box<str>,
    pub event_id: Box<str>,
    pub correlation_id: Option<Box<str>>,
    pub version: Version,
    pub numbers: Numbers,
}

/// [`HistoryItem`] as it is written; its offset stands in its key. The order of fields is the format.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredHistory<'a> {
    log_time: i64,
    seconds: i64,
    nanos: u32,
    event_type: Word<'a>,
    event_id: &'a str,
    correlation_id: Option<&'a str>,
    version: u64,
    on_hand: u64,
    allocated: u64,
    held: u64,
    unavailable: u64,
}

/// Appends the value of a history item.
pub fn encode_history(item: &HistoryItem, out: &mut Vec<u8>) {
    out.push(HISTORY_VERSION);
    let stored = StoredHistory {
        log_time: item.log_time.0,
        seconds: item.time.seconds(),
        nanos: item.time.nanos(),
        event_type: Word::of(&item.event_type),
        event_id: &item.event_id,
        correlation_id: item.correlation_id.as_deref(),
        version: item.version.0,
        on_hand: item.numbers.on_hand.units(),
        allocated: item.numbers.allocated.units(),
        held: item.numbers.held.units(),
        unavailable: item.numbers.unavailable.units(),
    };
    wire::write(&stored, out);
}

/// # Errors
/// [`RowError`] where the bytes are not those of a history item.
pub fn decode_history(offset: Offset, bytes: &[u8]) -> Result<HistoryItem, RowError> {
    let stored: StoredHistory<'_> = wire::read(wire::versioned(bytes, HISTORY_VERSION)?)?;
    let item = HistoryItem {
        offset,
        log_time: Timestamp(stored.log_time),
        time: optional_instant(Some((stored.seconds, stored.nanos)))?
            .ok_or_else(|| RowError::Damaged { reason: "it has no time".into() })?,
        event_type: stored.event_type.text().into(),
        event_id: stored.event_id.into(),
        correlation_id: stored.correlation_id.map(Into::into),
        version: Version(stored.version),
        numbers: Numbers {
            on_hand: quantity(stored.on_hand)?,
            allocated: quantity(stored.allocated)?,
            held: quantity(stored.held)?,
            unavailable: quantity(stored.unavailable)?,
        },
    };
    wire::canonical(bytes, |out| encode_history(&item, out))?;
    Ok(item)
}
