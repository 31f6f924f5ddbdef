//! The values that the platform's published schemas list, and so the ones we write. Source: the domain
//! contract, "Events".

/// `change_reason` of a level change.
pub(super) const REASONS: &[&str] = &[
    "RECEIPT",
    "ADJUSTMENT",
    "ALLOCATION",
    "PICK",
    "RETURN",
    "TRANSFER",
    "CYCLE_COUNT",
    "INITIAL_STOCK",
    "PHYSICAL_COUNT",
    "PURCHASE_RECEIPT",
    "STOCK_RECEIPT",
    "ITEM_PICKED",
    "DEALLOCATION",
    "DAMAGE",
    "THEFT_LOSS",
];

pub(super) const STATUSES: &[&str] =
    &["AVAILABLE", "QUARANTINE", "DAMAGED", "EXPIRED", "ON_HOLD", "IN_TRANSIT"];

pub(super) const HOLD_TYPES: &[&str] =
    &["QUALITY_HOLD", "CREDIT_HOLD", "ADMINISTRATIVE_HOLD", "REGULATORY_HOLD"];

pub(super) const CLASSES: &[&str] = &["A", "B", "C"];

pub(super) const CRITERIA: &[&str] = &["VALUE_BASED", "VELOCITY_BASED", "CRITICALITY_BASED", "COMBINED"];

pub(super) const VALUATION_METHODS: &[&str] =
    &["FIFO", "LIFO", "WEIGHTED_AVERAGE", "STANDARD_COST", "MOVING_AVERAGE"];

pub(super) const KIT_TYPES: &[&str] = &["PHYSICAL", "VIRTUAL", "CONFIGURABLE"];
