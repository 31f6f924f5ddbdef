//! What is kept of an inventory: one row for the SKU itself and one per entry of a facet.
//!
//! An event costs the same whether a SKU has three serials or a million, and no row grows with them.

use crate::types::{Difference, Money, Offset, Quantity, UtcTime, Version};

/// How many event identities a SKU remembers, to pass over duplicates.
pub const REMEMBERED_IDENTITIES: usize = 16;

/// The kinds of entry a SKU can have. The number is the persisted tag: never use one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Facet {
    Hold = 1,
    Allocation = 2,
    Lot = 3,
    Location = 4,
    Transfer = 5,
    Serial = 6,
}

impl Facet {
    pub const ALL: [Self; 6] =
        [Self::Hold, Self::Allocation, Self::Lot, Self::Location, Self::Transfer, Self::Serial];

    /// The place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Hold => 0,
            Self::Allocation => 1,
            Self::Lot => 2,
            Self::Location => 3,
            Self::Transfer => 4,
            Self::Serial => 5,
        }
    }
}

/// The status of units that nothing is wrong with: never stored, a source without limit.
pub const AVAILABLE: &str = "AVAILABLE";
/// The status of promised units: they are in `allocated` already, and so not in `unavailable`.
pub const ALLOCATED: &str = "ALLOCATED";

/// The SKU's own row.
///
/// Invariants: no quantity is negative; `held` is the sum of the hold rows, `named_allocations`,
/// `in_lots` and `in_locations` the sums of theirs, `serials_*` the counts of theirs; `statuses` has no
/// zero, no `AVAILABLE`, and is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockRow {
    pub on_hand: Quantity,
    pub allocated: Quantity,
    pub held: Quantity,
    /// Units per status other than AVAILABLE. AVAILABLE is never stored: it is on hand less these.
    pub statuses: Vec<(Box<str>, Quantity)>,
    pub named_allocations: Quantity,
    pub in_lots: Quantity,
    pub in_locations: Quantity,
    pub serials_received: u64,
    pub serials_allocated: u64,
    pub valuation: Option<Box<Valuation>>,
    pub abc_class: Option<Box<str>>,
    pub kit: Option<Box<Kit>>,
    pub version: Version,
    /// The last event that touched this row, a passed-over one included; nothing before the first.
    pub last: Option<LastEvent>,
    /// Hashes of source and id of the last foreign events applied, oldest first, 16 at most: xxh3_64 over
    /// source, 0x00, id. Our own are told apart by `own_sequence`.
    pub identities: Vec<u64>,
    /// The `sequence` of our own last event; 0 = none yet.
    pub own_sequence: u64,
    pub duplicates: Counted,
    pub conflicts: Counted,
    pub anomalies: Counted,
}

impl StockRow {
    /// The sums from which availability follows.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let unavailable = self.statuses.iter().filter(|(status, _)| &**status != ALLOCATED).fold(
            Quantity::ZERO,
            |sum, (_, units)| {
                // Evolve keeps the sum of all statuses in range.
                sum.checked_add(*units).unwrap_or(Quantity::MAX)
            },
        );
        Numbers { on_hand: self.on_hand, allocated: self.allocated, held: self.held, unavailable }
    }

    /// Whether there can be no entry of the facet. No entry accounts for zero units, so a sum of zero has no
    /// parts; of transfers no sum is kept.
    #[must_use]
    pub fn rules_out(&self, facet: Facet) -> bool {
        match facet {
            Facet::Hold => self.held.is_zero(),
            Facet::Allocation => self.named_allocations.is_zero(),
            Facet::Lot => self.in_lots.is_zero(),
            Facet::Location => self.in_locations.is_zero(),
            Facet::Serial => self.serials_received == 0 && self.serials_allocated == 0,
            Facet::Transfer => false,
        }
    }

    /// Units of status AVAILABLE: on hand less those in every other status, never below 0.
    #[must_use]
    pub fn available(&self) -> Quantity {
        self.statuses.iter().fold(self.on_hand, |rest, (_, units)| rest.saturating_sub(*units))
    }

    /// Units on hand that no lot accounts for; negative where lots account for more.
    #[must_use]
    pub fn outside_lots(&self) -> Difference {
        self.on_hand.minus(self.in_lots)
    }

    /// Units on hand that no location accounts for, those on their way included; negative where locations
    /// account for more.
    #[must_use]
    pub fn outside_locations(&self) -> Difference {
        self.on_hand.minus(self.in_locations)
    }
}

/// Position and time of an event in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastEvent {
    pub offset: Offset,
    /// The event's own time; the record's timestamp where it has none.
    pub time: UtcTime,
}

/// How often something happened, and where last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    pub count: u64,
    pub last: Option<Offset>,
}

impl Counted {
    /// Once more, at `offset`.
    pub fn count(&mut self, offset: Offset) {
        self.count = self.count.saturating_add(1);
        self.last = Some(offset);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valuation {
    pub method: Box<str>,
    pub unit_cost: Money,
    pub total_value: Money,
    /// The quantity it was stated for; may lag on hand.
    pub valued_quantity: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kit {
    pub name: Box<str>,
    pub kit_type: Box<str>,
    pub components: Vec<Component>,
    /// Kits assembled less those disassembled.
    pub assembled: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    pub sku: Box<str>,
    pub quantity: Quantity,
    pub is_optional: bool,
}

/// One entry of a facet. The large ones are apart: millions of these are at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Hold(Box<HoldRow>),
    Allocation(AllocationRow),
    Lot(LotRow),
    Location(LocationRow),
    Transfer(Box<TransferRow>),
    Serial(Box<SerialRow>),
}

impl From<HoldRow> for Entry {
    fn from(row: HoldRow) -> Self {
        Self::Hold(Box::new(row))
    }
}

impl From<TransferRow> for Entry {
    fn from(row: TransferRow) -> Self {
        Self::Transfer(Box::new(row))
    }
}

impl From<SerialRow> for Entry {
    fn from(row: SerialRow) -> Self {
        Self::Serial(Box::new(row))
    }
}

impl Entry {
    #[must_use]
    pub fn facet(&self) -> Facet {
        match self {
            Self::Hold(_) => Facet::Hold,
            Self::Allocation(_) => Facet::Allocation,
            Self::Lot(_) => Facet::Lot,
            Self::Location(_) => Facet::Location,
            Self::Transfer(_) => Facet::Transfer,
            Self::Serial(_) => Facet::Serial,
        }
    }

    /// The units it accounts for; a serial accounts for none.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        match self {
            Self::Hold(row) => row.quantity,
            Self::Allocation(row) => row.quantity,
            Self::Lot(row) => row.quantity,
            Self::Location(row) => row.quantity,
            Self::Transfer(row) => row.quantity,
            Self::Serial(_) => Quantity::ZERO,
        }
    }
}

/// Deleted when released or used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    pub hold_type: Box<str>,
    pub quantity: Quantity,
    pub reason: Box<str>,
    pub lot_number: Option<Box<str>>,
    pub expires_at: Option<UtcTime>,
}

/// Deleted at zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRow {
    pub quantity: Quantity,
    pub expires_at: Option<UtcTime>,
}

/// Deleted at zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotRow {
    pub quantity: Quantity,
    pub expiry_date: Option<Box<str>>,
}

/// Deleted at zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRow {
    pub quantity: Quantity,
}

/// Open transfers only; deleted when completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    pub source_location: Box<str>,
    pub destination_location: Box<str>,
    /// What is still to arrive.
    pub quantity: Quantity,
}

/// Deleted when shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialRow {
    pub state: SerialState,
    pub location_id: Option<Box<str>>,
    pub lot_number: Option<Box<str>>,
    pub allocation_id: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialState {
    Received,
    Allocated,
}

/// The sums from which a SKU's availability follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    pub on_hand: Quantity,
    pub allocated: Quantity,
    pub held: Quantity,
    pub unavailable: Quantity,
}

impl Numbers {
    /// on hand − allocated − unavailable − held, which may be negative.
    #[must_use]
    pub fn free(&self) -> i128 {
        i128::from(self.on_hand.units())
            - i128::from(self.allocated.units())
            - i128::from(self.unavailable.units())
            - i128::from(self.held.units())
    }

    /// What a new order may still take: free, never below 0.
    #[must_use]
    pub fn available_to_promise(&self) -> Quantity {
        // free is at most on hand, so it fits.
        u64::try_from(self.free()).ok().and_then(|units| Quantity::new(units).ok()).unwrap_or(Quantity::ZERO)
    }

    /// How far facts have pushed free below 0, in units; may exceed a `Quantity`.
    #[must_use]
    pub fn shortfall(&self) -> u128 {
        if self.free() < 0 { self.free().unsigned_abs() } else { 0 }
    }
}
