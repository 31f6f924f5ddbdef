//! A store takes the place of another one that is served.

use rocksdb::{IteratorMode, WriteBatch};

use super::options::DEAD;
use super::{StoreError, StoreReader, StoreWriter};

impl StoreWriter {
    /// Takes over from the store being served, at whose position this one stands, what rows do not say: which
    /// checkpoint was published last and how cycles are numbered on, and the malformed records that no letter
    /// could hold. What the topic holds is not what the marks here say, so the next cycle is a baseline.
    /// Everything committed so far is durable once this returns; again it costs nothing where nothing has
    /// changed since.
    ///
    /// # Errors
    /// Nothing was taken over then, but for records that may be taken over again.
    pub fn succeed(&mut self, served: &StoreReader) -> Result<(), StoreError> {
        let theirs = served.meta()?;
        let mut batch = WriteBatch::default();
        let dead = self.database.family(DEAD)?;
        let mut more = false;
        for item in served.database.db.iterator_cf(served.database.family(DEAD)?, IteratorMode::Start) {
            let (key, value) = item.map_err(|error| served.database.error(&error))?;
            let there =
                self.database.db.get_pinned_cf(dead, &key).map_err(|error| self.database.error(&error))?;
            if there.is_none() {
                batch.put_cf(dead, key, value);
                more = true;
            }
        }
        let mut meta = self.meta.clone();
        // By it whoever opens the store again knows that no other owner has published since.
        meta.last_checkpoint = theirs.last_checkpoint;
        meta.cycle = meta.cycle.max(theirs.cycle);
        meta.baseline = true;
        meta.under_way = None;
        if !more && meta == self.meta {
            return Ok(());
        }
        self.write_meta(batch, meta, true)
    }
}
