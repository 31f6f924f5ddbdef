use std::sync::Arc;

use super::copies::Tally;
use super::{Archive, Base, BaseId, RowReader};
use crate::snapshots::base::BaseError;
use crate::snapshots::work::Work;

/// What a sound base was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub rows: u64,
    pub files: usize,
    /// As stored.
    pub bytes: u64,
}

impl Archive {
    /// Reads a whole base and checks all of it: manifest, every file's checksums, size and sha256, the order
    /// of rows, their count and digest. A superseded one too.
    ///
    /// # Errors
    /// The first damage found; [`BaseError::Interrupted`]; those of the archive's store.
    pub fn verify(&self, id: BaseId, work: &Work) -> Result<Verified, BaseError> {
        self.read_through(self.base(id)?, work)
    }

    pub(super) fn read_through(&self, base: Base, work: &Work) -> Result<Verified, BaseError> {
        work.begin("checking the archive", 0, base.manifest.rows);
        let (files, bytes) = (base.manifest.files.len(), base.manifest.bytes());
        let mut reader = RowReader::new(Arc::clone(&self.place), base, true)?;
        let mut tally = Tally::default();
        while let Some((key, value)) = reader.next()? {
            tally.count(key, value, work)?;
        }
        tally.tell(work);
        Ok(Verified { rows: reader.rows(), files, bytes })
    }
}
