use std::borrow::Cow;

use super::overlay::{Mark, apply, load};
use super::{Deciding, Rows, stamp};
use crate::domain::event::{Fact, HoldReleased, Level, LevelChanged};
use crate::domain::rows::{Entry, Facet, Numbers, StockRow};
use crate::types::{Quantity, UtcTime};

/// An entry that was due at an instant, when that was noted.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    pub sku: &'a str,
    pub facet: Facet,
    pub id: &'a str,
    pub at: UtcTime,
}

impl<R: Rows> Deciding<'_, R> {
    /// Ends an entry whose instant has come, where it still is that instant and the entry still there. Gives
    /// whether it did.
    ///
    /// # Errors
    /// The store cannot be read; end the batch and undo it.
    pub fn expire(&mut self, due: Due<'_>) -> Result<bool, R::Error> {
        let Due { sku, facet, id, at } = due;
        let (store, settings, now) = (self.store, self.settings, self.now);
        if at > now {
            return Ok(false);
        }
        let aggregate = self.rows(sku)?;
        load(aggregate, sku, facet, id, store)?;
        let fact = match aggregate.entry(facet, id) {
            Some(Entry::Hold(hold)) if hold.expires_at == Some(at) => Fact::HoldReleased(HoldReleased {
                hold_id: owned(id),
                quantity: hold.quantity,
                released_by: Cow::Borrowed("expiry"),
                expires_at: Some(at),
            }),
            Some(Entry::Allocation(allocation)) if allocation.expires_at == Some(at) => {
                deallocated(&aggregate.stock, id, allocation.quantity, at)
            }
            _ => return Ok(false),
        };
        let sequence = aggregate.stock.own_sequence + 1;
        let event_id = stamp::expiry_id(sku, facet, id, at, sequence);
        let stamp = stamp::Stamp { sku, time: now, cause: None, settings };
        let event = stamp.event(fact, event_id, &aggregate.stock, 0);
        let before = Mark::of(&aggregate.stock);
        apply(aggregate, sku, &event, store, &settings.rules)?;
        let record = stamp::event_record(&event, settings);
        self.add_event(event, before, record);
        Ok(true)
    }
}

/// The end of a named allocation: its units are promised no more. Facts may have left less allocated than it
/// has; then all of that goes.
fn deallocated(stock: &StockRow, id: &str, quantity: Quantity, at: UtcTime) -> Fact<'static> {
    let now = stock.numbers();
    let after = Numbers { allocated: now.allocated.saturating_sub(quantity), ..now };
    // The allocation moves by the difference the event states: all of it, also where fewer are allocated.
    let allocated = after.allocated.checked_add(quantity).unwrap_or(Quantity::MAX);
    let before = Numbers { allocated, ..now };
    Fact::LevelChanged(LevelChanged {
        previous: level(&before),
        new: level(&after),
        change_reason: Cow::Borrowed("DEALLOCATION"),
        location_id: None,
        allocation_id: Some(owned(id)),
        lot_number: None,
        expiry_date: None,
        expires_at: Some(at),
        comment: None,
    })
}

fn level(numbers: &Numbers) -> Level {
    // A quantity is at most 2^63−1.
    let units = |quantity: Quantity| i64::try_from(quantity.units()).unwrap_or(i64::MAX);
    Level {
        on_hand: units(numbers.on_hand),
        allocated: Some(units(numbers.allocated)),
        available_to_promise: Some(units(numbers.available_to_promise())),
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}
