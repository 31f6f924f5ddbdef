//! Facts in few words.

use super::*;

/// On hand and allocated, before and after.
pub fn level(previous: (i64, i64), new: (i64, i64)) -> LevelChanged<'static> {
    let level =
        |(on_hand, allocated)| Level { on_hand, allocated: Some(allocated), available_to_promise: None };
    LevelChanged {
        previous: level(previous),
        new: level(new),
        change_reason: "ADJUSTMENT".into(),
        location_id: None,
        allocation_id: None,
        lot_number: None,
        expiry_date: None,
        expires_at: None,
        comment: None,
    }
}

pub fn levels(previous: (i64, i64), new: (i64, i64)) -> Fact<'static> {
    Fact::LevelChanged(level(previous, new))
}

pub fn at(location: &'static str, previous: i64, new: i64) -> Fact<'static> {
    Fact::LevelChanged(LevelChanged { location_id: Some(location.into()), ..level((previous, 0), (new, 0)) })
}

pub fn in_lot(lot: &'static str, previous: i64, new: i64) -> Fact<'static> {
    Fact::LevelChanged(LevelChanged { lot_number: Some(lot.into()), ..level((previous, 0), (new, 0)) })
}

pub fn named(id: &'static str, previous: (i64, i64), new: (i64, i64)) -> LevelChanged<'static> {
    LevelChanged {
        allocation_id: Some(id.into()),
        change_reason: "ALLOCATION".into(),
        ..level(previous, new)
    }
}

pub fn status(from: &'static str, to: &'static str, units: u64) -> Fact<'static> {
    Fact::StatusChanged(StatusChanged {
        previous_status: from.into(),
        new_status: to.into(),
        quantity: quantity(units),
        reason: "inspection".into(),
        lot_number: None,
    })
}

pub fn hold(id: &'static str, units: u64) -> HoldPlaced<'static> {
    HoldPlaced {
        hold_id: id.into(),
        hold_type: "QUALITY_HOLD".into(),
        quantity: quantity(units),
        reason: "inspection".into(),
        lot_number: None,
        expires_at: None,
    }
}

pub fn release(id: &'static str, units: u64) -> HoldReleased<'static> {
    HoldReleased { hold_id: id.into(), quantity: quantity(units), released_by: "jo".into(), expires_at: None }
}

pub fn initiated(id: &'static str, from: &'static str, to: &'static str, units: u64) -> Fact<'static> {
    Fact::TransferInitiated(TransferInitiated {
        transfer_id: id.into(),
        source_location: from.into(),
        destination_location: to.into(),
        quantity: quantity(units),
        initiated_by: "jo".into(),
        reason: "replenishment".into(),
    })
}

pub fn completed(id: &'static str, to: &'static str, units: u64) -> Fact<'static> {
    Fact::TransferCompleted(TransferCompleted {
        transfer_id: id.into(),
        from_location: "somewhere".into(),
        to_location: to.into(),
        quantity: quantity(units),
        completed_by: "jo".into(),
        lot_number: None,
    })
}

pub fn serial_received(serial: &'static str, location: Option<&'static str>) -> Fact<'static> {
    Fact::SerialReceived(SerialReceived {
        serial_number: serial.into(),
        location_id: location.map(Into::into),
        lot_number: None,
        received_by: None,
    })
}

pub fn serial_allocated(serial: &'static str, allocation: Option<&'static str>) -> Fact<'static> {
    Fact::SerialAllocated(SerialAllocated {
        serial_number: serial.into(),
        allocation_id: allocation.map(Into::into),
    })
}

pub fn serial_shipped(serial: &'static str) -> Fact<'static> {
    Fact::SerialShipped(SerialShipped { serial_number: serial.into(), shipment_id: None })
}

pub fn kit_created(name: &'static str) -> Fact<'static> {
    Fact::KitCreated(KitCreated {
        kit_name: name.into(),
        kit_type: "PHYSICAL".into(),
        components: vec![KitComponent {
            component_sku: "PART".into(),
            quantity: quantity(2),
            is_optional: false,
        }],
        created_by: "jo".into(),
    })
}

pub fn kit_assembled(produced: u64) -> Fact<'static> {
    Fact::KitAssembled(KitAssembled {
        assembly_order_id: "A1".into(),
        planned: quantity(produced),
        produced: quantity(produced),
        components_consumed: [("PART".into(), quantity(2))].into(),
        assembly_location: "BENCH".into(),
        completed_by: "jo".into(),
    })
}

pub fn kit_disassembled(units: u64) -> Fact<'static> {
    Fact::KitDisassembled(KitDisassembled {
        disassembly_order_id: "D1".into(),
        quantity: quantity(units),
        components_recovered: [("PART".into(), quantity(2))].into(),
        disassembly_location: "BENCH".into(),
        completed_by: "jo".into(),
    })
}

pub fn valued(method: &'static str, unit_cost: &str, total: &str, units: u64) -> Fact<'static> {
    let money = |text: &str| text.parse().expect("an amount");
    Fact::ValuationChanged(ValuationChanged {
        valuation_method: method.into(),
        previous_unit_cost: money("0"),
        new_unit_cost: money(unit_cost),
        previous_total_value: money("0"),
        new_total_value: money(total),
        quantity: quantity(units),
        reason: "receipt".into(),
    })
}

pub fn classified(class: &'static str) -> Fact<'static> {
    Fact::ClassificationChanged(ClassificationChanged {
        previous_class: None,
        new_class: class.into(),
        criteria: "COMBINED".into(),
        reason: "review".into(),
    })
}

pub fn report() -> Fact<'static> {
    Fact::SnapshotCreated(SnapshotCreated {
        snapshot_id: "S1".into(),
        snapshot_type: "DAILY".into(),
        snapshot_reason: "audit".into(),
        created_by: "jo".into(),
    })
}
