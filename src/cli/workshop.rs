use std::sync::Arc;

use super::exit::Failure;
use crate::config::Config;
use crate::config::store::MemoryPlan;
use crate::jobs::{Jobs, Workshop};
use crate::lane::Registry;
use crate::log::Log;
use crate::projector::ProjectorSettings;
use crate::query::reads;
use crate::store::{PartitionStores, StoreReader};
use crate::types::Sku;

/// The jobs of a service that serves `stores`.
pub fn open(
    config: &Config,
    log: &Arc<dyn Log>,
    registry: &Arc<Registry>,
    stores: &PartitionStores,
    projector: ProjectorSettings,
    plan: &MemoryPlan,
) -> Result<Jobs, Failure> {
    // A job folds one partition at a time, within that partition's share.
    let memory = usize::try_from(plan.fold).unwrap_or(usize::MAX) / usize::from(registry.count().max(1));
    let workshop = Workshop {
        log: Arc::clone(log),
        registry: Arc::clone(registry),
        stores: stores.clone(),
        data_dir: config.store.data_dir.clone(),
        archive: config.archive.clone(),
        snapshots: config.snapshot.clone(),
        projector,
        memory,
        show,
        clock: super::clock::now,
    };
    Ok(Jobs::open(workshop)?)
}

/// A SKU as `GET /stock_levels/{sku}` gives it.
fn show(store: &StoreReader, sku: &Sku) -> Result<Option<serde_json::Value>, String> {
    let body = reads::stock_level(store, sku).map_err(|error| error.to_string())?;
    body.map(|body| serde_json::from_slice(&body.json)).transpose().map_err(|error| error.to_string())
}
