use super::data::Data;
use super::names::{Field, Names};
use super::{facts, kit, level};
use crate::codec::event::Malformed;
use crate::domain::event::{Fact, TYPE_PREFIX};

/// The event types that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LevelChanged,
    StatusChanged,
    HoldPlaced,
    HoldReleased,
    ValuationChanged,
    ClassificationChanged,
    TransferInitiated,
    TransferCompleted,
    SerialReceived,
    SerialAllocated,
    SerialShipped,
    KitCreated,
    KitAssembled,
    KitDisassembled,
    SnapshotCreated,
}

impl Kind {
    /// Every kind has the field `sku` in this slot.
    pub(super) const SKU: Field = Field { slot: 0, name: "sku" };

    pub(super) fn named(event_type: &str) -> Option<Self> {
        Some(match event_type.strip_prefix(TYPE_PREFIX)? {
            "product-stock.level-changed" => Self::LevelChanged,
            "stock-status.changed" | "product-stock.status-changed" => Self::StatusChanged,
            "inventory-hold.placed" => Self::HoldPlaced,
            "inventory-hold.released" => Self::HoldReleased,
            "inventory-valuation.changed" => Self::ValuationChanged,
            "abc-classification.changed" => Self::ClassificationChanged,
            "stock-transfer.initiated" => Self::TransferInitiated,
            "stock-transfer.completed" => Self::TransferCompleted,
            "serial-number.received" => Self::SerialReceived,
            "serial-number.allocated" => Self::SerialAllocated,
            "serial-number.shipped" => Self::SerialShipped,
            "kit.created" => Self::KitCreated,
            "kit.assembled" => Self::KitAssembled,
            "kit.disassembled" => Self::KitDisassembled,
            "inventory-snapshot.created" => Self::SnapshotCreated,
            _ => return None,
        })
    }

    pub(super) fn names(self) -> &'static Names {
        match self {
            Self::LevelChanged => &level::level_changed::NAMES,
            Self::StatusChanged => &facts::status_changed::NAMES,
            Self::HoldPlaced => &facts::hold_placed::NAMES,
            Self::HoldReleased => &facts::hold_released::NAMES,
            Self::ValuationChanged => &facts::valuation_changed::NAMES,
            Self::ClassificationChanged => &facts::classification_changed::NAMES,
            Self::TransferInitiated => &facts::transfer_initiated::NAMES,
            Self::TransferCompleted => &facts::transfer_completed::NAMES,
            Self::SerialReceived => &facts::serial_received::NAMES,
            Self::SerialAllocated => &facts::serial_allocated::NAMES,
            Self::SerialShipped => &facts::serial_shipped::NAMES,
            Self::KitCreated => &kit::kit_created::NAMES,
            Self::KitAssembled => &kit::kit_assembled::NAMES,
            Self::KitDisassembled => &kit::kit_disassembled::NAMES,
            Self::SnapshotCreated => &facts::snapshot_created::NAMES,
        }
    }

    /// The field that names the aggregate of a kit's event.
    pub(super) fn kit_sku(self) -> Option<Field> {
        match self {
            Self::KitCreated => Some(kit::kit_created::KIT_SKU),
            Self::KitAssembled => Some(kit::kit_assembled::KIT_SKU),
            Self::KitDisassembled => Some(kit::kit_disassembled::KIT_SKU),
            _ => None,
        }
    }

    pub(super) fn fact<'a>(self, data: &Data<'a>) -> Result<Fact<'a>, Malformed> {
        let object = &data.object;
        Ok(match self {
            Self::LevelChanged => Fact::LevelChanged(level::read(object, &data.levels)?),
            Self::StatusChanged => Fact::StatusChanged(facts::status_changed(object)?),
            Self::HoldPlaced => Fact::HoldPlaced(facts::hold_placed(object)?),
            Self::HoldReleased => Fact::HoldReleased(facts::hold_released(object)?),
            Self::ValuationChanged => Fact::ValuationChanged(facts::valuation_changed(object)?),
            Self::ClassificationChanged => {
                Fact::ClassificationChanged(facts::classification_changed(object)?)
            }
            Self::TransferInitiated => Fact::TransferInitiated(facts::transfer_initiated(object)?),
            Self::TransferCompleted => Fact::TransferCompleted(facts::transfer_completed(object)?),
            Self::SerialReceived => Fact::SerialReceived(facts::serial_received(object)?),
            Self::SerialAllocated => Fact::SerialAllocated(facts::serial_allocated(object)?),
            Self::SerialShipped => Fact::SerialShipped(facts::serial_shipped(object)?),
            Self::KitCreated => Fact::KitCreated(kit::created(object)?),
            Self::KitAssembled => Fact::KitAssembled(kit::assembled(object)?),
            Self::KitDisassembled => Fact::KitDisassembled(kit::disassembled(object)?),
            Self::SnapshotCreated => Fact::SnapshotCreated(facts::snapshot_created(object)?),
        })
    }
}
