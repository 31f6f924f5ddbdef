use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::domain::event::Event;
use crate::domain::rows::{Facet, StockRow};
use crate::domain::{Aggregate, Effect, EvolveError, Rules, evolve, touched};
use crate::store::{Before, Changes, Expiring, RowHash, StoreError, StoreWriter, expires_at};
use crate::types::{Offset, Record};

/// The rows at hand: loaded once, evolved in memory, each changed one staged once per write.
///
/// Rows stay after a write, as a cache that only its partition's single writer can change, until they take
/// more memory than they may; then all are dropped and loaded anew when needed.
///
/// The store is asked for an entry only where it can have it: an SKU that the store did not know when it was
/// taken up has all its entries here, and a sum of zero in the SKU's own row says that a facet has none.
#[derive(Default)]
pub(super) struct Working {
    index: FxHashMap<Box<str>, usize>,
    /// In blocks, so that growing moves nothing.
    blocks: Vec<Vec<WorkingSku>>,
    /// Places of SKUs that were changed since the last write.
    changed: Vec<usize>,
    bytes: usize,
    /// Changed entries that end by themselves, where anyone wants to know.
    pub(super) expiring: Option<Vec<Expiring>>,
}

/// SKUs in a block.
const BLOCK: usize = 256;

pub(super) struct WorkingSku {
    sku: Box<str>,
    pub(super) aggregate: Aggregate,
    /// The hash of the SKU's own row as the store has it.
    stored: Stored,
    changed: bool,
    /// Every entry there is of it is at hand: what is not at hand does not exist.
    complete: bool,
    /// Of each entry at hand, at its place in the aggregate.
    entries: Vec<EntryState>,
    /// Places of entries that were changed since the last write.
    changed_entries: Vec<usize>,
}

#[derive(Clone, Copy)]
struct EntryState {
    stored: Stored,
    changed: bool,
}

/// The hash of a row as the store has it, nothing where it has none, and the cycle under which it was marked
/// here. Without the padding of an option of 128 bits.
#[derive(Clone, Copy, Default)]
struct Stored {
    halves: [u64; 2],
    marked: Option<u64>,
    there: bool,
}

impl From<Option<RowHash>> for Stored {
    fn from(hash: Option<RowHash>) -> Self {
        let all = hash.map_or(0, |hash| hash.0);
        // Both halves, each cut to its 64 bits.
        Self { halves: [all as u64, (all >> 64) as u64], marked: None, there: hash.is_some() }
    }
}

impl Stored {
    fn before(self) -> Before {
        let [low, high] = self.halves;
        let hash = self.there.then(|| RowHash(u128::from(high) << 64 | u128::from(low)));
        Before { hash, marked: self.marked }
    }

    /// Once a row of this hash is written in its place, and marked under `cycle`.
    fn replaced(self, hash: RowHash, cycle: Option<u64>) -> Self {
        // What did not change is not marked.
        let marked = if self.before().hash == Some(hash) { self.marked } else { cycle };
        Self { marked, ..Some(hash).into() }
    }
}

/// What a SKU and an entry at hand take, beside their texts: measured generously.
const SKU_BYTES: usize = 880;
const ENTRY_BYTES: usize = 256;
/// Beyond so many, entries that ended stay at hand until the next write: looking for their marks would cost
/// more than they do.
const FEW_CHANGED: usize = 64;

impl Working {
    /// What is at hand, in bytes of memory, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place of a SKU that is at hand.
    pub(super) fn find(&self, sku: &str) -> Option<usize> {
        self.index.get(sku).copied()
    }

    /// Whether the rows of the SKU at `at` hold the record at `offset` already.
    pub(super) fn has_seen(&self, at: usize, offset: Offset) -> bool {
        let sku = self.blocks.get(at / BLOCK).and_then(|block| block.get(at % BLOCK));
        let last = sku.and_then(|sku| sku.aggregate.stock.last);
        last.is_some_and(|last| last.offset >= offset)
    }

    /// What is at hand of a SKU.
    pub(super) fn at_hand(&self, sku: &str) -> Option<&WorkingSku> {
        let at = self.find(sku)?;
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    /// Loads a SKU that is not at hand.
    pub(super) fn load(&mut self, sku: &str, store: &StoreWriter) -> Result<usize, StoreError> {
        // A store without rows need not be asked.
        let loaded = if store.meta().rows == 0 { None } else { store.load_stock(sku)? };
        let (row, stored) = match loaded {
            Some(loaded) => (loaded.row, Some(loaded.hash)),
            None => (StockRow::default(), None),
        };
        let at = self.index.len();
        self.bytes += SKU_BYTES + 2 * sku.len();
        self.index.insert(sku.into(), at);
        if at.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(WorkingSku {
                sku: sku.into(),
                aggregate: Aggregate::new(row),
                complete: stored.is_none(),
                stored: stored.into(),
                changed: false,
                entries: Vec::new(),
                changed_entries: Vec::new(),
            });
        }
        Ok(at)
    }

    /// Applies an event to the SKU at `at`, loading the entries it touches. Nothing is changed on an evolve
    /// error.
    pub(super) fn apply(
        &mut self,
        at: usize,
        rules: &Rules,
        event: &Event<'_>,
        record: &Record<'_>,
        store: &StoreWriter,
    ) -> Result<Result<(Effect, &WorkingSku), EvolveError>, StoreError> {
        #[expect(
            clippy::indexing_slicing,
            reason = "`at` came from `find` or `load`, and nothing was dropped since"
        )]
        let sku = &mut self.blocks[at / BLOCK][at % BLOCK];
        let touched = touched(event);
        let mut places: SmallVec<[usize; 4]> = SmallVec::new();
        for (facet, id) in &touched {
            let place = match sku.aggregate.place(*facet, id) {
                Some(place) => place,
                None => {
                    self.bytes += ENTRY_BYTES + 2 * id.len();
                    sku.load_entry(*facet, id, store)?
                }
            };
            places.push(place);
        }
        let effect = match evolve(rules, &mut sku.aggregate, event, record.offset, record.timestamp) {
            Ok(effect) => effect,
            Err(error) => return Ok(Err(error)),
        };
        if !sku.changed {
            sku.changed = true;
            self.changed.push(at);
        }
        if matches!(effect, Effect::Applied { .. }) {
            for place in &places {
                sku.mark(*place);
            }
            // Last first: only then does forgetting one leave the others' places as they are.
            places.sort_unstable();
            for place in places.iter().rev() {
                self.bytes = self.bytes.saturating_sub(sku.forget_ended(*place));
            }
        }
        Ok(Ok((effect, sku)))
    }

    /// Stages every changed row, once each. From here on the rows count as stored: the write must follow.
    /// `cycle`: under which that marks them, where it does.
    pub(super) fn stage(&mut self, changes: &mut Changes, cycle: Option<u64>) {
        for at in self.changed.drain(..) {
            if let Some(sku) = self.blocks.get_mut(at / BLOCK).and_then(|block| block.get_mut(at % BLOCK)) {
                self.bytes = self.bytes.saturating_sub(sku.stage(changes, cycle, &mut self.expiring));
            }
        }
    }

    /// Drops everything at hand. Only after a write.
    pub(super) fn clear(&mut self) {
        *self = Self { expiring: self.expiring.take(), ..Self::default() };
    }
}

impl WorkingSku {
    /// The SKU's own row, where the store has one.
    pub(super) fn stored_stock(&self) -> Option<&StockRow> {
        self.stored.there.then_some(&self.aggregate.stock)
    }

    /// Whether it is known here that there is an entry, and what it is, or that there is none.
    pub(super) fn knows(&self, facet: Facet, id: &str) -> bool {
        self.aggregate.is_loaded(facet, id) || self.cannot_have(facet)
    }

    /// Loads an entry that is not at hand; gives its place.
    fn load_entry(&mut self, facet: Facet, id: &str, store: &StoreWriter) -> Result<usize, StoreError> {
        let loaded = if self.cannot_have(facet) { None } else { store.load_entry(&self.sku, facet, id)? };
        let (entry, stored) = match loaded {
            Some(loaded) => (Some(loaded.row), Some(loaded.hash)),
            None => (None, None),
        };
        self.entries.push(EntryState { stored: stored.into(), changed: false });
        Ok(self.aggregate.load(facet, id, entry))
    }

    /// Whether an entry of the facet that is not at hand cannot exist. No entry accounts for zero units, so a
    /// sum of zero has no parts.
    fn cannot_have(&self, facet: Facet) -> bool {
        let stock = &self.aggregate.stock;
        self.complete
            || match facet {
                Facet::Hold => stock.held.is_zero(),
                Facet::Allocation => stock.named_allocations.is_zero(),
                Facet::Lot => stock.in_lots.is_zero(),
                Facet::Location => stock.in_locations.is_zero(),
                Facet::Serial => stock.serials_received == 0 && stock.serials_allocated == 0,
                // No sum is kept of these.
                Facet::Transfer => false,
            }
    }

    fn mark(&mut self, place: usize) {
        if let Some(state) = self.entries.get_mut(place)
            && !state.changed
        {
            state.changed = true;
            self.changed_entries.push(place);
        }
    }

    /// Forgets the entry at `place` where it ended before it was ever written, and would not be asked for
    /// again; gives the bytes it took.
    fn forget_ended(&mut self, place: usize) -> usize {
        if !self.complete || self.changed_entries.len() > FEW_CHANGED {
            return 0;
        }
        match (self.aggregate.at(place), self.entries.get(place)) {
            (Some((_, id, None)), Some(state)) if !state.stored.there => {
                let bytes = ENTRY_BYTES + 2 * id.len();
                let last = self.entries.len() - 1;
                self.changed_entries.retain(|changed| *changed != place);
                if let Some(moved) = self.changed_entries.iter_mut().find(|changed| **changed == last) {
                    *moved = place;
                }
                self.entries.swap_remove(place);
                self.aggregate.forget(place);
                bytes
            }
            _ => 0,
        }
    }

    /// Stages what was changed, and forgets the entries that ended; gives the bytes that these took.
    fn stage(
        &mut self,
        changes: &mut Changes,
        cycle: Option<u64>,
        expiring: &mut Option<Vec<Expiring>>,
    ) -> usize {
        self.changed = false;
        let hash = changes.put_stock(&self.sku, &self.aggregate.stock, self.stored.before());
        self.stored = self.stored.replaced(hash, cycle);
        // Last first, for the sake of forgetting.
        let mut places = std::mem::take(&mut self.changed_entries);
        places.sort_unstable();
        let mut bytes = 0;
        for place in places.iter().rev() {
            let (Some((facet, id, entry)), Some(state)) =
                (self.aggregate.at(*place), self.entries.get_mut(*place))
            else {
                continue;
            };
            let before = state.stored.before();
            state.changed = false;
            match entry {
                Some(entry) => {
                    if let (Some(expiring), Some(at)) = (expiring.as_mut(), expires_at(entry)) {
                        expiring.push(Expiring { at, sku: self.sku.clone(), facet, id: id.into() });
                    }
                    let hash = changes.put_entry(&self.sku, id, entry, before);
                    state.stored = state.stored.replaced(hash, cycle);
                }
                None => {
                    changes.delete_entry(&self.sku, facet, id, before);
                    bytes += ENTRY_BYTES + 2 * id.len();
                    self.entries.swap_remove(*place);
                    self.aggregate.forget(*place);
                }
            }
        }
        places.clear();
        self.changed_entries = places;
        bytes
    }
}
