use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::entries::{EntryView, facet_name};
use crate::domain::rows::{Entry, Facet, Kit, StockRow, Valuation};
use crate::types::{Money, Partition, Position, Quantity, UtcTime, Version};

/// Entries of one facet shown with the stock level; the rest stands on the facet's own page.
pub const SHOWN_ENTRIES: usize = 100;

/// `GET /stock_levels/{sku}`: every field always there, in this order.
#[derive(Debug, Clone, Serialize)]
pub struct StockLevel<'a> {
    #[serde(flatten)]
    figures: Figures<'a>,
    holds: Vec<EntryView<'a>>,
    allocations: Vec<EntryView<'a>>,
    lots: Vec<EntryView<'a>>,
    locations: Vec<EntryView<'a>>,
    unassigned: Unassigned,
    transfers: Vec<EntryView<'a>>,
    serials: Serials,
    #[serde(flatten)]
    particulars: Particulars<'a>,
    /// The facets that were cut; absent where none was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<&'static str>,
}

/// An item of `GET /stock_levels`: the same fields but the lists of entries, so that a page costs a row per
/// SKU.
#[derive(Debug, Clone, Serialize)]
pub struct StockSummary<'a> {
    #[serde(flatten)]
    figures: Figures<'a>,
    unassigned: Unassigned,
    serials: Serials,
    #[serde(flatten)]
    particulars: Particulars<'a>,
}

#[derive(Debug, Clone, Serialize)]
struct Figures<'a> {
    sku: &'a str,
    quantity_on_hand: Quantity,
    quantity_allocated: Quantity,
    available_to_promise: Quantity,
    quantity_held: Quantity,
    quantity_unavailable: Quantity,
    shortfall: u128,
    version: Version,
    position: Option<Position>,
    last_event_time: Option<UtcTime>,
    #[serde(serialize_with = "as_map")]
    statuses: &'a [(Box<str>, Quantity)],
}

#[derive(Debug, Clone, Serialize)]
struct Particulars<'a> {
    valuation: Option<ValuationView<'a>>,
    abc_class: Option<&'a str>,
    kit: Option<KitView<'a>>,
    duplicates: u64,
    conflicts: u64,
    anomalies: u64,
}

/// On hand that no event put into a lot or location; negative after foreign facts.
#[derive(Debug, Clone, Copy, Serialize)]
struct Unassigned {
    lots: i64,
    locations: i64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Serials {
    received: u64,
    allocated: u64,
}

#[derive(Debug, Clone, Serialize)]
struct ValuationView<'a> {
    valuation_method: &'a str,
    unit_cost: Money,
    total_value: Money,
    valued_quantity: Quantity,
}

#[derive(Debug, Clone, Serialize)]
struct KitView<'a> {
    kit_name: &'a str,
    kit_type: &'a str,
    components: Vec<ComponentView<'a>>,
    assembled: Quantity,
}

#[derive(Debug, Clone, Serialize)]
struct ComponentView<'a> {
    component_sku: &'a str,
    quantity: Quantity,
    is_optional: bool,
}

impl<'a> StockLevel<'a> {
    /// `entries` gives a facet's first entries by id, and whether there are more.
    #[must_use]
    pub fn new(
        sku: &'a str,
        partition: Partition,
        row: &'a StockRow,
        entries: impl Fn(Facet) -> (&'a [(Box<str>, Entry)], bool),
    ) -> Self {
        let list = |facet| entries(facet).0.iter().map(|(id, entry)| EntryView::new(id, entry)).collect();
        let cut = Facet::ALL.into_iter().filter(|facet| *facet != Facet::Serial && entries(*facet).1);
        Self {
            figures: Figures::new(sku, partition, row),
            holds: list(Facet::Hold),
            allocations: list(Facet::Allocation),
            lots: list(Facet::Lot),
            locations: list(Facet::Location),
            unassigned: Unassigned::new(row),
            transfers: list(Facet::Transfer),
            serials: Serials::new(row),
            particulars: Particulars::new(row),
            truncated: cut.map(facet_name).collect(),
        }
    }
}

impl<'a> StockSummary<'a> {
    #[must_use]
    pub fn new(sku: &'a str, partition: Partition, row: &'a StockRow) -> Self {
        Self {
            figures: Figures::new(sku, partition, row),
            unassigned: Unassigned::new(row),
            serials: Serials::new(row),
            particulars: Particulars::new(row),
        }
    }
}

impl<'a> Figures<'a> {
    fn new(sku: &'a str, partition: Partition, row: &'a StockRow) -> Self {
        let numbers = row.numbers();
        Self {
            sku,
            quantity_on_hand: numbers.on_hand,
            quantity_allocated: numbers.allocated,
            available_to_promise: numbers.available_to_promise(),
            quantity_held: numbers.held,
            quantity_unavailable: numbers.unavailable,
            shortfall: numbers.shortfall(),
            version: row.version,
            position: row.last.map(|last| Position { partition, offset: last.offset }),
            last_event_time: row.last.map(|last| last.time),
            statuses: &row.statuses,
        }
    }
}

impl Unassigned {
    fn new(row: &StockRow) -> Self {
        Self { lots: row.on_hand.minus(row.in_lots).0, locations: row.on_hand.minus(row.in_locations).0 }
    }
}

impl Serials {
    fn new(row: &StockRow) -> Self {
        Self { received: row.serials_received, allocated: row.serials_allocated }
    }
}

impl<'a> Particulars<'a> {
    fn new(row: &'a StockRow) -> Self {
        Self {
            valuation: row.valuation.as_deref().map(ValuationView::new),
            abc_class: row.abc_class.as_deref(),
            kit: row.kit.as_deref().map(KitView::new),
            duplicates: row.duplicates.count,
            conflicts: row.conflicts.count,
            anomalies: row.anomalies.count,
        }
    }
}

impl<'a> ValuationView<'a> {
    fn new(valuation: &'a Valuation) -> Self {
        Self {
            valuation_method: &valuation.method,
            unit_cost: valuation.unit_cost,
            total_value: valuation.total_value,
            valued_quantity: valuation.valued_quantity,
        }
    }
}

impl<'a> KitView<'a> {
    fn new(kit: &'a Kit) -> Self {
        let components = kit.components.iter().map(|c| ComponentView {
            component_sku: &c.sku,
            quantity: c.quantity,
            is_optional: c.is_optional,
        });
        Self {
            kit_name: &kit.name,
            kit_type: &kit.kit_type,
            components: components.collect(),
            assembled: kit.assembled,
        }
    }
}

fn as_map<S: Serializer>(statuses: &[(Box<str>, Quantity)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(statuses.len()))?;
    for (status, units) in statuses {
        map.serialize_entry(status, units)?;
    }
    map.end()
}
