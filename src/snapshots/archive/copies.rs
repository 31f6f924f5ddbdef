//! From a store into the archive. The way back is [`crate::snapshots::restore::from_archive`].

use super::{Archive, ArchiveError, Origin, Published};
use crate::snapshots::base::BaseError;
use crate::snapshots::work::Work;
use crate::store::StoreReader;

/// Rows between two looks at the work.
pub(super) const OFTEN: u64 = 1 << 12;

impl Archive {
    /// Makes a base of a store as it is now, while it is being written on.
    ///
    /// # Errors
    /// [`ArchiveError::UnsoundSource`] where the store's rows are not what it says, or where it was rebuilt
    /// from an arbitrary point; [`BaseError::Interrupted`]; those of the archive and the store. No base is there then.
    pub fn create(&self, store: &StoreReader, origin: Origin, work: &Work) -> Result<Published, BaseError> {
        store.freeze(|frozen| {
            let meta = frozen.meta()?;
            if meta.partial {
                let (partition, next) = (meta.identity.partition, meta.progress.next);
                let detail =
                    "it was rebuilt from an arbitrary point, and earlier events are missing from it".into();
                return Err(ArchiveError::UnsoundSource { partition, next, detail }.into());
            }
            work.begin("writing the archive", 0, meta.rows);
            let mut writer = self.begin(meta, origin)?;
            let copied = (|| {
                let mut rows = frozen.rows()?;
                let mut tally = Tally::default();
                while let Some((key, value)) = rows.advance()? {
                    writer.put(key, value)?;
                    tally.count(key, value, work)?;
                }
                tally.tell(work);
                Ok(())
            })();
            if let Err(error) = copied {
                writer.discard();
                return Err(error);
            }
            Ok(writer.publish()?)
        })
    }
}

/// Rows and bytes not yet told to who watches.
#[derive(Default)]
pub(super) struct Tally {
    rows: u64,
    bytes: u64,
}

impl Tally {
    /// Counts a row, tells now and then, and ends where that is asked for.
    pub fn count(&mut self, key: &[u8], value: &[u8], work: &Work) -> Result<(), BaseError> {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
        if self.rows == OFTEN {
            self.tell(work);
            if work.is_stopped() {
                return Err(BaseError::Interrupted);
            }
        }
        Ok(())
    }

    pub fn tell(&mut self, work: &Work) {
        work.add(self.rows, self.rows, self.bytes);
        *self = Self::default();
    }
}
