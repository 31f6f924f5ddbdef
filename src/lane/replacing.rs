//! A store that stands here and cannot go on, damaged, or passed by the log's retention: set aside for the newest
//! sound base. Nothing is lost by that: rows are a function of the log below their position, whoever folded
//! them. Without such a base the partition stands still and says why, as ever.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::bring_up::{BringUpError, Found};
use super::depot::Kept;
use super::opening::Refused;
use super::restoring::restore;
use super::settings::Shared;
use crate::log::Bounds;
use crate::types::Partition;

/// Restores the partition in place of the store that was refused; gives the refusal back where it cannot.
pub(super) fn replace(
    shared: &Shared,
    partition: Partition,
    refused: Refused,
    events: &Bounds,
    cancelled: &Arc<AtomicBool>,
) -> Result<Found, BringUpError> {
    if !refused.error.is_of_the_store() {
        return Err(BringUpError::Refused(refused));
    }
    match restore(shared, partition, events, cancelled) {
        Ok(Ok(fresh)) => {
            tracing::error!(
                %partition, reason = %refused.error, generation = %fresh.generation(), next = %fresh.progress().next,
                "the store here cannot go on and was set aside: the partition goes on from the newest base. The old one stays beside it until `inventory-store generations prune`; look at the disk if it is damaged"
            );
            Ok(Found { store: fresh, resumed: false })
        }
        Ok(Err(_)) => Err(BringUpError::Refused(refused)),
        Err(BringUpError::Refused(other)) => {
            tracing::warn!(%partition, error = %other.error, "the newest base cannot stand in for the store here");
            Err(BringUpError::Refused(refused))
        }
        Err(error) => {
            // To be met again as it is, when this is tried again.
            shared.depot.put(partition, Kept::Refused(refused));
            Err(error)
        }
    }
}
