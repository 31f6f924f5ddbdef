//! Partitions of a running service change over to generations that were made anew.
//!
//! For each partition a generation is made beside the served store, brought close behind it, and held against
//! it at one position while the lane goes on. Only once all have passed does the first change over. For that
//! its lane stands still for a moment ([`crate::lane::Held`]): the generation comes to the served store's very
//! position, and is checked again by what costs nothing, count and digest, less the rows that were found to
//! differ and were accepted. So no row is read in the pause but those.
//!
//! After a repair the archive's bases between are superseded, and the job waits for the baseline that replaces
//! what the topic holds: until then a partition that moves elsewhere comes back with the old rows.

use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::compare::{Compared, Difference, Sample};
use super::rebuild::{Rebuild, Rebuilt};
use super::{JobError, Plan};
use crate::lane::Registry;
use crate::snapshots::archive::Archive;
use crate::snapshots::{BaseError, Work};
use crate::store::Generation;
use crate::types::{NextOffset, Partition, Topic};

/// How long a baseline may take to be published.
const BASELINE: Duration = Duration::from_secs(600);

/// A cutover of a running service.
pub struct Cutover<'a> {
    pub rebuild: Rebuild<'a>,
    pub registry: &'a Registry,
    /// So many rows may differ, over all partitions; nothing = none, a plain one.
    pub accept: Option<u64>,
    /// Whether snapshots are published: then a repair ends with a baseline.
    pub publishes: bool,
}

/// A partition that changed over.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedOver {
    pub rebuilt: Rebuilt,
    pub before: Generation,
    /// The position at which both were held against each other while the lane went on.
    pub compared_at: NextOffset,
    pub compared: Compared,
    /// How long its lane stood still.
    pub pause: Duration,
    /// The cycle of the baseline that completes a repair, once it is committed.
    pub baseline: Option<u64>,
}

/// A partition that was checked.
struct Checked {
    rebuilt: Rebuilt,
    compared_at: NextOffset,
    compared: Compared,
    differing: Vec<Vec<u8>>,
    missing: u64,
}

impl Cutover<'_> {
    /// Does it for these partitions. `differs` is told each row that differs; `done` takes what changed over,
    /// also where a later one fails.
    ///
    /// # Errors
    /// What has not changed over is served as before; what was made of it is kept, and the same again goes on
    /// with it.
    pub fn run(
        &self,
        partitions: &[Partition],
        work: &Work,
        differs: &mut dyn FnMut(Partition, Difference),
        done: &mut Vec<ChangedOver>,
    ) -> Result<(), JobError> {
        let mut checked = Vec::new();
        for partition in partitions {
            checked.push(self.check(*partition, work, differs)?);
        }
        let missing: u64 = checked.iter().map(|checked| checked.missing).sum();
        if missing > 0 {
            return Err(JobError::Missing { skus: missing });
        }
        let differences: u64 = checked.iter().map(|checked| checked.compared.differences).sum();
        if differences != self.accept.unwrap_or(0) {
            return Err(JobError::Differs { differences, accepted: self.accept });
        }
        for checked in checked {
            let changed = self.change_over(checked, work)?;
            done.push(changed);
        }
        for changed in done.iter_mut().filter(|changed| changed.compared.differences > 0) {
            self.wait_for_baseline(changed, work)?;
        }
        Ok(())
    }

    /// The same with a generation that stands here already, at whatever position the log still reaches. Nothing
    /// may differ.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn activate(
        &self,
        partition: Partition,
        generation: Generation,
        work: &Work,
        differs: &mut dyn FnMut(Difference),
    ) -> Result<ChangedOver, JobError> {
        if self.registry.status(partition).and_then(|status| status.generation) == Some(generation) {
            return Err(JobError::Serves { partition, generation });
        }
        let meta = self.rebuild.stores.open_generation(partition, generation)?.meta().clone();
        if meta.partial {
            return Err(JobError::NotSwitched {
                reason: format!("{generation} is partial and never served"),
            });
        }
        let start = self.rebuild.log.bounds(Topic::Events, partition)?.start;
        let next = meta.progress.next;
        if next < start {
            return Err(BaseError::BelowLog { partition, next, start }.into());
        }
        let rebuilt = Rebuilt {
            partition,
            generation,
            base: format!("{generation} as it stood"),
            covers_from: next,
            next,
            rows: meta.rows,
            events: 0,
            bytes: 0,
            seconds: 0.0,
            out_of_order: 0,
            counters: meta.progress.counters,
            partial: false,
        };
        let mut candidate = Candidate::open(&self.rebuild, self.registry, partition, generation)?;
        let compared = candidate.check(Sample::ALL, false, work, differs)?;
        let compared_at = candidate.next();
        drop(candidate);
        if compared.differences > 0 {
            return Err(JobError::Differs { differences: compared.differences, accepted: None });
        }
        let differing = Vec::new();
        self.change_over(Checked { rebuilt, compared_at, compared, differing, missing: 0 }, work)
    }

    fn check(
        &self,
        partition: Partition,
        work: &Work,
        differs: &mut dyn FnMut(Partition, Difference),
    ) -> Result<Checked, JobError> {
        let (store, rebuilt) = self.rebuild.run(partition, work)?;
        drop(store);
        let mut candidate = Candidate::open(&self.rebuild, self.registry, partition, rebuilt.generation)?;
        let (mut differing, mut missing) = (Vec::new(), 0);
        // More than are accepted are never needed again.
        let most = usize::try_from(self.accept.unwrap_or(0)).unwrap_or(usize::MAX);
        let compared = candidate.check(Sample::ALL, false, work, &mut |difference| {
            missing += u64::from(difference.is_missing_sku());
            if differing.len() < most {
                differing.push(difference.key.clone());
            }
            differs(partition, difference);
        })?;
        Ok(Checked { rebuilt, compared_at: candidate.next(), compared, differing, missing })
    }

    fn change_over(&self, checked: Checked, work: &Work) -> Result<ChangedOver, JobError> {
        let Checked { mut rebuilt, compared_at, compared, mut differing, missing: _ } = checked;
        let partition = rebuilt.partition;
        let repairs = compared.differences > 0;
        if repairs {
            self.supersede(partition, rebuilt.covers_from, None)?;
        }
        let mut again = 0;
        let switched = loop {
            let candidate = Candidate::open(&self.rebuild, self.registry, partition, rebuilt.generation)?;
            match candidate.switch(&differing, work) {
                Ok(switched) => break switched,
                // Events came in between that touch rows that differ: other rows, or as many others.
                Err(JobError::Moved { .. }) if again < 10 => again += 1,
                Err(error) => return Err(error),
            }
            let mut candidate = Candidate::open(&self.rebuild, self.registry, partition, rebuilt.generation)?;
            let mut found = Vec::new();
            let mut missing = 0;
            let now = candidate.check(Sample::ALL, false, work, &mut |difference| {
                missing += u64::from(difference.is_missing_sku());
                if found.len() <= differing.len() {
                    found.push(difference.key);
                }
            })?;
            if missing > 0 {
                return Err(JobError::Missing { skus: missing });
            }
            if now.differences != compared.differences {
                let accepted = Some(compared.differences);
                return Err(JobError::Differs { differences: now.differences, accepted });
            }
            differing = found;
        };
        let next = self.registry.applied(partition).unwrap_or(rebuilt.next);
        if repairs {
            // Bases that were made meanwhile, of the rows that are no more.
            self.supersede(partition, rebuilt.covers_from, Some(next))?;
        }
        self.rebuild.forget(partition);
        drop(switched.ending);
        let before = switched.before.generation();
        if let Err(error) = switched.before.close() {
            tracing::warn!(%partition, %before, %error, "the generation served before could not be closed cleanly");
        }
        if let Some(status) = self.registry.status(partition) {
            (rebuilt.rows, rebuilt.counters) = (status.rows, status.counters);
        }
        rebuilt.next = next;
        Ok(ChangedOver { rebuilt, before, compared_at, compared, pause: switched.pause, baseline: None })
    }

    /// What was made of the spoiled rows is never restored again.
    fn supersede(
        &self,
        partition: Partition,
        covers_from: NextOffset,
        through: Option<NextOffset>,
    ) -> Result<(), JobError> {
        supersede(self.rebuild.archive, partition, covers_from, through)
    }

    /// Until it is in the topic, the repair holds on this machine alone.
    fn wait_for_baseline(&self, changed: &mut ChangedOver, work: &Work) -> Result<(), JobError> {
        if !self.publishes {
            return Ok(());
        }
        let partition = changed.rebuilt.partition;
        work.begin("publishing the baseline", 0, 1);
        self.registry.request_snapshot(partition);
        let began = Instant::now();
        loop {
            let status = self.registry.status(partition);
            if let Some(status) = status.filter(|status| !status.baseline) {
                changed.baseline = status.last_checkpoint.map(|mark| mark.cycle);
                return Ok(());
            }
            let owned = self.registry.state(partition).is_owned();
            if work.is_stopped() || !owned || began.elapsed() > BASELINE {
                return Err(JobError::NoBaseline { partition });
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

/// Marks the archive's bases behind `covers_from`, up to `through` where that is given, as never to be restored.
///
/// # Errors
/// The archive's.
pub fn supersede(
    archive: &Archive,
    partition: Partition,
    covers_from: NextOffset,
    through: Option<NextOffset>,
) -> Result<(), JobError> {
    let bases = archive.list(Some(partition)).map_err(crate::snapshots::BaseError::from)?.bases;
    for base in bases {
        let between = base.id.next > covers_from && through.is_none_or(|through| base.id.next <= through);
        if between && base.superseded.is_none() {
            archive
                .supersede(base.id, "a repair has replaced what it was made of")
                .map_err(crate::snapshots::BaseError::from)?;
        }
    }
    Ok(())
}

/// Whether a plan can be cut over at all: up to the end, nothing missing.
#[must_use]
pub fn is_whole(plan: &Plan) -> bool {
    plan.stop == super::Stop::End && !plan.partial
}
