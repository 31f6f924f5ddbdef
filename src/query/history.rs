use serde::Serialize;

use crate::codec::rows::HistoryItem;
use crate::domain::event::TYPE_PREFIX;
use crate::domain::rows::StockRow;
use crate::types::{Partition, Position, Quantity, UtcTime};

/// The numbers of a SKU after one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryView<'a> {
    position: Position,
    time: UtcTime,
    #[serde(rename = "type")]
    event_type: Option<String>,
    event_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    quantity_on_hand: Quantity,
    quantity_allocated: Quantity,
    quantity_held: Quantity,
    quantity_unavailable: Quantity,
    available_to_promise: Quantity,
}

impl<'a> HistoryView<'a> {
    #[must_use]
    pub fn new(partition: Partition, item: &'a HistoryItem) -> Self {
        Self {
            position: Position { partition, offset: item.offset },
            time: item.time,
            event_type: Some(format!("{TYPE_PREFIX}{}", item.event_type)),
            event_id: Some(&item.event_id),
            correlation_id: item.correlation_id.as_deref(),
            quantity_on_hand: item.numbers.on_hand,
            quantity_allocated: item.numbers.allocated,
            quantity_held: item.numbers.held,
            quantity_unavailable: item.numbers.unavailable,
            available_to_promise: item.numbers.available_to_promise(),
        }
    }

    /// A row that no event has touched since, where no item is kept of the one that did: which event that
    /// was is not known any more. Nothing before the first event.
    #[must_use]
    pub fn unchanged(partition: Partition, stock: &StockRow) -> Option<Self> {
        let last = stock.last?;
        let numbers = stock.numbers();
        Some(Self {
            position: Position { partition, offset: last.offset },
            time: last.time,
            event_type: None,
            event_id: None,
            correlation_id: None,
            quantity_on_hand: numbers.on_hand,
            quantity_allocated: numbers.allocated,
            quantity_held: numbers.held,
            quantity_unavailable: numbers.unavailable,
            available_to_promise: numbers.available_to_promise(),
        })
    }
}

/// `GET /stock_levels/{sku}?as_of=`: the item in force then, with its SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsOfView<'a> {
    pub sku: &'a str,
    #[serde(flatten)]
    pub item: HistoryView<'a>,
}

/// `GET /stock_levels/{sku}/history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryPage<'a> {
    pub items: Vec<HistoryView<'a>>,
    pub next: Option<String>,
    /// The first position of which this partition keeps history.
    pub begins: Position,
}
