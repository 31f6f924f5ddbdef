//! A SKU's rows in little room: as the store would write them, with what is known of each.

use super::{EntryState, Stored, WorkingSku};
use crate::codec::rows::{RowKey, decode_entry, decode_stock, encode_entry, encode_stock};
use crate::domain::rows::Facet;
use crate::store::RowHash;

impl WorkingSku {
    /// Its rows in little room; nothing where the store has none of it. Only after a write: what the store
    /// has not is not in it.
    pub(in crate::projector) fn pack(&self) -> Option<Box<[u8]>> {
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
    pub(in crate::projector) fn unpack(sku: &str, mut packed: &[u8]) -> Option<Self> {
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
    use crate::domain::rows::{AllocationRow, Entry, LocationRow, StockRow};
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
