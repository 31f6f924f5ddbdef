use serde::Serialize;

use super::entries::{EntryView, facet_name};
use super::history::{AsOfView, HistoryPage, HistoryView};
use super::merge::Merge;
use super::page::{Page, token};
use super::stock_level::{SHOWN_ENTRIES, StockLevel, StockSummary};
use crate::domain::rows::Facet;
use crate::store::{HistoryAt, SkuView, StoreError, StoreReader};
use crate::types::{NextOffset, Offset, Partition, Position, Sku, Timestamp, Version};

/// A body made from one view of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub json: Vec<u8>,
    /// Of the SKU; nothing for lists.
    pub version: Option<Version>,
}

/// A read that failed inside.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The past moment a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After the record at this offset.
    Offset(Offset),
    /// When log time stood here.
    Time(Timestamp),
}

/// What there is to say of a past moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastBody {
    Body(Body),
    NeverSeen,
    BeforeHistory { begins: NextOffset },
}

/// The SKU as it is; nothing where it was never seen. One row, and a short range of what it has entries of: microseconds.
pub fn stock_level(reader: &StoreReader, sku: &Sku) -> Result<Option<Body>, ReadError> {
    match reader.view(sku, SHOWN_ENTRIES)? {
        Some(view) if view.stock.version > Version::NEVER_SEEN => {
            let body = body(&level(sku, &view))?;
            Ok(Some(Body { version: Some(view.stock.version), ..body }))
        }
        _ => Ok(None),
    }
}

fn level<'a>(sku: &'a Sku, view: &'a SkuView) -> StockLevel<'a> {
    StockLevel::new(sku.as_str(), view.partition, &view.stock, |facet| {
        view.facet(facet).map(|page| (page.entries.as_slice(), page.truncated)).unwrap_or_default()
    })
}

/// The SKU as it was.
pub fn stock_level_at(
    reader: &StoreReader,
    partition: Partition,
    sku: &Sku,
    as_of: AsOf,
) -> Result<PastBody, ReadError> {
    let found = match as_of {
        AsOf::Offset(offset) => reader.history_at(sku, offset)?,
        AsOf::Time(time) => reader.history_at_time(sku, time)?,
    };
    Ok(match found {
        HistoryAt::Item(item) => {
            let view = AsOfView { sku: sku.as_str(), item: HistoryView::new(partition, &item) };
            PastBody::Body(body(&view)?)
        }
        HistoryAt::Unchanged(stock) => match HistoryView::unchanged(partition, &stock) {
            Some(item) => PastBody::Body(body(&AsOfView { sku: sku.as_str(), item })?),
            None => PastBody::NeverSeen,
        },
        HistoryAt::NeverSeen => PastBody::NeverSeen,
        HistoryAt::BeforeHistory { begins } => PastBody::BeforeHistory { begins },
    })
}

/// A page of a SKU's facet, by entry id; nothing where the SKU was never seen.
pub fn facet_page(
    reader: &StoreReader,
    sku: &Sku,
    facet: Facet,
    after: Option<&str>,
    limit: usize,
) -> Result<Option<Body>, ReadError> {
    let Some(page) = reader.facet(sku, facet, after, limit)? else { return Ok(None) };
    let next = page.entries.last().filter(|_| page.truncated).map(|(id, _)| token(facet_name(facet), id));
    let items = page.entries.iter().map(|(id, entry)| EntryView::new(id, entry)).collect();
    body(&Page { items, next }).map(Some)
}

/// A page of a SKU's history, newest first; nothing where the SKU was never seen.
pub fn history_page(
    reader: &StoreReader,
    partition: Partition,
    sku: &Sku,
    before: Option<Offset>,
    limit: usize,
) -> Result<Option<Body>, ReadError> {
    let mut items = reader.history(sku, before, limit + 1)?;
    if items.is_empty() && reader.stock(sku)?.is_none() {
        return Ok(None);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| token("history", &item.offset.to_string()));
    let begins = Position { partition, offset: Offset(reader.meta()?.history_begins.0) };
    let items = items.iter().map(|item| HistoryView::new(partition, item)).collect();
    body(&HistoryPage { items, next, begins }).map(Some)
}

/// `GET /stock_levels`.
#[derive(Debug, Serialize)]
struct StockLevels<'a> {
    items: Vec<StockSummary<'a>>,
    next: Option<&'a str>,
    missing_partitions: &'a [Partition],
}

/// A page of all SKUs in SKU order, over these partitions. `next` is the last SKU shown: `after` takes it as
/// it would any SKU.
pub fn stock_levels(
    partitions: &[(Partition, StoreReader)],
    missing: &[Partition],
    after: Option<&Sku>,
    limit: usize,
) -> Result<Body, ReadError> {
    let mut merge = Merge::new(partitions, after, limit + 1);
    let mut rows = Vec::with_capacity(limit + 1);
    while rows.len() <= limit {
        let Some(row) = merge.next()? else { break };
        rows.push(row);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let items =
        rows.iter().map(|(sku, partition, row)| StockSummary::new(sku.as_str(), *partition, row)).collect();
    let next = rows.last().filter(|_| more).map(|(sku, ..)| sku.as_str());
    body(&StockLevels { items, next, missing_partitions: missing })
}

fn body(view: &impl Serialize) -> Result<Body, ReadError> {
    Ok(Body { json: serde_json::to_vec(view)?, version: None })
}
