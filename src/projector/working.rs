use rustc_hash::FxHashMap;
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
    index: FxHashMap<Box<str>, usize>,
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
        self.index.get(sku).copied()
    }

    /// Whether the rows of the SKU at `at` hold the record at `offset` already.
    pub(super) fn has_seen(&self, at: usize, offset: Offset) -> bool {
        let sku = self.blocks.get(at / BLOCK).and_then(|block| block.get(at % BLOCK));
        sku.is_some_and(|sku| sku.has_seen(offset))
    }

    /// What is at hand of a SKU, where it is not packed.
    pub(super) fn at_hand(&self, sku: &str) -> Option<&WorkingSku> {
        let at = self.find(sku)?;
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
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
        self.index.insert(sku.into(), at);
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
        let packed = skus.filter_map(|sku| Some((sku.pack()?, sku))).map(|(rows, sku)| (sku.sku, rows));
        self.packed.put(packed, memory / 2);
    }
}
