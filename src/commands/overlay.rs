//! What a lane has committed and its reader has not delivered yet.
//!
//! For each SKU with such events: the events, and the rows with them applied. The rows hold as long as the
//! store, at the reader's position, is what the first of these events was made on; a foreign event in between
//! moves the store's version, and the rows are made anew from the store and the events. Trimmed as the store
//! goes on, so its size is what lies between a commit and its delivery.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{NOT_WRITTEN, Name, Rows};
use crate::codec::result::Outcome;
use crate::domain::event::Event;
use crate::domain::rows::{Facet, StockRow};
use crate::domain::{Aggregate, Rules, evolve, touched};
use crate::types::{Headers, NewRecord, NextOffset, Offset, Record, Version};

/// Committed and not yet delivered, of one partition.
#[derive(Default)]
pub struct Overlay {
    pub(super) skus: FxHashMap<Box<str>, OverlaySku>,
    /// The SKUs of undelivered events, by their place.
    events: VecDeque<(Place, Box<str>)>,
    pub(super) outcomes: FxHashMap<Arc<Name>, Outcome>,
    /// The names of undelivered outcomes, by their results' place.
    results: VecDeque<(Place, Arc<Name>)>,
    bytes: usize,
    /// Numbers the batches, so that a SKU is held against the store once in each.
    batch: u64,
}

#[derive(Default)]
pub(super) struct OverlaySku {
    /// The rows with everything below applied, the batch under way included; nothing = to be made anew.
    aggregate: Option<Aggregate>,
    pending: VecDeque<Pending>,
    /// The last batch in which the rows were held against the store.
    checked: u64,
}

struct Pending {
    event: Event<'static>,
    offset: Offset,
    /// What the SKU's row was when the event was made.
    before: Mark,
}

/// Tells whether a SKU's row has moved: its version, and our own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(Version, u64);

impl Mark {
    pub(super) fn of(stock: &StockRow) -> Self {
        Self(stock.version, stock.own_sequence)
    }
}

/// Where a record of ours stands, and what it is told by there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub offset: Offset,
    pub sum: Sum,
}

/// Tells a record of ours, where one stands, from what else could stand there if the log was made anew: a hash of
/// its key, value and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Sum {
    pub(super) fn of(record: &NewRecord) -> Self {
        Self::over(record.key.as_deref(), record.value.as_deref(), &record.headers)
    }

    fn over(key: Option<&[u8]>, value: Option<&[u8]>, headers: &dyn Headers) -> Self {
        let mut sum = 0;
        let mut add = |part: Option<&[u8]>| {
            // No part is not an empty one.
            sum = xxh3_64_with_seed(part.unwrap_or_default(), sum).wrapping_add(u64::from(part.is_some()));
        };
        add(key);
        add(value);
        headers.visit(&mut |name, value| {
            add(Some(name.as_bytes()));
            add(value);
        });
        Self(sum)
    }
}

/// The place of this very record among those of ours that are on their way.
fn find<'a, T>(places: &'a VecDeque<(Place, T)>, record: &Record<'_>) -> Option<&'a T> {
    let at = places.binary_search_by_key(&record.offset, |(place, _)| place.offset).ok()?;
    let (place, what) = places.get(at)?;
    (place.sum == Sum::over(record.key, record.value, record.headers)).then_some(what)
}

/// Estimates, generous, of what is held beside texts.
const EVENT_BYTES: usize = 1024;
const OUTCOME_BYTES: usize = 512;

impl Overlay {
    /// What it holds, in bytes of memory, estimated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything committed was delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.results.is_empty()
    }

    /// Lets go of what the store has folded: events and results below these positions.
    pub fn trim(&mut self, events: NextOffset, results: NextOffset) {
        while let Some((_, sku)) = self.events.pop_front_if(|(place, _)| events.is_past(place.offset)) {
            self.bytes = self.bytes.saturating_sub(event_bytes(&sku));
            if let Some(state) = self.skus.get_mut(&sku) {
                state.pending.pop_front();
                if state.pending.is_empty() {
                    self.skus.remove(&sku);
                }
            }
        }
        while let Some((_, name)) = self.results.pop_front_if(|(place, _)| results.is_past(place.offset)) {
            self.bytes = self.bytes.saturating_sub(outcome_bytes(&name));
            self.outcomes.remove(&name);
        }
    }

    /// The event that a record of the events topic is, where it is ours and on its way: what decoding it gives.
    #[must_use]
    pub fn event(&self, record: &Record<'_>) -> Option<&Event<'static>> {
        let sku = find(&self.events, record)?;
        let pending = self.skus.get(sku)?.pending.iter().find(|pending| pending.offset == record.offset);
        pending.map(|pending| &pending.event)
    }

    /// The same of a record of the results topic, where its outcome is the first under its name.
    #[must_use]
    pub fn outcome(&self, record: &Record<'_>) -> Option<&Outcome> {
        self.outcomes.get(find(&self.results, record)?)
    }

    pub(super) fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// The rows of a SKU with every event of ours applied, those of the batch under way included: these are
    /// made on what this gives, and nothing drops it before the batch ends.
    pub(super) fn rows<'o, R: Rows>(
        &'o mut self,
        sku: &str,
        store: &R,
        rules: &Rules,
    ) -> Result<&'o mut Aggregate, R::Error> {
        if !self.skus.contains_key(sku) {
            self.skus.insert(sku.into(), OverlaySku::default());
        }
        let batch = self.batch;
        #[expect(clippy::expect_used, reason = "it was just put there where it was not")]
        let state = self.skus.get_mut(sku).expect("it was just put there");
        let mut stored = None;
        if state.checked != batch {
            let row = store.stock(sku)?.unwrap_or_default();
            // Without pending events the store itself is newest, whatever was remembered.
            if state.pending.front().is_none_or(|first| first.before != Mark::of(&row)) {
                state.aggregate = None;
            }
            stored = Some(row);
            state.checked = batch;
        }
        if state.aggregate.is_none() {
            let row = match stored {
                Some(row) => row,
                None => store.stock(sku)?.unwrap_or_default(),
            };
            let mut aggregate = Aggregate::new(row);
            for pending in &state.pending {
                apply(&mut aggregate, sku, &pending.event, store, rules)?;
            }
            state.aggregate = Some(aggregate);
        }
        Ok(state.aggregate.get_or_insert_default())
    }

    /// Drops the rows of a SKU; they are made anew when they are asked for. What has nothing committed either
    /// goes altogether.
    pub(super) fn forget(&mut self, sku: &str) {
        if let Some(state) = self.skus.get_mut(sku) {
            state.aggregate = None;
            if state.pending.is_empty() {
                self.skus.remove(sku);
            }
        }
    }

    /// Lets go of the rows of a SKU that has nothing on its way.
    pub(super) fn drop_idle(&mut self, sku: &str) {
        if self.skus.get(sku).is_some_and(|state| state.pending.is_empty()) {
            self.skus.remove(sku);
        }
    }

    /// An event of ours is committed at `place`.
    pub(super) fn add_event(&mut self, event: Event<'static>, before: Mark, place: Place) {
        let sku: Box<str> = event.envelope.sku.as_ref().into();
        self.bytes += event_bytes(&sku);
        let pending = Pending { event, before, offset: place.offset };
        match self.skus.get_mut(&sku) {
            Some(state) => state.pending.push_back(pending),
            None => self.skus.entry(sku.clone()).or_default().pending.push_back(pending),
        }
        self.events.push_back((place, sku));
    }

    /// A first outcome is committed with its result at `place`.
    pub(super) fn add_outcome(&mut self, name: Arc<Name>, outcome: Outcome, place: Place) {
        self.bytes += outcome_bytes(&name);
        self.outcomes.insert(Arc::clone(&name), outcome);
        self.results.push_back((place, name));
    }
}

fn event_bytes(sku: &str) -> usize {
    EVENT_BYTES + 3 * sku.len()
}

fn outcome_bytes(name: &Name) -> usize {
    OUTCOME_BYTES + 3 * name.bytes()
}

/// Puts an entry at hand that is not.
pub(super) fn load<R: Rows>(
    aggregate: &mut Aggregate,
    sku: &str,
    facet: Facet,
    id: &str,
    store: &R,
) -> Result<(), R::Error> {
    if !aggregate.is_loaded(facet, id) {
        let entry = store.entry(sku, facet, id)?;
        aggregate.load(facet, id, entry);
    }
    Ok(())
}

/// Applies an event of ours that is on its way. It was decided on rows like these; what does not fit any more
/// shows once it is folded.
pub(super) fn apply<R: Rows>(
    aggregate: &mut Aggregate,
    sku: &str,
    event: &Event<'static>,
    store: &R,
    rules: &Rules,
) -> Result<(), R::Error> {
    for (facet, id) in &touched(event) {
        load(aggregate, sku, *facet, id, store)?;
    }
    // An overflow is put aside by whoever folds it, and leaves these rows as they are.
    if let Err(error) = evolve(rules, aggregate, event, Offset(0), NOT_WRITTEN) {
        tracing::warn!(sku, %error, "an event of ours on its way cannot be applied to the rows it will meet");
    }
    Ok(())
}
