//! Where a running service's jobs are done: everything they need of it, and what each kind does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::cutover::{ChangedOver, Cutover};
use super::plan::{Begin, Plan, Stop};
use super::rebuild::Rebuild;
use super::request::{Against, Purpose, Task};
use super::shown;
use super::verify::{against_live, against_store, base_of, plan};
use super::{Difference, JobError, Sample};
use super::{bases, generations};
use crate::config::{ArchiveConfig, SnapshotConfig};
use crate::lane::{Registry, SnapshotRefused, State};
use crate::log::Log;
use crate::projector::ProjectorSettings;
use crate::snapshots::Work;
use crate::snapshots::archive::Archive;
use crate::store::{DirectoryLock, Generation, PartitionStores, StoreReader};
use crate::types::{Partition, Sku, UtcTime, partition_of};

/// Rows that differ and are listed; the rest is counted.
const LISTED: usize = 1000;

/// Gives a SKU of a store as `GET /stock_levels/{sku}` would.
pub type ShowSku = fn(&StoreReader, &Sku) -> Result<Option<Value>, String>;

/// What a service's jobs work with.
pub struct Workshop {
    pub log: Arc<dyn Log>,
    pub registry: Arc<Registry>,
    /// Those that are served.
    pub stores: PartitionStores,
    /// Where scratch and the jobs' own notes go.
    pub data_dir: PathBuf,
    pub archive: ArchiveConfig,
    pub snapshots: SnapshotConfig,
    pub projector: ProjectorSettings,
    /// Bytes of rows folded and not yet written: one partition at a time.
    pub memory: usize,
    pub show: ShowSku,
    pub clock: fn() -> UtcTime,
}

/// What a job has to tell when it ends.
#[derive(Default)]
pub(super) struct Told {
    partitions: Vec<Value>,
    differences: u64,
    listed: Vec<Value>,
    sku: Option<Value>,
}

impl Told {
    fn differs(&mut self, partition: Partition, difference: &Difference) {
        self.differences += 1;
        if self.listed.len() < LISTED {
            self.listed.push(shown::difference(partition, difference));
        }
    }

    pub(super) fn summary(self) -> Value {
        serde_json::json!({
            "partitions": self.partitions,
            "differences": self.differences,
            "listed": self.listed,
            "sku": self.sku,
        })
    }
}

impl Workshop {
    /// Does what was asked for; what there is to tell goes to `told`, also where it fails.
    pub(super) fn act(&self, task: Task, work: &Work, told: &mut Told) -> Result<(), JobError> {
        let archive = Archive::open(&self.archive).map_err(crate::snapshots::BaseError::from)?;
        match task {
            Task::Make { plan, purpose: Purpose::Cutover { accept }, only } => {
                self.cutover(&archive, plan, accept, &self.here(only)?, work, told)
            }
            Task::Make { plan, purpose: Purpose::Into(into), only } => {
                self.into(&archive, plan, &into, &self.all(only), work, told)
            }
            Task::Make { plan, purpose: Purpose::Show(sku), .. } => {
                self.show(&archive, plan, &sku, work, told)
            }
            Task::Snapshot { only } => {
                let patience = Duration::from_secs(self.snapshots.patience_seconds);
                bases::snapshot(&self.registry, &self.asked(only)?, patience, work, &mut told.partitions)
            }
            Task::Archive { only } => {
                let partitions = self.asked(only)?;
                bases::archive(&self.registry, &archive, &partitions, self.clock, work, &mut told.partitions)
            }
            Task::Generations { only } => {
                for partition in self.all(only) {
                    let found = generations::list(&self.stores, Some(&self.registry), partition)?;
                    told.partitions.extend(found.iter().map(shown::generation));
                }
                Ok(())
            }
            Task::Prune { only } => {
                for partition in self.all(only) {
                    generations::prune(&self.stores, Some(&self.registry), partition, &mut |removed| {
                        told.partitions.push(shown::removed(&removed));
                    })?;
                }
                Ok(())
            }
            Task::Activate { partition, generation } => {
                self.activate(&archive, partition, generation, work, told)
            }
            Task::Verify { against, sample, only } => {
                self.verify(&archive, against, sample, only, work, told)
            }
        }
    }

    fn rebuild<'a>(&'a self, stores: &'a PartitionStores, archive: &'a Archive, plan: Plan) -> Rebuild<'a> {
        Rebuild {
            log: self.log.as_ref(),
            stores,
            archive,
            projector: self.projector.clone(),
            memory: self.memory,
            read_memory: self.snapshots.read_memory.min(self.memory.max(1 << 20)),
            patience: Duration::from_secs(self.snapshots.patience_seconds),
            plan,
            history_from: BTreeMap::new(),
            keep: true,
        }
    }

    fn all(&self, only: Vec<Partition>) -> Vec<Partition> {
        if only.is_empty() { (0..self.registry.count()).map(Partition).collect() } else { only }
    }

    /// Those asked for, each of which answers for itself; else all that are owned here.
    fn asked(&self, only: Vec<Partition>) -> Result<Vec<Partition>, JobError> {
        if !only.is_empty() {
            return Ok(only);
        }
        let owned = |partition: &Partition| self.registry.state(*partition).is_owned();
        let here: Vec<Partition> = self.all(only).into_iter().filter(owned).collect();
        if here.is_empty() { Err(SnapshotRefused::NoneOwned.into()) } else { Ok(here) }
    }

    /// Those asked for, all of which must be owned here; else all that are.
    fn here(&self, only: Vec<Partition>) -> Result<Vec<Partition>, JobError> {
        let owned = |partition: &Partition| self.registry.state(*partition).is_owned();
        if let Some(odd) = only.iter().copied().find(|partition| !owned(partition)) {
            return Err(JobError::NotServed { partition: odd, state: State::Absent.to_string() });
        }
        let here: Vec<Partition> =
            if only.is_empty() { self.all(only).into_iter().filter(owned).collect() } else { only };
        if here.is_empty() {
            return Err(JobError::NotServed { partition: Partition(0), state: State::Absent.to_string() });
        }
        Ok(here)
    }

    fn cutover(
        &self,
        archive: &Archive,
        plan: Plan,
        accept: Option<u64>,
        partitions: &[Partition],
        work: &Work,
        told: &mut Told,
    ) -> Result<(), JobError> {
        let mut rebuild = self.rebuild(&self.stores, archive, plan);
        for partition in partitions {
            if let Some(served) = self.registry.store(*partition) {
                rebuild.history_from.insert(*partition, served.meta()?.history_begins);
            }
        }
        let cutover =
            Cutover { rebuild, registry: &self.registry, accept, publishes: self.snapshots.enabled };
        let mut done: Vec<ChangedOver> = Vec::new();
        let ended =
            cutover.run(partitions, work, &mut |partition, row| told.differs(partition, &row), &mut done);
        told.partitions = done.iter().map(shown::changed_over).collect();
        ended
    }

    /// A generation that stands here, in place of the one that is served: a plain cutover.
    fn activate(
        &self,
        archive: &Archive,
        partition: Partition,
        generation: Generation,
        work: &Work,
        told: &mut Told,
    ) -> Result<(), JobError> {
        self.here(vec![partition])?;
        if !self.stores.generations(partition)?.contains(&generation) {
            return Err(JobError::NoGeneration { partition, generation });
        }
        let plan = Plan { begin: Begin::Beginning, stop: Stop::End, partial: false };
        let rebuild = self.rebuild(&self.stores, archive, plan);
        let cutover = Cutover { rebuild, registry: &self.registry, accept: None, publishes: false };
        let changed = cutover.activate(partition, generation, work, &mut |row| {
            told.differs(partition, &row);
        })?;
        told.partitions.push(shown::changed_over(&changed));
        Ok(())
    }

    fn into(
        &self,
        archive: &Archive,
        plan: Plan,
        into: &Path,
        partitions: &[Partition],
        work: &Work,
        told: &mut Told,
    ) -> Result<(), JobError> {
        let own = std::fs::canonicalize(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone());
        if into.starts_with(&own) || into.starts_with(&self.data_dir) {
            return Err(JobError::Into { into: into.to_path_buf(), why: "it is the service's own" });
        }
        let mut names =
            std::fs::read_dir(into).into_iter().flatten().flatten().map(|entry| entry.file_name());
        if names.any(|name| name != "LOCK" && name != "partitions") {
            return Err(JobError::Into { into: into.to_path_buf(), why: "it holds something else" });
        }
        let _lock = DirectoryLock::take(into)?;
        let stores = self.stores.elsewhere(into)?;
        // A copy of a base stands where the base does.
        let copies = matches!(plan.begin, Begin::Base(_));
        let mut rebuild = self.rebuild(&stores, archive, plan);
        rebuild.keep = false;
        for partition in partitions {
            let (store, made) =
                if copies { rebuild.copy(*partition, work)? } else { rebuild.run(*partition, work)? };
            let generation = store.generation();
            store.close()?;
            stores.activate(*partition, generation)?;
            told.partitions.push(shown::rebuilt(&made));
        }
        Ok(())
    }

    /// A SKU as it was: its partition is made anew in a directory that goes again.
    fn show(
        &self,
        archive: &Archive,
        plan: Plan,
        sku: &Sku,
        work: &Work,
        told: &mut Told,
    ) -> Result<(), JobError> {
        let partition = partition_of(sku.as_str(), self.registry.count());
        let scratch = Scratch::take(self.data_dir.join("scratch-replay"))?;
        let stores = self.stores.elsewhere(&scratch.directory)?;
        let (store, made) = self.rebuild(&stores, archive, plan).run(partition, work)?;
        told.partitions.push(shown::rebuilt(&made));
        let shown = (self.show)(&store.reader(), sku).map_err(|reason| JobError::NotShown { reason })?;
        drop(store);
        scratch.remove();
        told.sku = Some(shown.ok_or_else(|| JobError::NeverSeen { sku: sku.clone() })?);
        Ok(())
    }

    fn verify(
        &self,
        archive: &Archive,
        against: Against,
        sample: Sample,
        only: Vec<Partition>,
        work: &Work,
        told: &mut Told,
    ) -> Result<(), JobError> {
        let partitions = if against == Against::Live { self.here(only)? } else { self.all(only) };
        let scratch = Scratch::take(self.data_dir.join("verify"))?;
        let stores = self.stores.elsewhere(&scratch.directory)?;
        let rebuild = self.rebuild(&stores, archive, plan(Stop::End));
        for partition in partitions {
            let mut listed = |row: Difference| told.differs(partition, &row);
            let verified = match against {
                Against::Live => {
                    against_live(&rebuild, &self.registry, partition, sample, work, &mut listed)?
                }
                _ => {
                    let base = base_of(&rebuild, against, partition, work)?;
                    against_store(&rebuild, &base.reader(), partition, sample, work, &mut listed)?
                }
            };
            told.partitions.push(shown::verified(&verified));
        }
        scratch.remove();
        Ok(())
    }
}

/// A directory that goes again once a job is done. What an interrupted one has left there is gone on with.
struct Scratch {
    directory: PathBuf,
    lock: DirectoryLock,
}

impl Scratch {
    fn take(directory: PathBuf) -> Result<Self, JobError> {
        let lock = DirectoryLock::take(&directory)?;
        Ok(Self { directory, lock })
    }

    fn remove(self) {
        drop(self.lock);
        // It takes room and harms nothing.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
