use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::opening::Refused;
use crate::store::StoreWriter;
use crate::types::Partition;

/// Open stores that no lane works on: found at start, or left by the lane that had them. A move between lanes
/// of one process passes the handle.
#[derive(Default)]
pub(super) struct Depot(Mutex<BTreeMap<Partition, Kept>>);

#[expect(clippy::large_enum_variant, reason = "one per partition")]
pub(super) enum Kept {
    Store(StoreWriter),
    /// Looked at, and not to be taken up.
    Refused(Refused),
}

impl Depot {
    pub(super) fn put(&self, partition: Partition, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, kept);
    }

    pub(super) fn take(&self, partition: Partition) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition)
    }

    /// Flushes and closes what is left.
    pub(super) fn close(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (partition, kept) in all {
            if let Kept::Store(store) = kept
                && let Err(error) = store.close()
            {
                tracing::error!(%partition, %error, "a store could not be closed cleanly");
            }
        }
    }
}
