//! Time passes only by events: what has an `expires_at` ends by an event of ours, written when it is due.
//! By the time it is read, the entry may have another instant or be gone; then it acts on nothing.

use super::super::aggregate::Aggregate;
use super::super::event::{Fact, LevelChanged};
use super::super::rows::{Entry, Facet};
use super::{EvolveError, slot};

/// `released_by` of an expired hold's release.
const RELEASED_BY_EXPIRY: &str = "expiry";
/// `change_reason` of an expired allocation's level change.
const DEALLOCATION: &str = "DEALLOCATION";

/// Whether `fact`, of an event of ours, is an expiry whose entry has another instant than it acts on, or is
/// gone.
pub(super) fn is_stale(aggregate: &Aggregate, fact: &Fact<'_>) -> Result<bool, EvolveError> {
    let (entry, acts_on) = match fact {
        Fact::HoldReleased(fact) if fact.released_by == RELEASED_BY_EXPIRY => {
            let Some(acts_on) = fact.expires_at else { return Ok(false) };
            (slot(aggregate, Facet::Hold, &fact.hold_id)?, acts_on)
        }
        Fact::LevelChanged(fact) if looks_like_expiry(fact) => {
            let (Some(acts_on), Some(id)) = (fact.expires_at, &fact.allocation_id) else { return Ok(false) };
            (slot(aggregate, Facet::Allocation, id)?, acts_on)
        }
        _ => return Ok(false),
    };
    let instant = match entry {
        Some(Entry::Hold(hold)) => hold.expires_at,
        Some(Entry::Allocation(allocation)) => allocation.expires_at,
        _ => None,
    };
    Ok(instant != Some(acts_on))
}

/// A level change of this form is an expiry where its source is ours.
pub(super) fn looks_like_expiry(fact: &LevelChanged<'_>) -> bool {
    fact.expires_at.is_some()
        && fact.change_reason == DEALLOCATION
        && fact.previous.on_hand == fact.new.on_hand
        && fact.allocation_id.is_some()
}
