use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::at_hand::WorkingSku;
use super::packed::Packed;
use crate::domain::event::Event;
use crate::domain::{Effect, EvolveError, Rules, evolve, touched};
use crate::store::{Changes, Expiring, StoreError, StoreWriter};
use crate::types::{Offset, Record};

/// The rows at hand: loaded once, evolved in memory, each changed one staged once per write.
///
/// Rows stay after a write, as a cache that only its partition's single writer can change. Where they take
/// more memory than they may they are packed; what was packed and not touched for longest is let go of, and
/// loaded anew when needed.
///
/// The store is asked for an entry only where it can have it: an SKU that the store did not know when it was
/// taken up has all its entries here, and a sum of zero in the SKU's own row says that a facet has none.
#[derive(Default)]
pub(super) struct Working {
    /// A hash of each SKU's name, and its place: dense, so that most of it stays in the processor's cache.
    index: HashTable<(u32, u32)>,
    /// In blocks, so that growing moves nothing.
    blocks: Vec<Vec<WorkingSku>>,
    /// Places of SKUs that were changed since the last write.
    changed: Vec<usize>,
    bytes: usize,
    /// SKUs that are at hand, and not above.
    packed: Packed,
    /// Changed entries that end by themselves, where anyone wants to know.
    pub(super) expiring: Option<Vec<Expiring>>,
}

/// SKUs in a block.
const BLOCK: usize = 256;

impl Working {
    /// What is at hand, in bytes of memory, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.packed.bytes()
    }

    /// The place of a SKU that is at hand.
    pub(super) fn find(&self, sku: &str) -> Option<usize> {
        let hash = hash_of(sku);
        let is_it = |(other, at): &(u32, u32)| {
            *other == hash && self.at(*at as usize).is_some_and(|at_hand| at_hand.sku == sku)
        };
        self.index.find(spread(hash), is_it).map(|(_, at)| *at as usize)
    }

    fn at(&self, at: usize) -> Option<&WorkingSku> {
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    /// Whether the rows of the SKU at `at` hold the record at `offset` already.
    pub(super) fn has_seen(&self, at: usize, offset: Offset) -> bool {
        self.at(at).is_some_and(|sku| sku.has_seen(offset))
    }

    /// What is at hand of a SKU, where it is not packed.
    pub(super) fn at_hand(&self, sku: &str) -> Option<&WorkingSku> {
        self.at(self.find(sku)?)
    }

    /// Loads a SKU that [`Self::find`] does not find.
    pub(super) fn load(&mut self, sku: &str, store: &StoreWriter) -> Result<usize, StoreError> {
        let packed = self.packed.take(sku).and_then(|rows| WorkingSku::unpack(sku, &rows));
        let loaded = match packed {
            Some(unpacked) => unpacked,
            // A store without rows need not be asked.
            None if store.meta().rows == 0 => WorkingSku::new(sku, None),
            None => WorkingSku::new(sku, store.load_stock(sku)?.map(|loaded| (loaded.row, loaded.hash))),
        };
        let at = self.index.len();
        self.bytes += loaded.bytes();
        let hash = hash_of(sku);
        // What is at hand is bounded by memory, far below 2^32 SKUs.
        self.index.insert_unique(spread(hash), (hash, at as u32), |(hash, _)| spread(*hash));
        if at.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(loaded);
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
                    let (place, bytes) = sku.load_entry(*facet, id, store)?;
                    self.bytes += bytes;
                    place
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

    /// Leaves room for what is folded next, where the rows may take `memory` bytes. Only after a write.
    pub(super) fn make_room(&mut self, memory: usize) {
        if self.bytes <= memory / 4 {
            return;
        }
        self.index.clear();
        self.bytes = 0;
        let skus = std::mem::take(&mut self.blocks).into_iter().flatten();
        let packed = skus.filter_map(|sku| Some((sku.sku.as_str().into(), sku.pack()?)));
        self.packed.put(packed, memory / 2);
    }
}

fn hash_of(sku: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(sku.as_bytes());
    // The upper half is mixed best.
    (hasher.finish() >> 32) as u32
}

/// The table looks at both ends of a hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
