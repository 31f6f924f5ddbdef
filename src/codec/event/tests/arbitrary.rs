//! Events of every type, as proptest strategies.

use std::borrow::Cow;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::domain::event::*;
use crate::types::{Money, Quantity, UtcTime};

type Text = Cow<'static, str>;

/// Free text: anything, with what JSON has to escape more often than chance would have it.
fn text() -> BoxedStrategy<Text> {
    prop_oneof![
        4 => "[a-zA-Z0-9 _.-]{0,20}",
        1 => "[\"\\\\/\n\r\t\u{0}-\u{1f}äß€😀 \u{7f}]{0,12}",
        1 => any::<String>(),
    ]
    .prop_map(Cow::Owned)
    .boxed()
}

/// Ids and names that are kept: no control characters, not empty.
fn label() -> BoxedStrategy<Text> {
    prop_oneof![4 => "[A-Za-z0-9-]{1,16}", 1 => "[\"\\\\/äß€😀 ]{1,12}"].prop_map(Cow::Owned).boxed()
}

fn filled() -> BoxedStrategy<Text> {
    text().prop_filter("empty", |t| !t.is_empty()).boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Text> {
    prop_oneof![4 => select(words).prop_map(Cow::Borrowed), 1 => label()].boxed()
}

fn quantity() -> BoxedStrategy<Quantity> {
    prop_oneof![4 => 0..10_000_u64, 1 => 0..=Quantity::MAX.units()]
        .prop_map(|units| Quantity::new(units).expect("in range"))
        .boxed()
}

fn units() -> BoxedStrategy<i64> {
    prop_oneof![4 => 0..10_000_i64, 1 => -100..0_i64, 1 => any::<i64>()].boxed()
}

fn money() -> BoxedStrategy<Money> {
    (-(10_i128.pow(28) - 1)..10_i128.pow(28), 0..=28_u32)
        .prop_map(|(coefficient, scale)| {
            let amount = rust_decimal::Decimal::from_i128_with_scale(coefficient, scale);
            Money::new(amount).expect("at most 28 digits")
        })
        .boxed()
}

fn time() -> BoxedStrategy<UtcTime> {
    let seconds =
        prop_oneof![4 => 1_700_000_000..1_900_000_000_i64, 1 => -62_135_596_800..253_402_300_800_i64];
    let nanos = prop_oneof![Just(0), (0..1000_u32).prop_map(|ms| ms * 1_000_000), 0..1_000_000_000_u32];
    (seconds, nanos).prop_map(|(seconds, nanos)| UtcTime::new(seconds, nanos).expect("in range")).boxed()
}

fn level() -> BoxedStrategy<Level> {
    (units(), units(), units())
        .prop_map(|(on_hand, allocated, available)| Level {
            on_hand,
            allocated: Some(allocated),
            available_to_promise: Some(available),
        })
        .boxed()
}

fn open_level() -> BoxedStrategy<Level> {
    (units(), option::of(units()), option::of(units()))
        .prop_map(|(on_hand, allocated, available_to_promise)| Level {
            on_hand,
            allocated,
            available_to_promise,
        })
        .boxed()
}

const STATUSES: &[&str] = &["AVAILABLE", "QUARANTINE", "DAMAGED", "EXPIRED", "ON_HOLD", "IN_TRANSIT"];
const HOLDS: &[&str] = &["QUALITY_HOLD", "CREDIT_HOLD", "ADMINISTRATIVE_HOLD", "REGULATORY_HOLD"];
const REASONS: &[&str] = &["RECEIPT", "ADJUSTMENT", "ALLOCATION", "PICK", "DEALLOCATION", "CYCLE_COUNT"];

fn level_changed() -> BoxedStrategy<Fact<'static>> {
    let levels = prop_oneof![4 => (level(), level()), 1 => (open_level(), open_level())];
    let about = (option::of(label()), option::of(label()), option::of(label()), option::of(label()));
    (levels, word(REASONS), about, option::of(time()), option::of(text()))
        .prop_map(|((previous, new), change_reason, about, expires_at, comment)| {
            Fact::LevelChanged(LevelChanged {
                previous,
                new,
                change_reason,
                location_id: about.0,
                allocation_id: about.1,
                lot_number: about.2,
                expiry_date: about.3,
                expires_at,
                comment,
            })
        })
        .boxed()
}

fn component() -> impl Strategy<Value = KitComponent<'static>> {
    (label(), quantity(), any::<bool>()).prop_map(|(component_sku, quantity, is_optional)| KitComponent {
        component_sku,
        quantity,
        is_optional,
    })
}

/// A fact of any type.
pub(super) fn fact() -> BoxedStrategy<Fact<'static>> {
    prop_oneof![
        3 => level_changed(),
        1 => (word(STATUSES), word(STATUSES), quantity(), text(), option::of(label())).prop_map(
            |(previous_status, new_status, quantity, reason, lot_number)| Fact::StatusChanged(StatusChanged {
                previous_status, new_status, quantity, reason, lot_number,
            })
        ),
        1 => (label(), word(HOLDS), quantity(), text(), option::of(label()), option::of(time())).prop_map(
            |(hold_id, hold_type, quantity, reason, lot_number, expires_at)| Fact::HoldPlaced(HoldPlaced {
                hold_id, hold_type, quantity, reason, lot_number, expires_at,
            })
        ),
        1 => (label(), quantity(), text(), option::of(time())).prop_map(
            |(hold_id, quantity, released_by, expires_at)| Fact::HoldReleased(HoldReleased {
                hold_id, quantity, released_by, expires_at,
            })
        ),
        1 => (word(&["FIFO", "MOVING_AVERAGE"]), [money(), money(), money(), money()], quantity(), text()).prop_map(
            |(valuation_method, money, quantity, reason)| Fact::ValuationChanged(ValuationChanged {
                valuation_method,
                previous_unit_cost: money[0],
                new_unit_cost: money[1],
                previous_total_value: money[2],
                new_total_value: money[3],
                quantity,
                reason,
            })
        ),
        1 => (option::of(label()), word(&["A", "B", "C"]), text(), text()).prop_map(
            |(previous_class, new_class, criteria, reason)| Fact::ClassificationChanged(ClassificationChanged {
                previous_class, new_class, criteria, reason,
            })
        ),
        1 => (label(), label(), label(), quantity(), text(), text()).prop_map(
            |(transfer_id, source_location, destination_location, quantity, initiated_by, reason)| {
                Fact::TransferInitiated(TransferInitiated {
                    transfer_id, source_location, destination_location, quantity, initiated_by, reason,
                })
            }
        ),
        1 => (label(), label(), label(), quantity(), text(), option::of(label())).prop_map(
            |(transfer_id, from_location, to_location, quantity, completed_by, lot_number)| {
                Fact::TransferCompleted(TransferCompleted {
                    transfer_id, from_location, to_location, quantity, completed_by, lot_number,
                })
            }
        ),
        1 => (label(), option::of(label()), option::of(label()), option::of(text())).prop_map(
            |(serial_number, location_id, lot_number, received_by)| Fact::SerialReceived(SerialReceived {
                serial_number, location_id, lot_number, received_by,
            })
        ),
        1 => (label(), option::of(label())).prop_map(|(serial_number, allocation_id)| {
            Fact::SerialAllocated(SerialAllocated { serial_number, allocation_id })
        }),
        1 => (label(), option::of(label())).prop_map(|(serial_number, shipment_id)| {
            Fact::SerialShipped(SerialShipped { serial_number, shipment_id })
        }),
        1 => (text(), word(&["PHYSICAL", "VIRTUAL"]), vec(component(), 0..4), text()).prop_map(
            |(kit_name, kit_type, components, created_by)| Fact::KitCreated(KitCreated {
                kit_name, kit_type, components, created_by,
            })
        ),
        1 => (text(), quantity(), quantity(), btree_map(label(), quantity(), 0..4), label(), text()).prop_map(
            |(assembly_order_id, planned, produced, components_consumed, assembly_location, completed_by)| {
                Fact::KitAssembled(KitAssembled {
                    assembly_order_id, planned, produced, components_consumed, assembly_location, completed_by,
                })
            }
        ),
        1 => (text(), quantity(), btree_map(label(), quantity(), 0..4), label(), text()).prop_map(
            |(disassembly_order_id, quantity, components_recovered, disassembly_location, completed_by)| {
                Fact::KitDisassembled(KitDisassembled {
                    disassembly_order_id, quantity, components_recovered, disassembly_location, completed_by,
                })
            }
        ),
        1 => (text(), text(), text(), text()).prop_map(
            |(snapshot_id, snapshot_type, snapshot_reason, created_by)| Fact::SnapshotCreated(SnapshotCreated {
                snapshot_id, snapshot_type, snapshot_reason, created_by,
            })
        ),
    ]
    .boxed()
}

fn envelope() -> impl Strategy<Value = Envelope<'static>> {
    let count = || option::of(prop_oneof![0..1000_u64, any::<u64>()]);
    let about = || option::of(filled());
    (
        filled(),
        filled(),
        label(),
        option::of(time()),
        (count(), count()),
        (about(), about(), about(), about()),
    )
        .prop_map(|(id, source, sku, time, (sequence, based_on), about)| Envelope {
            id,
            source,
            sku,
            time,
            sequence,
            based_on,
            causation_id: about.0,
            causation_source: about.1,
            correlation_id: about.2,
            trace_parent: about.3,
        })
}

/// An event of any type, within the limits of what is written.
pub(super) fn event() -> impl Strategy<Value = Event<'static>> {
    (envelope(), fact()).prop_map(|(envelope, fact)| Event { envelope, fact })
}
