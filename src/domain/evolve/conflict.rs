use super::super::event::{Event, Fact, Level};
use super::super::rows::StockRow;
use crate::types::Version;

/// Whether the event's writer saw another state than the aggregate has. Counted; the event is applied all
/// the same.
///
/// Ours say the version they were based on; foreign level changes say the levels before. A SKU's first event
/// is none: its history may begin before the log does.
pub(super) fn is_conflict(stock: &StockRow, event: &Event<'_>, own: bool) -> bool {
    if stock.version == Version::NEVER_SEEN {
        return false;
    }
    if own {
        return event.envelope.based_on.is_some_and(|version| Version(version) != stock.version);
    }
    match &event.fact {
        Fact::LevelChanged(fact) => differs(stock, &fact.previous),
        _ => false,
    }
}

/// A level that says nothing of allocation is compared in what it says.
fn differs(stock: &StockRow, stated: &Level) -> bool {
    let equals = |stated: i64, units: u64| u64::try_from(stated) == Ok(units);
    !equals(stated.on_hand, stock.on_hand.units())
        || stated.allocated.is_some_and(|stated| !equals(stated, stock.allocated.units()))
}
