//! Commands as the domain sees them: requests to change one SKU's stock. Previous values are never asked of
//! the caller; [`decide`](super::decide()) fills them in. Source: the domain contract, "Commands".

use super::event::{KitAssembled, KitCreated, KitDisassembled};
use crate::types::{Difference, Money, Quantity, Sku, UtcTime};

pub use super::refusal::{Detail, Refusal, RefusalCode, UnknownRefusalCode};

type Text = Box<str>;

/// A request about one SKU, well formed; whether it is granted is for the rows to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub envelope: CommandEnvelope,
    pub request: Request,
}

/// What CloudEvents says around the data of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnvelope {
    /// SKU, source and id name a command.
    pub sku: Sku,
    pub source: Text,
    pub id: Text,
    /// The extension `expectedversion`.
    pub expected_version: Option<u64>,
    /// The extension `expirytime`: decided later than that, it is refused.
    pub expiry_time: Option<UtcTime>,
    pub correlation_id: Option<Text>,
    pub trace_parent: Option<Text>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Receive(Receive),
    Adjust(Adjust),
    Set(Set),
    Allocate {
        quantity: Quantity,
        allocation_id: Option<Text>,
        /// Only with an id.
        expires_at: Option<UtcTime>,
    },
    /// At least one of the two; the id alone = all of it.
    Deallocate {
        allocation_id: Option<Text>,
        quantity: Option<Quantity>,
    },
    Pick {
        quantity: Quantity,
        allocation_id: Option<Text>,
        location_id: Option<Text>,
        lot_number: Option<Text>,
    },
    ChangeStatus(ChangeStatus),
    PlaceHold(PlaceHold),
    /// No quantity = all of it.
    ReleaseHold {
        hold_id: Text,
        quantity: Option<Quantity>,
        released_by: Text,
    },
    InitiateTransfer(InitiateTransfer),
    CompleteTransfer {
        transfer_id: Text,
        /// What arrived.
        quantity: Quantity,
        completed_by: Text,
        lot_number: Option<Text>,
    },
    ReceiveSerial {
        serial_number: Text,
        location_id: Option<Text>,
        lot_number: Option<Text>,
        received_by: Option<Text>,
    },
    AllocateSerial {
        serial_number: Text,
        allocation_id: Option<Text>,
    },
    ShipSerial {
        serial_number: Text,
        shipment_id: Option<Text>,
    },
    /// No quantity = on hand.
    ChangeValuation {
        valuation_method: Text,
        unit_cost: Money,
        quantity: Option<Quantity>,
        reason: Text,
    },
    ChangeClassification {
        new_class: Text,
        criteria: Text,
        reason: Text,
    },
    CreateKit(KitCreated<'static>),
    AssembleKit(KitAssembled<'static>),
    DisassembleKit(KitDisassembled<'static>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    pub quantity: Quantity,
    pub reason: Text,
    /// Of the units received; nothing = AVAILABLE.
    pub status: Option<Text>,
    pub location_id: Option<Text>,
    pub lot_number: Option<Text>,
    /// Of the lot; a date or date-time, kept as its text.
    pub expiry_date: Option<Text>,
    pub unit_cost: Option<Money>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjust {
    /// Not 0.
    pub quantity_change: Difference,
    pub reason: Text,
    /// Of the units that come or go; nothing = AVAILABLE.
    pub status: Option<Text>,
    pub location_id: Option<Text>,
    pub lot_number: Option<Text>,
    pub comment: Option<Text>,
    pub accept_shortfall: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Of the SKU, or, with a location, counted there.
    pub quantity: Quantity,
    pub reason: Text,
    pub location_id: Option<Text>,
    pub comment: Option<Text>,
    pub accept_shortfall: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeStatus {
    pub quantity: Quantity,
    pub from: Text,
    pub to: Text,
    pub reason: Text,
    pub lot_number: Option<Text>,
    pub accept_shortfall: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceHold {
    pub hold_id: Text,
    pub hold_type: Text,
    pub quantity: Quantity,
    pub reason: Text,
    pub lot_number: Option<Text>,
    pub expires_at: Option<UtcTime>,
    pub accept_shortfall: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiateTransfer {
    pub transfer_id: Text,
    pub source_location: Text,
    pub destination_location: Text,
    pub quantity: Quantity,
    pub initiated_by: Text,
    pub reason: Text,
}

impl Request {
    /// The names of all requests, as in [`Self::type_name`], in the order of the contract's table.
    pub const TYPE_NAMES: [&'static str; 19] = [
        "product-stock.receive",
        "product-stock.adjust",
        "product-stock.set",
        "product-stock.allocate",
        "product-stock.deallocate",
        "product-stock.pick",
        "stock-status.change",
        "inventory-hold.place",
        "inventory-hold.release",
        "stock-transfer.initiate",
        "stock-transfer.complete",
        "serial-number.receive",
        "serial-number.allocate",
        "serial-number.ship",
        "inventory-valuation.change",
        "abc-classification.change",
        "kit.create",
        "kit.assemble",
        "kit.disassemble",
    ];

    /// The type's name without [`TYPE_PREFIX`](super::event::TYPE_PREFIX).
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Receive(_) => "product-stock.receive",
            Self::Adjust(_) => "product-stock.adjust",
            Self::Set(_) => "product-stock.set",
            Self::Allocate { .. } => "product-stock.allocate",
            Self::Deallocate { .. } => "product-stock.deallocate",
            Self::Pick { .. } => "product-stock.pick",
            Self::ChangeStatus(_) => "stock-status.change",
            Self::PlaceHold(_) => "inventory-hold.place",
            Self::ReleaseHold { .. } => "inventory-hold.release",
            Self::InitiateTransfer(_) => "stock-transfer.initiate",
            Self::CompleteTransfer { .. } => "stock-transfer.complete",
            Self::ReceiveSerial { .. } => "serial-number.receive",
            Self::AllocateSerial { .. } => "serial-number.allocate",
            Self::ShipSerial { .. } => "serial-number.ship",
            Self::ChangeValuation { .. } => "inventory-valuation.change",
            Self::ChangeClassification { .. } => "abc-classification.change",
            Self::CreateKit(_) => "kit.create",
            Self::AssembleKit(_) => "kit.assemble",
            Self::DisassembleKit(_) => "kit.disassemble",
        }
    }

    /// Whether it may be the first thing that happens to a SKU.
    #[must_use]
    pub const fn may_create(&self) -> bool {
        matches!(
            self,
            Self::Receive(_) | Self::Set(_) | Self::ChangeClassification { .. } | Self::CreateKit(_)
        )
    }
}
