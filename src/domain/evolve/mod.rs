//! How an event changes the rows it touches. Source: `docs/domain.md`, "Rules of applying".
//!
//! [`touched()`] names the entries to load, [`evolve`] applies. One file per family of facts; each works out
//! every new value first and writes after the last step that can fail, so that an event that cannot be
//! applied leaves the aggregate as it was.

mod arithmetic;
mod conflict;
mod expiry;
mod holds;
mod identity;
mod kits;
mod levels;
mod serials;
mod statuses;
mod touched;
mod transfers;
mod valuation;

#[cfg(test)]
mod tests;

use super::aggregate::Aggregate;
use super::event::{Envelope, Event, Fact};
use super::rows::{Entry, Facet, LastEvent};
use crate::types::{Offset, Quantity, Timestamp};
use identity::{Arrival, Mark};

pub use touched::touched;

/// What evolve needs to know of the deployment.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The `source` of our own events (`contract.source`): for these `sequence` alone tells duplicates.
    pub own_source: String,
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Applied {
        /// Our own `sequence` jumped.
        gap: bool,
        /// It was based on another version or other levels than the aggregate has.
        conflict: bool,
        /// It broke an invariant and was applied as far as it goes.
        anomaly: bool,
    },
    /// Seen before: passed over and counted.
    Duplicate,
    /// An expiry whose entry's instant is another by now: passed over, and an anomaly of its SKU.
    StaleExpiry {
        /// Our own `sequence` jumped.
        gap: bool,
    },
}

/// An event that cannot be applied to these rows. The aggregate is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvolveError {
    /// The event is malformed.
    #[error("applying it would push {what} past 2^63−1 units")]
    Overflow { what: &'static str },
    /// The caller is wrong, not the event: load what [`touched()`] names first.
    #[error("an entry of {facet:?} that the event touches was not loaded")]
    NotLoaded { facet: Facet },
}

/// How well a fact fitted the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    /// Applied as far as it goes.
    Anomaly,
}

impl Fit {
    fn anomaly_if(broken: bool) -> Self {
        if broken { Self::Anomaly } else { Self::Whole }
    }
}

/// Applies `event`, the record at `offset` with the log's `timestamp`.
///
/// Facts are never refused: what breaks an invariant is applied as far as it goes and shows as an anomaly.
///
/// # Errors
/// [`EvolveError`]; nothing has changed then.
pub fn evolve(
    rules: &Rules,
    aggregate: &mut Aggregate,
    event: &Event<'_>,
    offset: Offset,
    timestamp: Timestamp,
) -> Result<Effect, EvolveError> {
    let envelope = &event.envelope;
    let own = envelope.source == rules.own_source;
    let last = Some(last_event(envelope, offset, timestamp));

    let (mark, gap) = match identity::recognise(&aggregate.stock, envelope, own) {
        Arrival::Seen => {
            aggregate.stock.duplicates.count(offset);
            aggregate.stock.last = last;
            return Ok(Effect::Duplicate);
        }
        Arrival::New { mark, gap } => (mark, gap),
    };

    if own && expiry::is_stale(aggregate, &event.fact)? {
        let stock = &mut aggregate.stock;
        if let Mark::Sequence(sequence) = mark {
            stock.own_sequence = sequence;
        }
        stock.anomalies.count(offset);
        stock.last = last;
        return Ok(Effect::StaleExpiry { gap });
    }

    let conflict = conflict::is_conflict(&aggregate.stock, event, own);
    let fit = apply(aggregate, &event.fact)?;

    // Nothing fails from here on.
    let stock = &mut aggregate.stock;
    identity::remember(stock, mark);
    stock.version = stock.version.next();
    stock.last = last;
    if conflict {
        stock.conflicts.count(offset);
    }
    let anomaly = fit == Fit::Anomaly;
    if anomaly {
        stock.anomalies.count(offset);
    }
    Ok(Effect::Applied { gap, conflict, anomaly })
}

fn apply(aggregate: &mut Aggregate, fact: &Fact<'_>) -> Result<Fit, EvolveError> {
    match fact {
        Fact::LevelChanged(fact) => levels::changed(aggregate, fact),
        Fact::StatusChanged(fact) => statuses::changed(&mut aggregate.stock, fact),
        Fact::HoldPlaced(fact) => holds::placed(aggregate, fact),
        Fact::HoldReleased(fact) => holds::released(aggregate, fact),
        Fact::ValuationChanged(fact) => Ok(valuation::changed(&mut aggregate.stock, fact)),
        Fact::ClassificationChanged(fact) => Ok(valuation::classified(&mut aggregate.stock, fact)),
        Fact::TransferInitiated(fact) => transfers::initiated(aggregate, fact),
        Fact::TransferCompleted(fact) => transfers::completed(aggregate, fact),
        Fact::SerialReceived(fact) => serials::received(aggregate, fact),
        Fact::SerialAllocated(fact) => serials::allocated(aggregate, fact),
        Fact::SerialShipped(fact) => serials::shipped(aggregate, fact),
        Fact::KitCreated(fact) => Ok(kits::created(&mut aggregate.stock, fact)),
        Fact::KitAssembled(fact) => kits::assembled(&mut aggregate.stock, fact),
        Fact::KitDisassembled(fact) => Ok(kits::disassembled(&mut aggregate.stock, fact)),
        Fact::SnapshotCreated(_) => Ok(Fit::Whole),
    }
}

/// The event's own time, or the record's; a timestamp outside the years 1 to 9999 becomes their first or
/// last instant.
fn last_event(envelope: &Envelope<'_>, offset: Offset, timestamp: Timestamp) -> LastEvent {
    LastEvent { offset, time: envelope.time.unwrap_or_else(|| timestamp.to_nearest_utc()) }
}

/// The entry's slot.
fn slot<'a>(aggregate: &'a Aggregate, facet: Facet, id: &str) -> Result<Option<&'a Entry>, EvolveError> {
    aggregate.slot(facet, id).map(Option::as_ref).ok_or(EvolveError::NotLoaded { facet })
}

/// The units the entry accounts for; 0 where there is none.
fn units(aggregate: &Aggregate, facet: Facet, id: &str) -> Result<Quantity, EvolveError> {
    Ok(slot(aggregate, facet, id)?.map_or(Quantity::ZERO, Entry::quantity))
}

/// Writes an entry whose slot was read before, and so is there.
fn put(aggregate: &mut Aggregate, facet: Facet, id: &str, entry: Option<Entry>) {
    if let Some(slot) = aggregate.slot_mut(facet, id) {
        *slot = entry;
    }
}
