//! One SKU at hand: its rows as evolving them needs them, and what the store has of each.

mod packing;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::domain::Aggregate;
use crate::domain::rows::{Facet, StockRow};
use crate::store::{Before, Changes, Expiring, RowHash, StoreError, StoreWriter, expires_at};
use crate::types::Offset;

pub(super) struct WorkingSku {
    pub(super) sku: CompactString,
    pub(super) aggregate: Aggregate,
    /// The hash of the SKU's own row as the store has it.
    stored: Stored,
    pub(super) changed: bool,
    /// Every entry there is of it is at hand: what is not at hand does not exist.
    complete: bool,
    /// Of each entry at hand, at its place in the aggregate.
    entries: Vec<EntryState>,
    /// Places of entries that were changed since the last write.
    changed_entries: SmallVec<[usize; 2]>,
}

#[derive(Clone, Copy)]
struct EntryState {
    stored: Stored,
    changed: bool,
}

/// The hash of a row as the store has it, nothing where it has none, and the cycle under which it was marked
/// here. Without the padding of options: millions of these are at hand.
#[derive(Clone, Copy, Default)]
struct Stored {
    halves: [u64; 2],
    cycle: u64,
    is_marked: bool,
    there: bool,
}

impl From<Option<RowHash>> for Stored {
    fn from(hash: Option<RowHash>) -> Self {
        let all = hash.map_or(0, |hash| hash.0);
        // Both halves, each cut to its 64 bits.
        Self { halves: [all as u64, (all >> 64) as u64], there: hash.is_some(), ..Self::default() }
    }
}

impl Stored {
    fn before(self) -> Before {
        let [low, high] = self.halves;
        let hash = self.there.then(|| RowHash(u128::from(high) << 64 | u128::from(low)));
        Before { hash, marked: self.marked() }
    }

    fn marked(self) -> Option<u64> {
        self.is_marked.then_some(self.cycle)
    }

    fn of(hash: Option<RowHash>, marked: Option<u64>) -> Self {
        Self { cycle: marked.unwrap_or_default(), is_marked: marked.is_some(), ..hash.into() }
    }

    /// Once a row of this hash is written in its place, and marked under `cycle`.
    fn replaced(self, hash: RowHash, cycle: Option<u64>) -> Self {
        // What did not change is not marked.
        let marked = if self.before().hash == Some(hash) { self.marked() } else { cycle };
        Self::of(Some(hash), marked)
    }
}

/// What a SKU and an entry at hand take, beside their texts: generously, held to their sizes by a test.
const SKU_BYTES: usize = 672;
const ENTRY_BYTES: usize = 208;

fn entry_bytes(id: &str) -> usize {
    ENTRY_BYTES + id.len()
}

/// Beyond so many, entries that ended stay at hand until the next write: looking for their marks would cost
/// more than they do.
const FEW_CHANGED: usize = 64;

impl WorkingSku {
    /// A SKU as the store has it; nothing = the store has none, and no entries of it either.
    pub(super) fn new(sku: &str, loaded: Option<(StockRow, RowHash)>) -> Self {
        let complete = loaded.is_none();
        let (row, stored) = match loaded {
            Some((row, hash)) => (row, Some(hash)),
            None => (StockRow::default(), None),
        };
        Self {
            sku: sku.into(),
            aggregate: Aggregate::new(row),
            complete,
            stored: stored.into(),
            changed: false,
            entries: Vec::new(),
            changed_entries: SmallVec::new(),
        }
    }

    /// Memory taken, in bytes, estimated.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.aggregate.entries().map(|((_, id), _)| entry_bytes(id));
        SKU_BYTES + self.sku.len() + entries.sum::<usize>()
    }

    /// Whether its rows hold the record at `offset` already.
    pub(super) fn has_seen(&self, offset: Offset) -> bool {
        self.aggregate.stock.last.is_some_and(|last| last.offset >= offset)
    }

    /// The SKU's own row, where the store has one.
    pub(super) fn stored_stock(&self) -> Option<&StockRow> {
        self.stored.there.then_some(&self.aggregate.stock)
    }

    /// Whether it is known here that there is an entry, and what it is, or that there is none.
    pub(super) fn knows(&self, facet: Facet, id: &str) -> bool {
        self.aggregate.is_loaded(facet, id) || self.cannot_have(facet)
    }

    /// Loads an entry that is not at hand; gives its place, and the bytes it takes.
    pub(super) fn load_entry(
        &mut self,
        facet: Facet,
        id: &str,
        store: &StoreWriter,
    ) -> Result<(usize, usize), StoreError> {
        let loaded = if self.cannot_have(facet) { None } else { store.load_entry(&self.sku, facet, id)? };
        let (entry, stored) = match loaded {
            Some(loaded) => (Some(loaded.row), Some(loaded.hash)),
            None => (None, None),
        };
        self.entries.push(EntryState { stored: stored.into(), changed: false });
        Ok((self.aggregate.load(facet, id, entry), entry_bytes(id)))
    }

    /// Whether an entry of the facet that is not at hand cannot exist.
    fn cannot_have(&self, facet: Facet) -> bool {
        self.complete || self.aggregate.stock.rules_out(facet)
    }

    pub(super) fn mark(&mut self, place: usize) {
        if let Some(state) = self.entries.get_mut(place)
            && !state.changed
        {
            state.changed = true;
            self.changed_entries.push(place);
        }
    }

    /// Forgets the entry at `place` where it ended before it was ever written, and would not be asked for
    /// again; gives the bytes it took.
    pub(super) fn forget_ended(&mut self, place: usize) -> usize {
        if !self.complete || self.changed_entries.len() > FEW_CHANGED {
            return 0;
        }
        match (self.aggregate.at(place), self.entries.get(place)) {
            (Some((_, id, None)), Some(state)) if !state.stored.there => {
                let bytes = entry_bytes(id);
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
    pub(super) fn stage(
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
                        expiring.push(Expiring { at, sku: self.sku.as_str().into(), facet, id: id.into() });
                    }
                    let hash = changes.put_entry(&self.sku, id, entry, before);
                    state.stored = state.stored.replaced(hash, cycle);
                }
                None => {
                    changes.delete_entry(&self.sku, facet, id, before);
                    bytes += entry_bytes(id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rows::{Entry, HoldRow, REMEMBERED_IDENTITIES, Valuation};

    #[test]
    fn no_less_is_counted_than_is_taken() {
        // Beside the SKU itself: its place in the index, the identities it remembers, a valuation.
        let besides = 16 + 8 * REMEMBERED_IDENTITIES + size_of::<Valuation>();
        let sku = size_of::<WorkingSku>() + besides;
        // The largest kind stands apart; facet, tag and id beside it.
        let entry = size_of::<EntryState>() + size_of::<Option<Entry>>() + 32 + size_of::<HoldRow>();
        assert!(sku <= SKU_BYTES && entry <= ENTRY_BYTES, "{sku} of {SKU_BYTES}, {entry} of {ENTRY_BYTES}");
    }
}
