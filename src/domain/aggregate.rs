use std::hash::Hasher;

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHasher};

use super::rows::{Entry, Facet, StockRow};

/// The rows of one SKU that are at hand: its own, and the entries loaded so far.
///
/// An entry is *loaded* once its absence or its content is known; only then may an event that touches it be
/// applied. An entry that ended stays loaded, as absent, until it is forgotten.
#[derive(Debug, Clone, Default)]
pub struct Aggregate {
    pub stock: StockRow,
    /// In the order of loading. Most SKUs have a handful: those are found by looking at each.
    slots: Vec<Slot>,
    /// The place of each slot by its id, per facet, once there are many. Never iterated: map order must not
    /// reach a row.
    index: Option<Box<Index>>,
}

type Index = [FxHashMap<Box<str>, usize>; Facet::ALL.len()];

/// Slots beyond which they are indexed.
const FEW: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    /// A hash of facet and id: ids of one length are told apart without looking at their texts.
    tag: u32,
    facet: Facet,
    /// In place: most ids are short.
    id: CompactString,
    /// Nothing = known to be absent.
    entry: Option<Entry>,
}

impl PartialEq for Aggregate {
    /// The same row and the same slots, whatever the order they were loaded in.
    fn eq(&self, other: &Self) -> bool {
        let same = |slot: &Slot| other.slot(slot.facet, &slot.id) == Some(&slot.entry);
        self.stock == other.stock && self.slots.len() == other.slots.len() && self.slots.iter().all(same)
    }
}

impl Eq for Aggregate {}

impl Aggregate {
    #[must_use]
    pub fn new(stock: StockRow) -> Self {
        Self { stock, slots: Vec::new(), index: None }
    }

    /// Whether the entry's content, or its absence, is at hand.
    #[must_use]
    pub fn is_loaded(&self, facet: Facet, id: &str) -> bool {
        self.place(facet, id).is_some()
    }

    /// The place of an entry that is loaded: below [`Self::loaded`], and its own until an entry is forgotten.
    #[must_use]
    pub fn place(&self, facet: Facet, id: &str) -> Option<usize> {
        match &self.index {
            None => {
                let tag = tag(facet, id);
                self.slots.iter().position(|slot| slot.tag == tag && slot.facet == facet && slot.id == id)
            }
            Some(index) => index.get(facet.index())?.get(id).copied(),
        }
    }

    /// What stands at a place: the facet, the id, and the entry, where there is one.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<(Facet, &str, Option<&Entry>)> {
        self.slots.get(place).map(|slot| (slot.facet, slot.id.as_str(), slot.entry.as_ref()))
    }

    /// Puts an entry at hand, as the store has it; nothing = the store has none. Replaces what was loaded
    /// before. Gives its place: the last one, where it was not loaded.
    pub fn load(&mut self, facet: Facet, id: &str, entry: Option<Entry>) -> usize {
        debug_assert!(
            entry.as_ref().is_none_or(|entry| entry.facet() == facet),
            "{facet:?} is not {entry:?}"
        );
        let place = self.place(facet, id);
        if let Some(place) = place
            && let Some(slot) = self.slots.get_mut(place)
        {
            slot.entry = entry;
            return place;
        }
        let place = self.slots.len();
        if place < FEW && place == self.slots.capacity() {
            // Most SKUs have two or three, and there are millions of SKUs.
            self.slots.reserve_exact(2);
        }
        self.slots.push(Slot { tag: tag(facet, id), facet, id: id.into(), entry });
        match &mut self.index {
            Some(index) => note(index, facet, id, place),
            None if place >= FEW => self.index_all(),
            None => {}
        }
        place
    }

    /// Drops the slot at a place; the last one takes that place.
    pub fn forget(&mut self, place: usize) {
        if place >= self.slots.len() {
            return;
        }
        let gone = self.slots.swap_remove(place);
        if let Some(index) = &mut self.index {
            if let Some(ids) = index.get_mut(gone.facet.index()) {
                ids.remove(gone.id.as_str());
            }
            if let Some(moved) = self.slots.get(place) {
                note(index, moved.facet, &moved.id, place);
            }
        }
    }

    /// The entry, where it is loaded and exists.
    #[must_use]
    pub fn entry(&self, facet: Facet, id: &str) -> Option<&Entry> {
        self.slot(facet, id)?.as_ref()
    }

    /// Every loaded entry, those known to be absent included, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = ((Facet, &str), Option<&Entry>)> {
        self.slots.iter().map(|slot| ((slot.facet, slot.id.as_str()), slot.entry.as_ref()))
    }

    /// How many entries are loaded, those known to be absent included.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.slots.len()
    }

    /// Drops every loaded entry and keeps the SKU's own row.
    pub fn unload(&mut self) {
        self.slots = Vec::new();
        self.index = None;
    }

    /// The loaded slot of an entry; nothing where it is not loaded.
    pub(super) fn slot(&self, facet: Facet, id: &str) -> Option<&Option<Entry>> {
        self.slots.get(self.place(facet, id)?).map(|slot| &slot.entry)
    }

    pub(super) fn slot_mut(&mut self, facet: Facet, id: &str) -> Option<&mut Option<Entry>> {
        let place = self.place(facet, id)?;
        self.slots.get_mut(place).map(|slot| &mut slot.entry)
    }

    #[cold]
    fn index_all(&mut self) {
        let mut index = Box::<Index>::default();
        for (place, slot) in self.slots.iter().enumerate() {
            note(&mut index, slot.facet, &slot.id, place);
        }
        self.index = Some(index);
    }
}

fn note(index: &mut Index, facet: Facet, id: &str, place: usize) {
    if let Some(ids) = index.get_mut(facet.index()) {
        match ids.get_mut(id) {
            Some(noted) => *noted = place,
            None => {
                ids.insert(id.into(), place);
            }
        }
    }
}

fn tag(facet: Facet, id: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(id.as_bytes());
    hasher.write_u8(facet as u8);
    // The upper half is mixed best; any half would do.
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::rows::LocationRow;
    use super::*;
    use crate::types::Quantity;

    #[test]
    fn an_entry_is_loaded_once_its_absence_is_known() {
        let mut aggregate = Aggregate::default();
        assert!(!aggregate.is_loaded(Facet::Location, "A"));

        aggregate.load(Facet::Location, "A", None);
        assert!(aggregate.is_loaded(Facet::Location, "A"));
        assert!(
            !aggregate.is_loaded(Facet::Lot, "A"),
            "another facet's entry of the same id is another entry"
        );
        assert_eq!(aggregate.entry(Facet::Location, "A"), None);

        let row = Entry::Location(LocationRow { quantity: Quantity::new(3).expect("3") });
        aggregate.load(Facet::Location, "A", Some(row.clone()));
        assert_eq!(aggregate.entry(Facet::Location, "A"), Some(&row));
        assert_eq!(aggregate.entries().collect::<Vec<_>>(), [((Facet::Location, "A"), Some(&row))]);

        aggregate.unload();
        assert_eq!(aggregate.loaded(), 0);
    }

    #[test]
    fn any_text_is_an_id() {
        let mut aggregate = Aggregate::default();
        for id in ["", "\u{0}", "a\u{0}b", "ü/\n"] {
            aggregate.load(Facet::Hold, id, None);
            assert!(aggregate.is_loaded(Facet::Hold, id), "{id:?}");
        }
        assert_eq!(aggregate.loaded(), 4);
    }

    #[test]
    fn forgetting_one_leaves_the_others_found_few_or_many() {
        for count in [1_usize, 3, FEW, FEW + 1, 100] {
            for gone in [0, count / 2, count - 1] {
                let mut aggregate = Aggregate::default();
                let ids: Vec<String> = (0..count).map(|n| format!("ORD-{n:03}")).collect();
                for (n, id) in ids.iter().enumerate() {
                    let facet = if n % 2 == 0 { Facet::Allocation } else { Facet::Hold };
                    assert_eq!(aggregate.load(facet, id, None), n);
                }
                aggregate.forget(gone);
                assert_eq!(aggregate.loaded(), count - 1);
                for (n, id) in ids.iter().enumerate() {
                    let facet = if n % 2 == 0 { Facet::Allocation } else { Facet::Hold };
                    let place = aggregate.place(facet, id);
                    assert_eq!(place.is_some(), n != gone, "{n} of {count} without {gone}");
                    if let Some(place) = place {
                        assert_eq!(aggregate.at(place), Some((facet, id.as_str(), None)));
                    }
                }
            }
        }
    }

    #[test]
    fn aggregates_are_equal_whatever_the_order_of_loading() {
        let of = |order: [&str; 2]| {
            let mut aggregate = Aggregate::default();
            for id in order {
                aggregate.load(Facet::Lot, id, None);
            }
            aggregate
        };
        assert_eq!(of(["A", "B"]), of(["B", "A"]));
        assert_ne!(of(["A", "B"]), of(["A", "C"]));
    }

    #[test]
    fn every_facet_has_its_own_slots() {
        for (index, facet) in Facet::ALL.into_iter().enumerate() {
            assert_eq!(facet.index(), index);
        }
    }
}
