//! Texts that come again and again, stored as one byte: statuses, hold types, methods, classes, event types.
//!
//! The number of a word is part of the format: add at the end, never change or reuse one. A text that is not
//! in the table is stored as it stands.

use super::RowError;
use super::wire::{SchemaRead, SchemaWrite};

macro_rules! words {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// A text: tag 0 and the text itself, or the word's number in this table, from 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
        #[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
        pub(super) enum Word<'a> {
            Other(&'a str),
            $($name,)+
        }

        impl<'a> Word<'a> {
            pub(super) fn of(text: &'a str) -> Self {
                match text {
                    $($text => Self::$name,)+
                    other => Self::Other(other),
                }
            }

            pub(super) fn text(self) -> &'a str {
                match self {
                    Self::Other(text) => text,
                    $(Self::$name => $text,)+
                }
            }
        }

        #[cfg(test)]
        pub(super) const ALL: &[&str] = &[$($text),+];
    };
}

words! {
    // 1 to 9: statuses
    Available = "AVAILABLE",
    Quarantine = "QUARANTINE",
    Damaged = "DAMAGED",
    OnHold = "ON_HOLD",
    Expired = "EXPIRED",
    Returned = "RETURNED",
    Reserved = "RESERVED",
    Allocated = "ALLOCATED",
    InTransit = "IN_TRANSIT",
    // 10 to 20: hold types
    QualityHold = "QUALITY_HOLD",
    LegalHold = "LEGAL_HOLD",
    AllocationHold = "ALLOCATION_HOLD",
    RecallHold = "RECALL_HOLD",
    ExpiryHold = "EXPIRY_HOLD",
    DamageHold = "DAMAGE_HOLD",
    CreditHold = "CREDIT_HOLD",
    CountHold = "COUNT_HOLD",
    AdministrativeHold = "ADMINISTRATIVE_HOLD",
    RegulatoryHold = "REGULATORY_HOLD",
    CustomHold = "CUSTOM_HOLD",
    // 21 to 25: valuation methods
    Fifo = "FIFO",
    Lifo = "LIFO",
    WeightedAverage = "WEIGHTED_AVERAGE",
    StandardCost = "STANDARD_COST",
    MovingAverage = "MOVING_AVERAGE",
    // 26 to 28: ABC classes
    ClassA = "A",
    ClassB = "B",
    ClassC = "C",
    // 29 to 31: kit types
    Physical = "PHYSICAL",
    Virtual = "VIRTUAL",
    Configurable = "CONFIGURABLE",
    // 32 to 46: event types
    LevelChanged = "product-stock.level-changed",
    StatusChanged = "stock-status.changed",
    HoldPlaced = "inventory-hold.placed",
    HoldReleased = "inventory-hold.released",
    ValuationChanged = "inventory-valuation.changed",
    ClassificationChanged = "abc-classification.changed",
    TransferInitiated = "stock-transfer.initiated",
    TransferCompleted = "stock-transfer.completed",
    SerialReceived = "serial-number.received",
    SerialAllocated = "serial-number.allocated",
    SerialShipped = "serial-number.shipped",
    KitCreated = "kit.created",
    KitAssembled = "kit.assembled",
    KitDisassembled = "kit.disassembled",
    SnapshotCreated = "inventory-snapshot.created",
}

/// A quantity as read; damaged above 2^63−1.
pub(super) fn quantity(units: u64) -> Result<crate::types::Quantity, RowError> {
    crate::types::Quantity::new(units).map_err(|e| RowError::Damaged { reason: e.to_string() })
}
