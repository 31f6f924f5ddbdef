//! Events that no longer borrow from their record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::event::{
    ClassificationChanged, Envelope, Event, Fact, HoldPlaced, HoldReleased, KitAssembled, KitComponent,
    KitCreated, KitDisassembled, LevelChanged, SerialAllocated, SerialReceived, SerialShipped,
    SnapshotCreated, StatusChanged, TransferCompleted, TransferInitiated, ValuationChanged,
};
use crate::types::Quantity;

type Text = Cow<'static, str>;

fn text(text: Cow<'_, str>) -> Text {
    Cow::Owned(text.into_owned())
}

fn units(units: BTreeMap<Cow<'_, str>, Quantity>) -> BTreeMap<Text, Quantity> {
    units.into_iter().map(|(sku, quantity)| (text(sku), quantity)).collect()
}

/// The same struct with its texts owned: those that must be there; those that may; what is no text.
macro_rules! owned {
    ($value:ident: $type:ident [$($text:ident)*] [$($optional:ident)*] [$($copied:ident)*]) => {
        $type {
            $($text: text($value.$text),)*
            $($optional: $value.$optional.map(text),)*
            $($copied: $value.$copied,)*
        }
    };
}

/// The same event, owning its texts.
#[must_use]
pub fn into_owned(event: Event<'_>) -> Event<'static> {
    let e = event.envelope;
    Event {
        envelope: owned!(e: Envelope [id source sku]
            [causation_id causation_source correlation_id trace_parent] [time sequence based_on]),
        fact: fact(event.fact),
    }
}

fn fact(fact: Fact<'_>) -> Fact<'static> {
    match fact {
        Fact::StatusChanged(f) => Fact::StatusChanged(
            owned!(f: StatusChanged [previous_status new_status reason] [lot_number] [quantity]),
        ),
        Fact::HoldPlaced(f) => Fact::HoldPlaced(
            owned!(f: HoldPlaced [hold_id hold_type reason] [lot_number] [quantity expires_at]),
        ),
        Fact::HoldReleased(f) => {
            Fact::HoldReleased(owned!(f: HoldReleased [hold_id released_by] [] [quantity expires_at]))
        }
        Fact::ValuationChanged(f) => Fact::ValuationChanged(
            owned!(f: ValuationChanged [valuation_method reason] [] [previous_unit_cost new_unit_cost previous_total_value new_total_value quantity]),
        ),
        Fact::ClassificationChanged(f) => Fact::ClassificationChanged(
            owned!(f: ClassificationChanged [new_class criteria reason] [previous_class] []),
        ),
        Fact::TransferInitiated(f) => Fact::TransferInitiated(
            owned!(f: TransferInitiated [transfer_id source_location destination_location initiated_by reason] [] [quantity]),
        ),
        Fact::TransferCompleted(f) => Fact::TransferCompleted(
            owned!(f: TransferCompleted [transfer_id from_location to_location completed_by] [lot_number] [quantity]),
        ),
        Fact::SerialReceived(f) => Fact::SerialReceived(
            owned!(f: SerialReceived [serial_number] [location_id lot_number received_by] []),
        ),
        Fact::SerialAllocated(f) => {
            Fact::SerialAllocated(owned!(f: SerialAllocated [serial_number] [allocation_id] []))
        }
        Fact::SerialShipped(f) => {
            Fact::SerialShipped(owned!(f: SerialShipped [serial_number] [shipment_id] []))
        }
        Fact::SnapshotCreated(f) => Fact::SnapshotCreated(
            owned!(f: SnapshotCreated [snapshot_id snapshot_type snapshot_reason created_by] [] []),
        ),
        Fact::LevelChanged(f) => Fact::LevelChanged(
            owned!(f: LevelChanged [change_reason] [location_id allocation_id lot_number expiry_date comment] [previous new expires_at]),
        ),
        Fact::KitCreated(f) => Fact::KitCreated(KitCreated {
            kit_name: text(f.kit_name),
            kit_type: text(f.kit_type),
            components: f
                .components
                .into_iter()
                .map(|c| owned!(c: KitComponent [component_sku] [] [quantity is_optional]))
                .collect(),
            created_by: text(f.created_by),
        }),
        Fact::KitAssembled(f) => Fact::KitAssembled(KitAssembled {
            components_consumed: units(f.components_consumed),
            assembly_order_id: text(f.assembly_order_id),
            planned: f.planned,
            produced: f.produced,
            assembly_location: text(f.assembly_location),
            completed_by: text(f.completed_by),
        }),
        Fact::KitDisassembled(f) => Fact::KitDisassembled(KitDisassembled {
            components_recovered: units(f.components_recovered),
            disassembly_order_id: text(f.disassembly_order_id),
            quantity: f.quantity,
            disassembly_location: text(f.disassembly_location),
            completed_by: text(f.completed_by),
        }),
    }
}
