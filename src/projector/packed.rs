//! SKUs at hand in little room: their rows as the store would write them, a fraction of what evolving them
//! takes. A SKU that is touched again is unpacked, which costs a microsecond and no read of the store; where
//! the room is short, those that were not touched for longest are let go of.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// What a SKU takes here beside its name and its rows: measured generously.
const PARCEL_BYTES: usize = 96;

#[derive(Default)]
pub(super) struct Packed {
    skus: FxHashMap<Box<str>, Parcel>,
    bytes: usize,
    /// Bytes of each round that are still here, oldest first.
    rounds: VecDeque<usize>,
    /// The number of the oldest round.
    oldest: u64,
}

struct Parcel {
    round: u64,
    rows: Box<[u8]>,
}

impl Packed {
    /// Memory taken, in bytes, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a SKU's rows out, as they were put in.
    pub(super) fn take(&mut self, sku: &str) -> Option<Box<[u8]>> {
        let Parcel { round, rows } = self.skus.remove(sku)?;
        let bytes = bytes_of(sku, &rows);
        self.bytes = self.bytes.saturating_sub(bytes);
        let at = usize::try_from(round.saturating_sub(self.oldest)).unwrap_or(usize::MAX);
        if let Some(round) = self.rounds.get_mut(at) {
            *round = round.saturating_sub(bytes);
        }
        Some(rows)
    }

    /// Takes in SKUs that are not here, all touched more lately than any that is; then lets go of the oldest
    /// rounds, until no more than `room` bytes are taken.
    pub(super) fn put(&mut self, skus: impl Iterator<Item = (Box<str>, Box<[u8]>)>, room: usize) {
        let round = self.oldest + self.rounds.len() as u64;
        let before = self.bytes;
        for (sku, rows) in skus {
            self.bytes += bytes_of(&sku, &rows);
            self.skus.insert(sku, Parcel { round, rows });
        }
        self.rounds.push_back(self.bytes - before);
        if self.bytes <= room {
            return;
        }
        // Some more than must be: each time looks at every SKU.
        while self.bytes > room / 8 * 7
            && let Some(round) = self.rounds.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(round);
            self.oldest += 1;
        }
        self.skus.retain(|_, parcel| parcel.round >= self.oldest);
    }
}

fn bytes_of(sku: &str, rows: &[u8]) -> usize {
    PARCEL_BYTES + sku.len() + rows.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(packed: &mut Packed, skus: &[&str], room: usize) {
        packed.put(skus.iter().map(|sku| ((*sku).into(), sku.as_bytes().into())), room);
    }

    #[test]
    fn what_was_untouched_for_longest_goes_first() {
        let one = bytes_of("A", b"A");
        let mut packed = Packed::default();
        put(&mut packed, &["A", "B", "C"], 4 * one);
        assert_eq!(packed.take("A").as_deref(), Some(b"A".as_slice()));
        assert_eq!(packed.take("A"), None);
        put(&mut packed, &["A", "D"], 4 * one);
        assert_eq!(packed.bytes(), 4 * one);
        put(&mut packed, &["E"], 4 * one);
        assert_eq!(packed.bytes(), 3 * one, "B and C went");
        let here: Vec<bool> = ["A", "B", "C", "D", "E"].map(|sku| packed.take(sku).is_some()).into();
        assert_eq!(here, [true, false, false, true, true]);
        assert_eq!(packed.bytes(), 0);
    }

    #[test]
    fn a_round_larger_than_the_room_goes_too() {
        let mut packed = Packed::default();
        put(&mut packed, &["A", "B", "C"], bytes_of("A", b"A"));
        assert_eq!((packed.bytes(), packed.skus.len()), (0, 0));
        put(&mut packed, &["A"], 1 << 10);
        assert!(packed.take("A").is_some());
    }
}
