//! One SKU's stock in the warehouse, and what can happen to it. Nothing = there is nothing it could happen to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::warehouse::Warehouse;
use crate::domain::event::{
    ClassificationChanged, Fact, HoldPlaced, HoldReleased, KitAssembled, KitComponent, KitCreated,
    KitDisassembled, Level, LevelChanged, SerialAllocated, SerialReceived, SerialShipped, SnapshotCreated,
    StatusChanged, TransferCompleted, TransferInitiated, ValuationChanged,
};
use crate::types::{Money, Quantity};

/// What the warehouse knows of one SKU.
#[derive(Default)]
pub(super) struct Shelf {
    on_hand: u64,
    allocated: u64,
    held: u64,
    damaged: u64,
    /// Open orders: number and units.
    orders: Vec<(u64, u64)>,
    hold: Option<(u64, u64)>,
    transfer: Option<(u64, u64)>,
    serials_received: Vec<u64>,
    serials_allocated: Vec<u64>,
    cost_cents: u64,
    /// Units of the stated value.
    valued: u64,
    class: Option<char>,
    /// Kits put together, once the SKU is one.
    kits: Option<u64>,
}

const OPEN_ORDERS: usize = 6;

impl Shelf {
    fn free(&self) -> u64 {
        self.on_hand.saturating_sub(self.allocated + self.held + self.damaged)
    }

    /// Whether it is time for a delivery.
    pub(super) fn is_low(&self) -> bool {
        self.free() < 40
    }

    fn level(&self) -> Level {
        // A shelf never holds more than a few thousand units.
        let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        Level {
            on_hand: signed(self.on_hand),
            allocated: Some(signed(self.allocated)),
            available_to_promise: Some(signed(self.free())),
        }
    }

    /// The location of the shelf's stock: one per SKU, so that every event agrees about it.
    fn location(sku: u32) -> String {
        format!("A-{:02}-{:02}", sku % 40, (sku / 40) % 25)
    }
}

/// Units as a quantity: a shelf never holds more than fits.
fn units(units: u64) -> Quantity {
    Quantity::new(units).unwrap_or(Quantity::MAX)
}

fn level_changed(
    shelf: &mut Shelf,
    reason: &'static str,
    change: impl FnOnce(&mut Shelf),
) -> LevelChanged<'static> {
    let previous = shelf.level();
    change(shelf);
    LevelChanged {
        previous,
        new: shelf.level(),
        change_reason: Cow::Borrowed(reason),
        location_id: None,
        allocation_id: None,
        lot_number: None,
        expiry_date: None,
        expires_at: None,
        comment: None,
    }
}

pub(super) fn receive(shelf: &mut Shelf, random: &mut fastrand::Rng, sku: u32) -> Fact<'static> {
    let reason = if shelf.on_hand == 0 { "INITIAL_STOCK" } else { "RECEIPT" };
    let received = random.u64(20..200);
    let mut changed = level_changed(shelf, reason, |shelf| shelf.on_hand += received);
    changed.location_id = Some(Cow::Owned(Shelf::location(sku)));
    Fact::LevelChanged(changed)
}

pub(super) fn allocate(shelf: &mut Shelf, random: &mut fastrand::Rng, made: u64) -> Option<Fact<'static>> {
    let wanted = random.u64(1..6);
    if shelf.free() < wanted || shelf.orders.len() >= OPEN_ORDERS {
        return None;
    }
    let mut changed = level_changed(shelf, "ALLOCATION", |shelf| shelf.allocated += wanted);
    shelf.orders.push((made, wanted));
    changed.allocation_id = Some(Cow::Owned(format!("ORD-{made}")));
    Some(Fact::LevelChanged(changed))
}

pub(super) fn pick(shelf: &mut Shelf, sku: u32) -> Option<Fact<'static>> {
    if shelf.orders.is_empty() {
        return None;
    }
    let (order, wanted) = shelf.orders.remove(0);
    let mut changed = level_changed(shelf, "ITEM_PICKED", |shelf| {
        shelf.allocated -= wanted;
        shelf.on_hand -= wanted;
    });
    changed.allocation_id = Some(Cow::Owned(format!("ORD-{order}")));
    changed.location_id = Some(Cow::Owned(Shelf::location(sku)));
    Some(Fact::LevelChanged(changed))
}

pub(super) fn hold(shelf: &mut Shelf, random: &mut fastrand::Rng, made: u64) -> Option<Fact<'static>> {
    if let Some((hold, quantity)) = shelf.hold.take() {
        shelf.held -= quantity;
        return Some(Fact::HoldReleased(HoldReleased {
            hold_id: Cow::Owned(format!("HOLD-{hold}")),
            quantity: units(quantity),
            released_by: Cow::Borrowed("quality"),
            expires_at: None,
        }));
    }
    let quantity = random.u64(1..10);
    if shelf.free() < quantity {
        return None;
    }
    shelf.held += quantity;
    shelf.hold = Some((made, quantity));
    Some(Fact::HoldPlaced(HoldPlaced {
        hold_id: Cow::Owned(format!("HOLD-{made}")),
        hold_type: Cow::Borrowed(if made.is_multiple_of(3) { "ADMINISTRATIVE_HOLD" } else { "QUALITY_HOLD" }),
        quantity: units(quantity),
        reason: Cow::Borrowed("inspection"),
        lot_number: None,
        expires_at: None,
    }))
}

pub(super) fn damage(shelf: &mut Shelf, random: &mut fastrand::Rng) -> Option<Fact<'static>> {
    let (from, to, quantity) = if shelf.damaged > 0 && random.bool() {
        ("DAMAGED", "AVAILABLE", std::mem::take(&mut shelf.damaged))
    } else {
        let quantity = random.u64(1..4);
        if shelf.free() < quantity {
            return None;
        }
        shelf.damaged += quantity;
        ("AVAILABLE", "DAMAGED", quantity)
    };
    Some(Fact::StatusChanged(StatusChanged {
        previous_status: Cow::Borrowed(from),
        new_status: Cow::Borrowed(to),
        quantity: units(quantity),
        reason: Cow::Borrowed(if to == "DAMAGED" { "dropped" } else { "repaired" }),
        lot_number: None,
    }))
}

pub(super) fn transfer(
    shelf: &mut Shelf,
    random: &mut fastrand::Rng,
    sku: u32,
    made: u64,
) -> Option<Fact<'static>> {
    // There and back to the same shelf: its location never runs short of what the others take from it.
    let here = Shelf::location(sku);
    if let Some((transfer, quantity)) = shelf.transfer.take() {
        return Some(Fact::TransferCompleted(TransferCompleted {
            transfer_id: Cow::Owned(format!("TR-{transfer}")),
            from_location: Cow::Owned(here.clone()),
            to_location: Cow::Owned(here),
            quantity: units(quantity),
            completed_by: Cow::Borrowed("forklift-7"),
            lot_number: None,
        }));
    }
    let quantity = random.u64(1..8);
    if shelf.free() < quantity {
        return None;
    }
    shelf.transfer = Some((made, quantity));
    Some(Fact::TransferInitiated(TransferInitiated {
        transfer_id: Cow::Owned(format!("TR-{made}")),
        source_location: Cow::Owned(here.clone()),
        destination_location: Cow::Owned(here),
        quantity: units(quantity),
        initiated_by: Cow::Borrowed("planner"),
        reason: Cow::Borrowed("replenishment"),
    }))
}

pub(super) fn count(shelf: &mut Shelf, random: &mut fastrand::Rng, sku: u32) -> Option<Fact<'static>> {
    let found = random.u64(0..3);
    let missing = shelf.free() > 0 && random.bool();
    let in_transfer = shelf.transfer.map_or(0, |(_, quantity)| quantity);
    if missing && shelf.free() <= in_transfer {
        return None;
    }
    let mut changed = level_changed(shelf, "CYCLE_COUNT", |shelf| {
        if missing {
            shelf.on_hand -= 1;
        } else {
            shelf.on_hand += found;
        }
    });
    changed.location_id = Some(Cow::Owned(Shelf::location(sku)));
    changed.comment = Some(Cow::Borrowed("shelf count"));
    Some(Fact::LevelChanged(changed))
}

pub(super) fn serial(shelf: &mut Shelf, sku: u32, made: u64) -> Option<Fact<'static>> {
    let name = |number: u64| Cow::Owned(format!("SN-{number:08}"));
    if let Some(number) = shelf.serials_allocated.pop() {
        return Some(Fact::SerialShipped(SerialShipped { serial_number: name(number), shipment_id: None }));
    }
    if shelf.serials_received.len() >= 3 {
        let number = shelf.serials_received.remove(0);
        shelf.serials_allocated.push(number);
        return Some(Fact::SerialAllocated(SerialAllocated {
            serial_number: name(number),
            allocation_id: None,
        }));
    }
    shelf.serials_received.push(made);
    Some(Fact::SerialReceived(SerialReceived {
        serial_number: name(made),
        location_id: Some(Cow::Owned(Shelf::location(sku))),
        lot_number: None,
        received_by: Some(Cow::Borrowed("dock-2")),
    }))
}

pub(super) fn revalue(shelf: &mut Shelf, random: &mut fastrand::Rng) -> Fact<'static> {
    let cost = random.u64(50..50_000);
    let (old_cost, old_valued) = (shelf.cost_cents, shelf.valued);
    shelf.cost_cents = cost;
    shelf.valued = shelf.on_hand;
    Fact::ValuationChanged(ValuationChanged {
        valuation_method: Cow::Borrowed("MOVING_AVERAGE"),
        previous_unit_cost: Money::from_cents(old_cost),
        new_unit_cost: Money::from_cents(cost),
        previous_total_value: Money::from_cents(old_cost * old_valued),
        new_total_value: Money::from_cents(cost * shelf.valued),
        // The contract asks for at least 1 nowhere here: a value can be stated for an empty shelf.
        quantity: units(shelf.valued),
        reason: Cow::Borrowed("supplier price"),
    })
}

pub(super) fn classify(shelf: &mut Shelf, random: &mut fastrand::Rng) -> Fact<'static> {
    let name = |class: char| Cow::Owned(class.to_string());
    let new = ['A', 'B', 'C'][random.usize(0..3)];
    let previous = shelf.class.replace(new);
    Fact::ClassificationChanged(ClassificationChanged {
        previous_class: previous.map(name),
        new_class: name(new),
        criteria: Cow::Borrowed("VELOCITY_BASED"),
        reason: Cow::Borrowed("monthly review"),
    })
}

pub(super) fn kit(shelf: &mut Shelf, sku: u32, made: u64) -> Fact<'static> {
    let component = |n: u32| Cow::Owned(Warehouse::sku(sku.wrapping_add(n)));
    if let Some(kits @ 2..) = shelf.kits {
        shelf.kits = Some(kits - 1);
        return Fact::KitDisassembled(KitDisassembled {
            disassembly_order_id: Cow::Owned(format!("DIS-{made}")),
            quantity: units(1),
            components_recovered: BTreeMap::from([(component(1), units(1)), (component(2), units(2))]),
            disassembly_location: Cow::Borrowed("KITTING"),
            completed_by: Cow::Borrowed("bench-1"),
        });
    }
    if let Some(kits) = shelf.kits {
        shelf.kits = Some(kits + 2);
        return Fact::KitAssembled(KitAssembled {
            assembly_order_id: Cow::Owned(format!("ASM-{made}")),
            planned: units(2),
            produced: units(2),
            components_consumed: BTreeMap::from([(component(1), units(2)), (component(2), units(4))]),
            assembly_location: Cow::Borrowed("KITTING"),
            completed_by: Cow::Borrowed("bench-1"),
        });
    }
    shelf.kits = Some(0);
    Fact::KitCreated(KitCreated {
        kit_name: Cow::Borrowed("starter set"),
        kit_type: Cow::Borrowed("PHYSICAL"),
        components: vec![
            KitComponent { component_sku: component(1), quantity: units(1), is_optional: false },
            KitComponent { component_sku: component(2), quantity: units(2), is_optional: true },
        ],
        created_by: Cow::Borrowed("catalogue"),
    })
}

pub(super) fn report(made: u64) -> Fact<'static> {
    Fact::SnapshotCreated(SnapshotCreated {
        snapshot_id: Cow::Owned(format!("REP-{made}")),
        snapshot_type: Cow::Borrowed("DAILY"),
        snapshot_reason: Cow::Borrowed("end of shift"),
        created_by: Cow::Borrowed("reporting"),
    })
}
