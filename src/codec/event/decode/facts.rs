//! The fields of each type, in the order of the contract's table, which is the order they are asked in.

use super::names::fields;
use super::object::Object;
use crate::codec::event::Malformed;
use crate::domain::event::{
    ClassificationChanged, HoldPlaced, HoldReleased, SerialAllocated, SerialReceived, SerialShipped,
    SnapshotCreated, StatusChanged, TransferCompleted, TransferInitiated, ValuationChanged,
};

type Read<T> = Result<T, Malformed>;

fields! {
    status_changed {
        SKU "sku" ""
        PREVIOUS_STATUS "previous_status" "previousStatus"
        NEW_STATUS "new_status" "newStatus"
        QUANTITY "quantity" ""
        REASON "reason" ""
        LOT_NUMBER "lot_number" "lotNumber"
    }
}

pub(super) fn status_changed<'a>(object: &Object<'a>) -> Read<StatusChanged<'a>> {
    use status_changed as f;
    Ok(StatusChanged {
        previous_status: object.label(f::PREVIOUS_STATUS)?,
        new_status: object.label(f::NEW_STATUS)?,
        quantity: object.quantity(f::QUANTITY)?,
        reason: object.text(f::REASON)?,
        lot_number: object.optional_label(f::LOT_NUMBER)?,
    })
}

fields! {
    hold_placed {
        SKU "sku" ""
        HOLD_ID "hold_id" "holdId"
        HOLD_TYPE "hold_type" "holdType"
        QUANTITY_ON_HOLD "quantity_on_hold" "quantityOnHold"
        REASON "reason" ""
        LOT_NUMBER "lot_number" "lotNumber"
        EXPIRES_AT "expires_at" "expiresAt"
    }
}

pub(super) fn hold_placed<'a>(object: &Object<'a>) -> Read<HoldPlaced<'a>> {
    use hold_placed as f;
    Ok(HoldPlaced {
        hold_id: object.label(f::HOLD_ID)?,
        hold_type: object.label(f::HOLD_TYPE)?,
        quantity: object.quantity(f::QUANTITY_ON_HOLD)?,
        reason: object.text(f::REASON)?,
        lot_number: object.optional_label(f::LOT_NUMBER)?,
        expires_at: object.optional_time(f::EXPIRES_AT)?,
    })
}

fields! {
    hold_released {
        SKU "sku" ""
        HOLD_ID "hold_id" "holdId"
        QUANTITY_RELEASED "quantity_released" "quantityReleased"
        RELEASED_BY "released_by" "releasedBy"
        EXPIRES_AT "expires_at" "expiresAt"
    }
}

pub(super) fn hold_released<'a>(object: &Object<'a>) -> Read<HoldReleased<'a>> {
    use hold_released as f;
    Ok(HoldReleased {
        hold_id: object.label(f::HOLD_ID)?,
        quantity: object.quantity(f::QUANTITY_RELEASED)?,
        released_by: object.text(f::RELEASED_BY)?,
        expires_at: object.optional_time(f::EXPIRES_AT)?,
    })
}

fields! {
    valuation_changed {
        SKU "sku" ""
        VALUATION_METHOD "valuation_method" "valuationMethod"
        PREVIOUS_UNIT_COST "previous_unit_cost" "previousUnitCost"
        NEW_UNIT_COST "new_unit_cost" "newUnitCost"
        PREVIOUS_TOTAL_VALUE "previous_total_value" "previousTotalValue"
        NEW_TOTAL_VALUE "new_total_value" "newTotalValue"
        QUANTITY "quantity" ""
        REASON "reason" ""
    }
}

pub(super) fn valuation_changed<'a>(object: &Object<'a>) -> Read<ValuationChanged<'a>> {
    use valuation_changed as f;
    Ok(ValuationChanged {
        valuation_method: object.label(f::VALUATION_METHOD)?,
        previous_unit_cost: object.money(f::PREVIOUS_UNIT_COST)?,
        new_unit_cost: object.money(f::NEW_UNIT_COST)?,
        previous_total_value: object.money(f::PREVIOUS_TOTAL_VALUE)?,
        new_total_value: object.money(f::NEW_TOTAL_VALUE)?,
        quantity: object.quantity(f::QUANTITY)?,
        reason: object.text(f::REASON)?,
    })
}

fields! {
    classification_changed {
        SKU "sku" ""
        PREVIOUS_CLASS "previous_class" "previousClass"
        NEW_CLASS "new_class" "newClass"
        CRITERIA "criteria" ""
        REASON "reason" ""
    }
}

pub(super) fn classification_changed<'a>(object: &Object<'a>) -> Read<ClassificationChanged<'a>> {
    use classification_changed as f;
    Ok(ClassificationChanged {
        previous_class: object.optional_label(f::PREVIOUS_CLASS)?,
        new_class: object.label(f::NEW_CLASS)?,
        criteria: object.text(f::CRITERIA)?,
        reason: object.text(f::REASON)?,
    })
}

fields! {
    transfer_initiated {
        SKU "sku" ""
        TRANSFER_ID "transfer_id" "transferId"
        SOURCE_LOCATION "source_location" "sourceLocation"
        DESTINATION_LOCATION "destination_location" "destinationLocation"
        QUANTITY "quantity" ""
        INITIATED_BY "initiated_by" "initiatedBy"
        REASON "reason" ""
    }
}

pub(super) fn transfer_initiated<'a>(object: &Object<'a>) -> Read<TransferInitiated<'a>> {
    use transfer_initiated as f;
    Ok(TransferInitiated {
        transfer_id: object.label(f::TRANSFER_ID)?,
        source_location: object.label(f::SOURCE_LOCATION)?,
        destination_location: object.label(f::DESTINATION_LOCATION)?,
        quantity: object.quantity(f::QUANTITY)?,
        initiated_by: object.text(f::INITIATED_BY)?,
        reason: object.text(f::REASON)?,
    })
}

fields! {
    transfer_completed {
        SKU "sku" ""
        TRANSFER_ID "transfer_id" "transferId"
        FROM_LOCATION "from_location" "fromLocation"
        TO_LOCATION "to_location" "toLocation"
        QUANTITY_TRANSFERRED "quantity_transferred" "quantityTransferred"
        COMPLETED_BY "completed_by" "completedBy"
        LOT_NUMBER "lot_number" "lotNumber"
    }
}

pub(super) fn transfer_completed<'a>(object: &Object<'a>) -> Read<TransferCompleted<'a>> {
    use transfer_completed as f;
    Ok(TransferCompleted {
        transfer_id: object.label(f::TRANSFER_ID)?,
        from_location: object.label(f::FROM_LOCATION)?,
        to_location: object.label(f::TO_LOCATION)?,
        quantity: object.quantity(f::QUANTITY_TRANSFERRED)?,
        completed_by: object.text(f::COMPLETED_BY)?,
        lot_number: object.optional_label(f::LOT_NUMBER)?,
    })
}

fields! {
    serial_received {
        SKU "sku" ""
        SERIAL_NUMBER "serial_number" "serialNumber"
        LOCATION_ID "location_id" "locationId"
        LOT_NUMBER "lot_number" "lotNumber"
        RECEIVED_BY "received_by" "receivedBy"
    }
}

pub(super) fn serial_received<'a>(object: &Object<'a>) -> Read<SerialReceived<'a>> {
    use serial_received as f;
    Ok(SerialReceived {
        serial_number: object.label(f::SERIAL_NUMBER)?,
        location_id: object.optional_label(f::LOCATION_ID)?,
        lot_number: object.optional_label(f::LOT_NUMBER)?,
        received_by: object.optional_text(f::RECEIVED_BY)?,
    })
}

fields! {
    serial_allocated {
        SKU "sku" ""
        SERIAL_NUMBER "serial_number" "serialNumber"
        ALLOCATION_ID "allocation_id" "allocationId"
    }
}

pub(super) fn serial_allocated<'a>(object: &Object<'a>) -> Read<SerialAllocated<'a>> {
    use serial_allocated as f;
    Ok(SerialAllocated {
        serial_number: object.label(f::SERIAL_NUMBER)?,
        allocation_id: object.optional_label(f::ALLOCATION_ID)?,
    })
}

fields! {
    serial_shipped {
        SKU "sku" ""
        SERIAL_NUMBER "serial_number" "serialNumber"
        SHIPMENT_ID "shipment_id" "shipmentId"
    }
}

pub(super) fn serial_shipped<'a>(object: &Object<'a>) -> Read<SerialShipped<'a>> {
    use serial_shipped as f;
    Ok(SerialShipped {
        serial_number: object.label(f::SERIAL_NUMBER)?,
        shipment_id: object.optional_label(f::SHIPMENT_ID)?,
    })
}

fields! {
    snapshot_created {
        SKU "sku" ""
        SNAPSHOT_ID "snapshot_id" "snapshotId"
        SNAPSHOT_TYPE "snapshot_type" "snapshotType"
        SNAPSHOT_REASON "snapshot_reason" "snapshotReason"
        CREATED_BY "created_by" "createdBy"
    }
}

pub(super) fn snapshot_created<'a>(object: &Object<'a>) -> Read<SnapshotCreated<'a>> {
    use snapshot_created as f;
    Ok(SnapshotCreated {
        snapshot_id: object.text(f::SNAPSHOT_ID)?,
        snapshot_type: object.text(f::SNAPSHOT_TYPE)?,
        snapshot_reason: object.text(f::SNAPSHOT_REASON)?,
        created_by: object.text(f::CREATED_BY)?,
    })
}
