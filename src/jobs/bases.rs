//! Bases of live partitions, made when somebody asks: a cycle in the snapshots topic, or one in the archive.

use std::time::Duration;

use serde_json::Value;

use super::{JobError, shown};
use crate::lane::{Registry, archive_now};
use crate::snapshots::Work;
use crate::snapshots::archive::Archive;
use crate::types::{Partition, UtcTime};

/// Has a cycle of each partition published; `told` takes those that are.
///
/// # Errors
/// The first partition's that has none; the others were waited for all the same.
pub(super) fn snapshot(
    registry: &Registry,
    partitions: &[Partition],
    patience: Duration,
    work: &Work,
    told: &mut Vec<Value>,
) -> Result<(), JobError> {
    let mut failed = None;
    for (partition, outcome) in registry.snapshot_now(partitions, work, patience) {
        match outcome {
            Ok(cycle) => told.push(shown::cycle(partition, &cycle)),
            Err(refused) => {
                tracing::warn!(%partition, reason = %refused, "no snapshot was published");
                failed = failed.or(Some(refused));
            }
        }
    }
    failed.map_or(Ok(()), |refused| Err(refused.into()))
}

/// Makes a base of each partition, one after another; `told` takes those that are made.
///
/// # Errors
/// The first failure; the others are not begun.
pub(super) fn archive(
    registry: &Registry,
    archive: &Archive,
    partitions: &[Partition],
    clock: fn() -> UtcTime,
    work: &Work,
    told: &mut Vec<Value>,
) -> Result<(), JobError> {
    for partition in partitions {
        let published = archive_now(registry, archive, "a running service", *partition, clock(), work)?;
        told.push(shown::archived(&published));
    }
    Ok(())
}
