use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::JobError;
use super::plan::{Begin, FromBase, Plan};
use super::resume::{Resume, UnderWay};
use crate::codec::rows::meta::{Counters, Identity, Versions};
use crate::log::{Assignment, Bounds, Log, Purpose};
use crate::projector::{DeadLetters, Mode, Projector, ProjectorSettings};
use crate::snapshots::archive::Archive;
use crate::snapshots::bring_back::{self, BroughtBack};
use crate::snapshots::restore::from_archive;
use crate::snapshots::topic::Reading;
use crate::snapshots::{BaseError, Wanted, Work};
use crate::store::{PartitionStores, StoreWriter};
use crate::types::{NextOffset, Partition, Topic};

/// Records taken at a time: few enough that what the client unpacks for them stays in the processor's cache.
const BATCH: usize = 1_000;
const POLL: Duration = Duration::from_millis(100);

/// What every partition's rebuild is told.
pub struct Rebuild<'a> {
    pub log: &'a dyn Log,
    /// Where the generations are made.
    pub stores: &'a PartitionStores,
    pub archive: &'a Archive,
    pub projector: ProjectorSettings,
    /// Bytes of rows folded and not yet written, per partition.
    pub memory: usize,
    /// Bytes of snapshot records read and not yet in a run, per partition.
    pub read_memory: usize,
    pub patience: Duration,
    pub plan: Plan,
    /// From here on history is kept, which takes longer: what will be served has it as far back as what is
    /// served now.
    pub history_from: BTreeMap<Partition, NextOffset>,
    /// What is made is needed again: the same plan finds it, until it is forgotten.
    pub keep: bool,
}

/// A partition that is made anew: what it begins with, and how far it goes.
pub struct Started {
    partition: Partition,
    store: StoreWriter,
    resume: Resume,
    job: UnderWay,
}

/// A partition, made anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuilt {
    pub partition: Partition,
    pub generation: crate::store::Generation,
    /// What it was begun from.
    pub base: String,
    /// Everything from here on was folded anew.
    pub covers_from: NextOffset,
    pub next: NextOffset,
    pub rows: u64,
    /// Events read by this run.
    pub events: u64,
    /// Of keys and values of those.
    pub bytes: u64,
    pub seconds: f64,
    /// Records whose time is before that of an earlier one.
    pub out_of_order: u64,
    /// What all records were, those of the base included.
    pub counters: Counters,
    pub partial: bool,
}

impl Rebuild<'_> {
    /// The same for another plan.
    #[must_use]
    pub fn with(&self, plan: Plan) -> Rebuild<'_> {
        Rebuild {
            log: self.log,
            stores: self.stores,
            archive: self.archive,
            projector: self.projector.clone(),
            memory: self.memory,
            read_memory: self.read_memory,
            patience: self.patience,
            plan,
            history_from: self.history_from.clone(),
            keep: self.keep,
        }
    }

    /// Makes a partition anew, in a generation of its own, not yet served. Interrupted or killed, the same
    /// again goes on where it was.
    ///
    /// # Errors
    /// See [`JobError`].
    pub fn run(&self, partition: Partition, work: &Work) -> Result<(StoreWriter, Rebuilt), JobError> {
        let started = self.start(partition, work)?;
        self.fold(started, work)
    }

    /// Opens what an earlier run has begun, or makes a generation from a base.
    ///
    /// # Errors
    /// [`JobError::NoBase`], and whatever the base's restore gives.
    pub fn start(&self, partition: Partition, work: &Work) -> Result<Started, JobError> {
        // What another program has made is not gone on with.
        let plan = format!("{} {:?} {}", env!("CARGO_PKG_VERSION"), Versions::CURRENT, self.plan);
        let resume = Resume::of(&self.stores.scratch(partition));
        let live = self.stores.live(partition)?;
        if live.is_some() && resume.any() == live {
            // Killed between the change and its being noted: what was made is served already.
            resume.forget();
        }
        if let Some(job) = resume.find(&plan)
            && self.stores.generations(partition)?.contains(&job.generation)
        {
            let store = self.stores.open_generation(partition, job.generation)?;
            let bounds = self.log.bounds(Topic::Events, partition)?;
            // The log may have forgotten what would come next.
            if store.progress().next >= bounds.start {
                return Ok(Started { partition, store, resume, job });
            }
        }
        // Another plan's, never finished.
        if let Some(generation) = resume.any()
            && live != Some(generation)
            && self.stores.generations(partition)?.contains(&generation)
        {
            self.stores.remove(partition, generation)?;
        }
        let bounds = self.log.bounds(Topic::Events, partition)?;
        let stop = self.plan.stop_at(self.log, partition, &bounds)?;
        let (store, base) = self.base(partition, &bounds, work)?;
        let covers_from = store.meta().progress.next;
        if covers_from > stop {
            return Err(JobError::BehindStop { partition, next: covers_from, stop });
        }
        let job = UnderWay { generation: store.generation(), stop, covers_from, base };
        resume.save(&plan, &job)?;
        Ok(Started { partition, store, resume, job })
    }

    /// The base to begin with, as a generation.
    fn base(
        &self,
        partition: Partition,
        bounds: &Bounds,
        work: &Work,
    ) -> Result<(StoreWriter, String), JobError> {
        let begin = self.plan.begin_at(self.log, partition)?;
        let wanted = Wanted {
            partition,
            partition_count: self.log.partitions(Topic::Events)?,
            cluster_id: self.log.cluster_id()?,
            bounds: *bounds,
            at_most: begin,
        };
        if let Begin::Base(from) = self.plan.begin {
            return self.chosen(from, &wanted, work);
        }
        let beginning = bounds.start == NextOffset::ZERO;
        let mut passed = Vec::new();
        if let Some(_at) = begin {
            match self.newest(&wanted, work)? {
                BroughtBack::Restored { restored, source, .. } => {
                    return Ok((restored.store, source.to_string()));
                }
                BroughtBack::Nothing(reasons) => passed = reasons,
            }
        } else if !beginning {
            // The oldest that the log still reaches.
            match self.oldest(&wanted, work)? {
                Ok(found) => return Ok(found),
                Err(reasons) => passed = reasons,
            }
            if let BroughtBack::Restored { restored, source, .. } = self.newest(&wanted, work)? {
                return Ok((restored.store, source.to_string()));
            }
        }
        let identity = |begins| Identity {
            partition,
            partition_count: wanted.partition_count,
            cluster_id: wanted.cluster_id.clone(),
            versions: Versions::CURRENT,
            begins,
        };
        if beginning && !(self.plan.partial && begin.is_some()) {
            return Ok((self.stores.create(identity(NextOffset::ZERO))?, "beginning of the log".into()));
        }
        let at = begin.unwrap_or(bounds.start);
        if self.plan.partial {
            let mut store = self.stores.create(identity(at.max(bounds.start)))?;
            store.mark_partial()?;
            return Ok((store, "nothing: partial".into()));
        }
        let passed: Vec<String> = passed.iter().map(|reason| format!("; {reason}")).collect();
        Err(JobError::NoBase { partition, wanted: at, start: bounds.start, passed: passed.concat() })
    }

    /// The base that was asked for, or none.
    fn chosen(
        &self,
        from: FromBase,
        wanted: &Wanted,
        work: &Work,
    ) -> Result<(StoreWriter, String), JobError> {
        let partition = wanted.partition;
        let passed = |reasons: &[BaseError]| -> String {
            reasons.iter().map(|reason| format!("; passed over: {reason}")).collect()
        };
        let (base, unsound) = match from {
            FromBase::Latest => {
                return match self.newest(wanted, work)? {
                    BroughtBack::Restored { restored, source, passed: reasons } => {
                        Ok((restored.store, format!("{source}{}", passed(&reasons))))
                    }
                    BroughtBack::Nothing(reasons) => Err(JobError::NothingSound { partition, reasons }),
                };
            }
            FromBase::Id(id) => (self.archive.base(id).map_err(BaseError::from)?, Vec::new()),
            FromBase::Time(time) => {
                let (base, unsound) =
                    self.archive.newest(partition, Some(time), None).map_err(BaseError::from)?;
                let unsound = unsound.into_iter().map(|unsound| unsound.error.into()).collect();
                (base.ok_or(BaseError::NoArchive { partition })?, unsound)
            }
        };
        let restored = from_archive(self.archive, &base, self.stores, wanted, work)?;
        Ok((restored.store, format!("base {} of the archive{}", base.id, passed(&unsound))))
    }

    fn newest(&self, wanted: &Wanted, work: &Work) -> Result<BroughtBack, JobError> {
        let reading = Reading {
            scratch: self.stores.scratch(wanted.partition),
            memory: self.read_memory,
            patience: self.patience,
        };
        Ok(bring_back::newest(self.log, Ok(self.archive), self.stores, wanted, &reading, work)?)
    }

    fn oldest(
        &self,
        wanted: &Wanted,
        work: &Work,
    ) -> Result<Result<(StoreWriter, String), Vec<BaseError>>, JobError> {
        let listing = match self.archive.list(Some(wanted.partition)) {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(vec![error.into()])),
        };
        let mut passed: Vec<BaseError> =
            listing.unsound.into_iter().map(|unsound| unsound.error.into()).collect();
        let reached = listing
            .bases
            .iter()
            .filter(|base| base.superseded.is_none() && base.id.next >= wanted.bounds.start);
        for base in reached {
            match from_archive(self.archive, base, self.stores, wanted, work) {
                Ok(restored) => return Ok(Ok((restored.store, format!("base {} of the archive", base.id)))),
                Err(error) if error.is_of_the_base() => passed.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Err(passed))
    }

    /// A base as it stands, nothing folded on top: for plans that begin at one.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn copy(&self, partition: Partition, work: &Work) -> Result<(StoreWriter, Rebuilt), JobError> {
        let bounds = self.log.bounds(Topic::Events, partition)?;
        let began = Instant::now();
        let (store, base) = self.base(partition, &bounds, work)?;
        let meta = store.meta();
        let rebuilt = Rebuilt {
            partition,
            generation: store.generation(),
            base,
            covers_from: meta.progress.next,
            next: meta.progress.next,
            rows: meta.rows,
            events: 0,
            bytes: work.done().bytes,
            seconds: began.elapsed().as_secs_f64(),
            out_of_order: 0,
            counters: meta.progress.counters.clone(),
            partial: false,
        };
        Ok((store, rebuilt))
    }

    /// What was made is wanted no more, or is served.
    pub fn forget(&self, partition: Partition) {
        Resume::of(&self.stores.scratch(partition)).forget();
    }

    /// Folds the events up to the position to stop at.
    fn fold(&self, started: Started, work: &Work) -> Result<(StoreWriter, Rebuilt), JobError> {
        let Started { partition, store, resume, job } = started;
        let UnderWay { stop, covers_from, base, generation } = job;
        let mut projector =
            Projector::new(store, self.projector.clone(), DeadLetters::CountOnly, self.memory);
        let from = projector.next();
        let live_from = self.history_from.get(&partition).copied();
        let live_from = live_from.filter(|at| *at < stop).unwrap_or(NextOffset(u64::MAX));
        if from < live_from {
            projector.set_mode(Mode::Bulk)?;
        }
        let began = Instant::now();
        work.begin(
            "replaying events",
            from.0 - covers_from.0.min(from.0),
            stop.0 - covers_from.0.min(stop.0),
        );
        let at = Assignment { topic: Topic::Events, partition, next: from };
        let mut reader = if from < stop { Some(self.log.reader(Purpose::Bulk, &[at])?) } else { None };
        let (mut events, mut bytes, mut out_of_order) = (0, 0, 0);
        let mut latest = i64::MIN;
        let mut moved = Instant::now();
        while let Some(reader) = reader.as_mut().filter(|_| projector.next() < stop) {
            if work.is_stopped() {
                projector.commit()?;
                projector.close()?;
                return Err(JobError::Interrupted);
            }
            let before = projector.next();
            let batch = reader.poll(BATCH, POLL)?;
            let records = &batch.records;
            let inside = (0..records.len())
                .position(|index| !stop.is_past(records.get(index).offset))
                .unwrap_or(records.len());
            let bulk = match projector.mode() {
                Mode::Live => 0,
                Mode::Bulk => (0..inside)
                    .position(|index| !live_from.is_past(records.get(index).offset))
                    .unwrap_or(inside),
            };
            projector.fold((0..bulk).map(|index| records.get(index)))?;
            if bulk < inside {
                projector.set_mode(Mode::Live)?;
                projector.fold((bulk..inside).map(|index| records.get(index)))?;
            }
            let mut read = 0;
            for record in (0..inside).map(|index| records.get(index)) {
                read += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                out_of_order += u64::from(record.timestamp.0 < latest);
                latest = latest.max(record.timestamp.0);
            }
            events += inside as u64;
            bytes += read as u64;
            if inside < records.len() {
                projector.pass(stop);
            }
            for end in &batch.ends {
                projector.pass(end.next.min(stop));
            }
            if projector.is_full() || projector.mode() == Mode::Live {
                projector.commit()?;
            }
            work.reach(projector.next().0.saturating_sub(covers_from.0));
            work.add(0, 0, read as u64);
            if projector.next() > before {
                moved = Instant::now();
            } else if moved.elapsed() >= self.patience {
                let (at, seconds) = (projector.next(), moved.elapsed().as_secs());
                projector.commit()?;
                return Err(JobError::Stalled { partition, at, end: stop, seconds });
            }
        }
        projector.close()?;
        let store = self.stores.open_generation(partition, generation)?;
        if !self.keep {
            resume.forget();
        }
        let meta = store.meta();
        let rebuilt = Rebuilt {
            partition,
            generation,
            base,
            covers_from,
            next: meta.progress.next,
            rows: meta.rows,
            events,
            bytes,
            seconds: began.elapsed().as_secs_f64(),
            out_of_order,
            counters: meta.progress.counters.clone(),
            partial: meta.partial,
        };
        Ok((store, rebuilt))
    }
}
