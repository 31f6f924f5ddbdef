use std::sync::Arc;

use super::callers::Callers;
use super::checks::LogShape;
use super::depot::Depot;
use super::membership::Membership;
use super::registry::Registry;
use super::turns::Turns;
use crate::commands::CommandSettings;
use crate::config::lane::LaneConfig;
use crate::config::{ArchiveConfig, SnapshotConfig};
use crate::log::Log;
use crate::projector::{DeadLetters, ProjectorSettings};
use crate::store::PartitionStores;

/// What every lane of a process is told.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    pub projector: ProjectorSettings,
    pub commands: CommandSettings,
    pub memory: LaneMemory,
    pub snapshots: SnapshotConfig,
    pub archive: ArchiveConfig,
}

/// Bytes, over all lanes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneMemory {
    /// Rows folded and not yet written.
    pub fold: u64,
    /// Events and outcomes committed and not yet delivered.
    pub overlays: u64,
}

/// What the lanes of a process share.
pub(super) struct Shared {
    pub log: Arc<dyn Log>,
    pub registry: Arc<Registry>,
    pub callers: Arc<Callers>,
    pub membership: Membership,
    pub depot: Depot,
    /// Partitions being restored, over all lanes.
    pub restores: Turns,
    pub stores: PartitionStores,
    pub settings: LaneSettings,
    pub config: LaneConfig,
    pub shape: LogShape,
    pub letters: DeadLetters,
    /// Partitions of the dead-letter topic.
    pub dead_partitions: u16,
    pub lanes: u16,
}

impl Shared {
    /// Bytes that one partition may take for rows folded and not yet written.
    pub(super) fn fold_bytes(&self) -> usize {
        share(self.settings.memory.fold, self.shape.partitions)
    }

    /// Bytes that the overlays of one lane may take.
    pub(super) fn overlay_bytes(&self) -> usize {
        share(self.settings.memory.overlays, self.lanes)
    }
}

fn share(bytes: u64, among: u16) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX) / usize::from(among.max(1))
}
