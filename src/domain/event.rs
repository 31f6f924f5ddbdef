//! Events as the domain sees them: one layout per type, whatever the record looked like.
//!
//! Texts borrow from the record where they can.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::types::{Money, Quantity, UtcTime};

type Text<'a> = Cow<'a, str>;

/// The types of the contract begin with this.
pub const TYPE_PREFIX: &str = "com.paklog.inventory.fulfillment.v1.";

/// One event about one SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    pub envelope: Envelope<'a>,
    pub fact: Fact<'a>,
}

/// What CloudEvents says around the data, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub id: Text<'a>,
    pub source: Text<'a>,
    /// The aggregate: `subject`, else `data.sku` or `data.kit_sku`, else the record key; a valid SKU.
    pub sku: Text<'a>,
    pub time: Option<UtcTime>,
    /// How many events our store had written for this SKU, this one included. Information only where the
    /// source is not ours.
    pub sequence: Option<u64>,
    /// The version just before this event, as its writer saw it.
    pub based_on: Option<u64>,
    pub causation_id: Option<Text<'a>>,
    pub causation_source: Option<Text<'a>>,
    pub correlation_id: Option<Text<'a>>,
    pub trace_parent: Option<Text<'a>>,
}

/// What happened. Source: the domain contract, "Events".
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<'a> {
    LevelChanged(LevelChanged<'a>),
    StatusChanged(StatusChanged<'a>),
    HoldPlaced(HoldPlaced<'a>),
    HoldReleased(HoldReleased<'a>),
    ValuationChanged(ValuationChanged<'a>),
    ClassificationChanged(ClassificationChanged<'a>),
    TransferInitiated(TransferInitiated<'a>),
    TransferCompleted(TransferCompleted<'a>),
    SerialReceived(SerialReceived<'a>),
    SerialAllocated(SerialAllocated<'a>),
    SerialShipped(SerialShipped<'a>),
    KitCreated(KitCreated<'a>),
    KitAssembled(KitAssembled<'a>),
    KitDisassembled(KitDisassembled<'a>),
    /// A report was made; it counts in the version and changes nothing.
    SnapshotCreated(SnapshotCreated<'a>),
}

impl Fact<'_> {
    /// The type's name without [`TYPE_PREFIX`], in its canonical spelling.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::LevelChanged(_) => "product-stock.level-changed",
            Self::StatusChanged(_) => "stock-status.changed",
            Self::HoldPlaced(_) => "inventory-hold.placed",
            Self::HoldReleased(_) => "inventory-hold.released",
            Self::ValuationChanged(_) => "inventory-valuation.changed",
            Self::ClassificationChanged(_) => "abc-classification.changed",
            Self::TransferInitiated(_) => "stock-transfer.initiated",
            Self::TransferCompleted(_) => "stock-transfer.completed",
            Self::SerialReceived(_) => "serial-number.received",
            Self::SerialAllocated(_) => "serial-number.allocated",
            Self::SerialShipped(_) => "serial-number.shipped",
            Self::KitCreated(_) => "kit.created",
            Self::KitAssembled(_) => "kit.assembled",
            Self::KitDisassembled(_) => "kit.disassembled",
            Self::SnapshotCreated(_) => "inventory-snapshot.created",
        }
    }
}

/// A level as an event states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// May be negative on foreign events; applied as 0 then, with an anomaly.
    pub on_hand: i64,
    /// Nothing in the minimal layout: left as it was.
    pub allocated: Option<i64>,
    /// Neither trusted nor stored.
    pub available_to_promise: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelChanged<'a> {
    pub previous: Level,
    pub new: Level,
    pub change_reason: Text<'a>,
    pub location_id: Option<Text<'a>>,
    pub allocation_id: Option<Text<'a>>,
    pub lot_number: Option<Text<'a>>,
    /// Of the lot; a date or date-time, kept as its text.
    pub expiry_date: Option<Text<'a>>,
    /// Of the allocation.
    pub expires_at: Option<UtcTime>,
    pub comment: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChanged<'a> {
    pub previous_status: Text<'a>,
    pub new_status: Text<'a>,
    pub quantity: Quantity,
    pub reason: Text<'a>,
    pub lot_number: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldPlaced<'a> {
    pub hold_id: Text<'a>,
    pub hold_type: Text<'a>,
    pub quantity: Quantity,
    pub reason: Text<'a>,
    pub lot_number: Option<Text<'a>>,
    pub expires_at: Option<UtcTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReleased<'a> {
    pub hold_id: Text<'a>,
    pub quantity: Quantity,
    pub released_by: Text<'a>,
    /// Set when it is an expiry: the instant it acts on.
    pub expires_at: Option<UtcTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuationChanged<'a> {
    pub valuation_method: Text<'a>,
    pub previous_unit_cost: Money,
    pub new_unit_cost: Money,
    pub previous_total_value: Money,
    pub new_total_value: Money,
    pub quantity: Quantity,
    pub reason: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassificationChanged<'a> {
    pub previous_class: Option<Text<'a>>,
    pub new_class: Text<'a>,
    pub criteria: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferInitiated<'a> {
    pub transfer_id: Text<'a>,
    pub source_location: Text<'a>,
    pub destination_location: Text<'a>,
    pub quantity: Quantity,
    pub initiated_by: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferCompleted<'a> {
    pub transfer_id: Text<'a>,
    pub from_location: Text<'a>,
    pub to_location: Text<'a>,
    pub quantity: Quantity,
    pub completed_by: Text<'a>,
    pub lot_number: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialReceived<'a> {
    pub serial_number: Text<'a>,
    pub location_id: Option<Text<'a>>,
    pub lot_number: Option<Text<'a>>,
    pub received_by: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialAllocated<'a> {
    pub serial_number: Text<'a>,
    pub allocation_id: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialShipped<'a> {
    pub serial_number: Text<'a>,
    pub shipment_id: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitComponent<'a> {
    pub component_sku: Text<'a>,
    pub quantity: Quantity,
    pub is_optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitCreated<'a> {
    pub kit_name: Text<'a>,
    pub kit_type: Text<'a>,
    pub components: Vec<KitComponent<'a>>,
    pub created_by: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitAssembled<'a> {
    pub assembly_order_id: Text<'a>,
    pub planned: Quantity,
    pub produced: Quantity,
    /// Units by component SKU.
    pub components_consumed: BTreeMap<Text<'a>, Quantity>,
    pub assembly_location: Text<'a>,
    pub completed_by: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitDisassembled<'a> {
    pub disassembly_order_id: Text<'a>,
    pub quantity: Quantity,
    /// Units by component SKU.
    pub components_recovered: BTreeMap<Text<'a>, Quantity>,
    pub disassembly_location: Text<'a>,
    pub completed_by: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotCreated<'a> {
    pub snapshot_id: Text<'a>,
    pub snapshot_type: Text<'a>,
    pub snapshot_reason: Text<'a>,
    pub created_by: Text<'a>,
}
