//! One SKU at hand: its rows as evolving them needs them, and what the store has of each.

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::codec::rows::{RowKey, decode_entry, decode_stock, encode_entry, encode_stock};
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

/// What a SKU and an entry at hand take, beside their texts: measured generously.
const SKU_BYTES: usize = 600;
const ENTRY_BYTES: usize = 192;

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

    /// Its rows in little room; nothing where the store has none of it. Only after a write: what the store
    /// has not is not in it.
    pub(super) fn pack(&self) -> Option<Box<[u8]>> {
        debug_assert!(!self.changed && self.changed_entries.is_empty());
        if !self.stored.there {
            return None;
        }
        let mut packed = vec![u8::from(self.complete)];
        put_row(&mut packed, self.stored.marked(), |out| encode_stock(&self.aggregate.stock, out));
        for (((facet, id), entry), state) in self.aggregate.entries().zip(&self.entries) {
            if let Some(entry) = entry {
                // There are six.
                packed.push(facet.index() as u8);
                put_bytes(&mut packed, |out| out.extend_from_slice(id.as_bytes()));
                put_row(&mut packed, state.stored.marked(), |out| encode_entry(entry, out));
            }
        }
        Some(packed.into())
    }

    /// What [`Self::pack`] gave, made usable again.
    pub(super) fn unpack(sku: &str, mut packed: &[u8]) -> Option<Self> {
        let complete = take::<1>(&mut packed)? != [0];
        let row = RowKey::Stock { sku };
        let (stock, stored) = take_row(&mut packed, row, |bytes| decode_stock(bytes).ok())?;
        let mut unpacked = Self { complete, stored, ..Self::new(sku, None) };
        unpacked.aggregate.stock = stock;
        while !packed.is_empty() {
            let [index] = take(&mut packed)?;
            let facet = *Facet::ALL.get(usize::from(index))?;
            let id = std::str::from_utf8(take_bytes(&mut packed)?).ok()?;
            let row = RowKey::Entry { sku, facet, id };
            let (entry, stored) = take_row(&mut packed, row, |bytes| decode_entry(facet, bytes).ok())?;
            unpacked.aggregate.load(facet, id, Some(entry));
            unpacked.entries.push(EntryState { stored, changed: false });
        }
        Some(unpacked)
    }
}

// A packed row: 0, or 1 and the cycle under which it is marked; its length; its bytes.

fn put_row(out: &mut Vec<u8>, marked: Option<u64>, encode: impl FnOnce(&mut Vec<u8>)) {
    match marked {
        None => out.push(0),
        Some(cycle) => {
            out.push(1);
            out.extend_from_slice(&cycle.to_le_bytes());
        }
    }
    put_bytes(out, encode);
}

fn put_bytes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    // A row holds texts of one record: far below 2^32 bytes.
    let length = ((out.len() - start - 4) as u32).to_le_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length);
    }
}

fn take_row<T>(
    packed: &mut &[u8],
    key: RowKey<'_>,
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<(T, Stored)> {
    let marked = match take::<1>(packed)? {
        [0] => None,
        _ => Some(u64::from_le_bytes(take(packed)?)),
    };
    let value = take_bytes(packed)?;
    let mut framed = vec![0; 4];
    key.write(&mut framed);
    let length = ((framed.len() - 4) as u32).to_le_bytes();
    framed.get_mut(..4)?.copy_from_slice(&length);
    framed.extend_from_slice(value);
    let stored = Stored::of(Some(RowHash::of_framed(&framed)), marked);
    Some((decode(value)?, stored))
}

fn take_bytes<'a>(packed: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(take(packed)?)).ok()?;
    let (taken, rest) = packed.split_at_checked(length)?;
    *packed = rest;
    Some(taken)
}

fn take<const N: usize>(packed: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = packed.split_first_chunk::<N>()?;
    *packed = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rows::{AllocationRow, Entry, LocationRow};
    use crate::types::{Quantity, Version};

    fn units(units: u64) -> Quantity {
        Quantity::new(units).expect("a quantity")
    }

    /// A SKU with a row, an allocation marked under a cycle, a location, and a lot that is known to be absent.
    fn sku(complete: bool) -> WorkingSku {
        let row = StockRow { on_hand: units(7), version: Version(3), ..StockRow::default() };
        let entries = [
            (
                Facet::Allocation,
                "ORD-1",
                Some(Entry::Allocation(AllocationRow { quantity: units(2), expires_at: None })),
            ),
            (Facet::Lot, "L", None),
            (Facet::Location, "A-01", Some(Entry::Location(LocationRow { quantity: units(7) }))),
        ];
        let hash = |key: RowKey<'_>, value: &[u8]| {
            let mut bytes = Vec::new();
            key.write(&mut bytes);
            RowHash::of(&bytes, value)
        };
        let mut value = Vec::new();
        encode_stock(&row, &mut value);
        let stored = hash(RowKey::Stock { sku: "S" }, &value);
        let mut sku = WorkingSku { complete, ..WorkingSku::new("S", Some((row, stored))) };
        for (facet, id, entry) in entries {
            let stored = entry.as_ref().map(|entry| {
                let mut value = Vec::new();
                encode_entry(entry, &mut value);
                hash(RowKey::Entry { sku: "S", facet, id }, &value)
            });
            let marked = (facet == Facet::Allocation).then_some(5);
            let stored = Stored::of(stored, marked);
            sku.aggregate.load(facet, id, entry);
            sku.entries.push(EntryState { stored, changed: false });
        }
        sku
    }

    #[test]
    fn what_was_packed_is_unpacked_with_what_the_store_has_of_it() {
        for complete in [true, false] {
            let sku = sku(complete);
            let unpacked = WorkingSku::unpack("S", &sku.pack().expect("the store has it")).expect("sound");
            assert_eq!((unpacked.complete, unpacked.changed), (complete, false));
            assert_eq!(unpacked.stored.before(), sku.stored.before());
            assert_eq!(unpacked.aggregate.stock, sku.aggregate.stock);
            for (place, state) in unpacked.entries.iter().enumerate() {
                let (facet, id, entry) = unpacked.aggregate.at(place).expect("an entry");
                let before = sku.aggregate.place(facet, id).expect("it was there");
                assert_eq!(sku.aggregate.entry(facet, id), entry);
                assert_eq!(state.stored.before(), sku.entries[before].stored.before(), "{id}");
            }
            assert_eq!(unpacked.entries.len(), 2, "what is absent is not packed");
            assert!(unpacked.bytes() < sku.bytes());
        }
    }

    #[test]
    fn what_the_store_has_not_is_not_packed_and_what_is_cut_short_is_not_unpacked() {
        assert!(WorkingSku::new("S", None).pack().is_none());
        let packed = sku(true).pack().expect("the store has it");
        let whole =
            (0..packed.len()).filter(|cut| WorkingSku::unpack("S", &packed[..*cut]).is_some()).count();
        // Where an entry ends, an end is as good as a next one.
        assert_eq!(whole, 2);
    }
}
