use super::wire::{self, SchemaRead, SchemaWrite};
use super::words::{Word, quantity};
use super::{RowError, optional_instant};
use crate::domain::rows::{Component, Counted, Kit, LastEvent, REMEMBERED_IDENTITIES, StockRow, Valuation};
use crate::types::{Money, Offset, Version};

/// The version byte of the SKU's own row.
pub(super) const STOCK_VERSION: u8 = 1;

/// [`StockRow`] as it is written. The order of fields is the format.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
pub(super) struct StoredStock<'a> {
    on_hand: u64,
    allocated: u64,
    held: u64,
    statuses: Vec<(Word<'a>, u64)>,
    named_allocations: u64,
    in_lots: u64,
    in_locations: u64,
    serials_received: u64,
    serials_allocated: u64,
    valuation: Option<StoredValuation<'a>>,
    abc_class: Option<Word<'a>>,
    kit: Option<StoredKit<'a>>,
    version: u64,
    last: Option<StoredLast>,
    /// Eight bytes each, little-endian: hashes do not shrink.
    identities: Vec<[u8; 8]>,
    own_sequence: u64,
    duplicates: StoredCounted,
    conflicts: StoredCounted,
    anomalies: StoredCounted,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredValuation<'a> {
    method: Word<'a>,
    unit_cost: StoredMoney,
    total_value: StoredMoney,
    valued_quantity: u64,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredMoney {
    coefficient: i128,
    scale: u32,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredKit<'a> {
    name: &'a str,
    kit_type: Word<'a>,
    components: Vec<StoredComponent<'a>>,
    assembled: u64,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredComponent<'a> {
    sku: &'a str,
    quantity: u64,
    is_optional: bool,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredLast {
    offset: u64,
    seconds: i64,
    nanos: u32,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode, Debug, PartialEq))]
struct StoredCounted {
    count: u64,
    last: Option<u64>,
}

/// Appends the value of the SKU's own row.
pub fn encode_stock(row: &StockRow, out: &mut Vec<u8>) {
    out.push(STOCK_VERSION);
    wire::write(&stored(row), out);
}

/// # Errors
/// [`RowError`] where the bytes are not exactly what [`encode_stock`] writes for some sound row.
pub fn decode_stock(bytes: &[u8]) -> Result<StockRow, RowError> {
    let row = sound(wire::read(wire::versioned(bytes, STOCK_VERSION)?)?)?;
    wire::canonical(bytes, |out| encode_stock(&row, out))?;
    Ok(row)
}

pub(super) fn stored(row: &StockRow) -> StoredStock<'_> {
    let counted =
        |counted: &Counted| StoredCounted { count: counted.count, last: counted.last.map(|offset| offset.0) };
    let money = |money: Money| {
        let (coefficient, scale) = money.parts();
        StoredMoney { coefficient, scale }
    };
    StoredStock {
        on_hand: row.on_hand.units(),
        allocated: row.allocated.units(),
        held: row.held.units(),
        statuses: row.statuses.iter().map(|(status, units)| (Word::of(status), units.units())).collect(),
        named_allocations: row.named_allocations.units(),
        in_lots: row.in_lots.units(),
        in_locations: row.in_locations.units(),
        serials_received: row.serials_received,
        serials_allocated: row.serials_allocated,
        valuation: row.valuation.as_ref().map(|valuation| StoredValuation {
            method: Word::of(&valuation.method),
            unit_cost: money(valuation.unit_cost),
            total_value: money(valuation.total_value),
            valued_quantity: valuation.valued_quantity.units(),
        }),
        abc_class: row.abc_class.as_deref().map(Word::of),
        kit: row.kit.as_ref().map(|kit| StoredKit {
            name: &kit.name,
            kit_type: Word::of(&kit.kit_type),
            components: kit
                .components
                .iter()
                .map(|part| StoredComponent {
                    sku: &part.sku,
                    quantity: part.quantity.units(),
                    is_optional: part.is_optional,
                })
                .collect(),
            assembled: kit.assembled.units(),
        }),
        version: row.version.0,
        last: row.last.map(|last| StoredLast {
            offset: last.offset.0,
            seconds: last.time.seconds(),
            nanos: last.time.nanos(),
        }),
        identities: row.identities.iter().map(|hash| hash.to_le_bytes()).collect(),
        own_sequence: row.own_sequence,
        duplicates: counted(&row.duplicates),
        conflicts: counted(&row.conflicts),
        anomalies: counted(&row.anomalies),
    }
}

/// The row, held to its invariants as far as it can tell alone.
fn sound(stored: StoredStock<'_>) -> Result<StockRow, RowError> {
    let damaged = |reason: &str| RowError::Damaged { reason: reason.into() };
    let counted = |counted: StoredCounted| Counted { count: counted.count, last: counted.last.map(Offset) };
    let money = |money: StoredMoney| {
        Money::from_parts(money.coefficient, money.scale)
            .map_err(|error| RowError::Damaged { reason: error.to_string() })
    };

    let mut statuses: Vec<(Box<str>, _)> = Vec::with_capacity(stored.statuses.len());
    for (status, units) in stored.statuses {
        if units == 0 || status == Word::Available {
            return Err(damaged("a status is AVAILABLE or has no units"));
        }
        if statuses.last().is_some_and(|(before, _)| **before >= *status.text()) {
            return Err(damaged("the statuses are not in order"));
        }
        statuses.push((status.text().into(), quantity(units)?));
    }
    if stored.identities.len() > REMEMBERED_IDENTITIES {
        return Err(damaged("it remembers too many identities"));
    }

    Ok(StockRow {
        on_hand: quantity(stored.on_hand)?,
        allocated: quantity(stored.allocated)?,
        held: quantity(stored.held)?,
        statuses,
        named_allocations: quantity(stored.named_allocations)?,
        in_lots: quantity(stored.in_lots)?,
        in_locations: quantity(stored.in_locations)?,
        serials_received: stored.serials_received,
        serials_allocated: stored.serials_allocated,
        valuation: match stored.valuation {
            None => None,
            Some(valuation) => Some(Box::new(Valuation {
                method: valuation.method.text().into(),
                unit_cost: money(valuation.unit_cost)?,
                total_value: money(valuation.total_value)?,
                valued_quantity: quantity(valuation.valued_quantity)?,
            })),
        },
        abc_class: stored.abc_class.map(|class| class.text().into()),
        kit: match stored.kit {
            None => None,
            Some(kit) => Some(Box::new(Kit {
                name: kit.name.into(),
                kit_type: kit.kit_type.text().into(),
                components: kit
                    .components
                    .into_iter()
                    .map(|part| {
                        Ok(Component {
                            sku: part.sku.into(),
                            quantity: quantity(part.quantity)?,
                            is_optional: part.is_optional,
                        })
                    })
                    .collect::<Result<_, RowError>>()?,
                assembled: quantity(kit.assembled)?,
            })),
        },
        version: Version(stored.version),
        last: match stored.last {
            None => None,
            Some(last) => optional_instant(Some((last.seconds, last.nanos)))?
                .map(|time| LastEvent { offset: Offset(last.offset), time }),
        },
        identities: stored.identities.into_iter().map(u64::from_le_bytes).collect(),
        own_sequence: stored.own_sequence,
        duplicates: counted(stored.duplicates),
        conflicts: counted(stored.conflicts),
        anomalies: counted(stored.anomalies),
    })
}
