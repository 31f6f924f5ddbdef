//! The facts that several requests become: level changes and status changes, with what every one of them
//! must hold to.

use std::borrow::Cow;

use super::super::event::{Fact, LevelChanged, StatusChanged};
use super::super::rows::{AVAILABLE, Facet};
use super::case::{Case, MOST, insufficient, overflow};
use crate::types::{Difference, Quantity, UtcTime};

/// A level change to come: by how much, and what it names.
#[derive(Default)]
pub(super) struct Movement<'c> {
    pub on_hand: i128,
    pub allocated: i128,
    pub reason: Cow<'c, str>,
    /// The command's field that says how much, for refusals.
    pub field: &'static str,
    pub location: Option<&'c str>,
    pub lot: Option<&'c str>,
    pub expiry_date: Option<&'c str>,
    pub allocation: Option<&'c str>,
    pub expires_at: Option<UtcTime>,
    pub comment: Option<&'c str>,
}

pub(super) fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

pub(super) fn wide(quantity: Quantity) -> i128 {
    i128::from(quantity.units())
}

impl Case<'_> {
    /// On hand never falls below zero, nor below the units set apart by their status. A named lot or location
    /// gives what is there and what no lot or location accounts for.
    pub(super) fn change_level(&mut self, movement: &Movement<'_>) {
        let previous = self.now.level();
        self.now.on_hand += movement.on_hand;
        self.now.allocated += movement.allocated;
        let (on_hand, by, field) = (self.now.on_hand, movement.on_hand, movement.field);
        self.require(on_hand <= MOST, || overflow(field, "the quantity on hand"));
        if by < 0 {
            let spare = (on_hand - by - self.now.set_apart).max(0);
            self.require(-by <= spare, || insufficient(-by, spare, "units on hand of status AVAILABLE"));
        }
        self.move_part(Facet::Location, movement.location, self.stock.in_locations, by, field);
        self.move_part(Facet::Lot, movement.lot, self.stock.in_lots, by, field);
        if movement.allocated > 0 && movement.allocation.is_some() {
            let named = self.stock.named_allocations;
            self.require_room(named, movement.allocated, field, "the named allocations");
        }
        let optional = |text: Option<&str>| text.map(owned);
        self.becomes(Fact::LevelChanged(LevelChanged {
            previous,
            new: self.now.level(),
            change_reason: owned(&movement.reason),
            location_id: optional(movement.location),
            allocation_id: optional(movement.allocation),
            lot_number: optional(movement.lot),
            expiry_date: optional(movement.expiry_date),
            expires_at: movement.expires_at,
            comment: optional(movement.comment),
        }));
    }

    fn move_part(&mut self, facet: Facet, id: Option<&str>, sum: Quantity, by: i128, field: &str) {
        let Some(id) = id else { return };
        let (what, outside) = match facet {
            Facet::Lot => ("the lot", self.stock.outside_lots()),
            _ => ("the location", self.stock.outside_locations()),
        };
        if by < 0 {
            self.require_part(facet, id, outside, -by, what);
        } else {
            self.require_room(sum, by, field, &format!("the sum of all units under {what}s"));
        }
    }

    /// The part has these units, together with what no part accounts for.
    pub(super) fn require_part(
        &mut self,
        facet: Facet,
        id: &str,
        outside: Difference,
        units: i128,
        what: &str,
    ) {
        let unassigned = i128::from(outside.0).max(0);
        let there = self.units(facet, id) + unassigned;
        self.require(units <= there, || {
            insufficient(units, there, &format!("units in {what} {id} and unassigned"))
                .with_number("unassigned", unassigned)
        });
    }

    /// Units of one status become those of another. Whether there are as many is for the caller to ask.
    pub(super) fn move_status(
        &mut self,
        from: &str,
        to: &str,
        quantity: Quantity,
        reason: &str,
        lot: Option<&str>,
    ) {
        self.now.change_status(from, to, wide(quantity));
        self.require(self.now.set_apart <= MOST, || {
            overflow("quantity", "the units in statuses other than AVAILABLE")
        });
        self.becomes(Fact::StatusChanged(StatusChanged {
            previous_status: owned(from),
            new_status: owned(to),
            quantity,
            reason: owned(reason),
            lot_number: lot.map(owned),
        }));
    }

    /// There are these units of the status.
    pub(super) fn require_status(&mut self, status: &str, units: i128) {
        let there = if status == AVAILABLE {
            self.now.available()
        } else {
            let found = self.stock.statuses.iter().find(|(name, _)| &**name == status);
            found.map_or(0, |(_, units)| wide(*units))
        };
        self.require(units <= there, || {
            insufficient(units, there, &format!("units of status {status}")).with_text("status", status)
        });
    }
}
