//! A generation that may be served in place of the one that is: kept close behind it, held against it at one
//! position, and handed to the lane.

use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use super::JobError;
use super::compare::{Compared, Difference, Sample, compare_at};
use super::rebuild::Rebuild;
use super::tail::{Tail, UpTo};
use crate::lane::{Expiries, Held, NotSwitched, Registry, State, Switched, first_result};
use crate::projector::{DeadLetters, Projector};
use crate::snapshots::Work;
use crate::store::{Digest, Generation, RowHash, StoreReader, StoreWriter};
use crate::types::{NextOffset, Partition};

/// Close enough that the rest is read in a moment: events behind the served store.
const CLOSE: u64 = 500;
/// How often a lane is asked to stand still before the job gives up.
const TRIES: u32 = 20;
/// Between two of these.
const BETWEEN: Duration = Duration::from_millis(250);
/// The longest a lane stands still, whatever comes of it, and what each accepted row may add to that.
const STILL: Duration = Duration::from_millis(250);
const STILL_PER_ROW: Duration = Duration::from_micros(50);
const STILL_AT_MOST: Duration = Duration::from_secs(5);
/// How long a live lane may take to answer: it answers between two transactions.
const ANSWER: Duration = Duration::from_secs(30);

/// A partition's new generation and the served store it is held against.
pub(super) struct Candidate<'a> {
    job: &'a Rebuild<'a>,
    registry: &'a Registry,
    partition: Partition,
    generation: Generation,
    projector: Projector,
    tail: Tail,
    expiries: Expiries,
}

/// What a generation that stands where the served store does is to it.
enum Standing {
    /// The same but for so many rows of those that were found to differ.
    Differs(u64),
    /// Other rows differ than were found.
    Moved,
}

impl<'a> Candidate<'a> {
    pub(super) fn open(
        job: &'a Rebuild<'a>,
        registry: &'a Registry,
        partition: Partition,
        generation: Generation,
    ) -> Result<Self, JobError> {
        let store = job.stores.open_generation(partition, generation)?;
        let expiries = expiries_of(&store)?;
        let mut projector = Projector::new(store, job.projector.clone(), DeadLetters::CountOnly, job.memory);
        projector.watch_expiring();
        // A base has no outcomes; what is older than the window is asked for by nobody.
        projector.pass_results(first_result(job.log, partition, job.projector.dedupe_window_ms)?);
        let tail = Tail::open(job.log, partition, &projector)?;
        Ok(Self { job, registry, partition, generation, projector, tail, expiries })
    }

    /// The served store, where its lane follows the log.
    fn served(&self) -> Result<StoreReader, JobError> {
        let state = self.registry.state(self.partition);
        match self.registry.store(self.partition) {
            Some(served) if state == State::Live => Ok(served),
            _ => Err(JobError::NotServed { partition: self.partition, state: state.to_string() }),
        }
    }

    fn fold(&mut self, up_to: UpTo, patience: Duration, work: &Work) -> Result<(), JobError> {
        let folded = self.tail.fold(&mut self.projector, up_to, patience, work);
        self.keep_expiring();
        folded
    }

    fn keep_expiring(&mut self) {
        for expiring in self.projector.take_expiring() {
            self.expiries.push(expiring);
        }
    }

    /// Folds on until the served store is no more than a moment ahead.
    pub(super) fn come_close(&mut self, work: &Work) -> Result<(), JobError> {
        loop {
            let up_to = UpTo::from(&self.served()?.meta()?.progress);
            let behind = up_to.events.0.saturating_sub(self.projector.next().0);
            work.begin("catching up", 0, behind);
            self.fold(up_to, self.job.patience, work)?;
            let now = self.served()?.meta()?.progress.next;
            if now.0.saturating_sub(self.projector.next().0) <= CLOSE {
                return Ok(());
            }
        }
    }

    /// Holds both against each other at the position that the served store has now; the lane goes on meanwhile.
    /// Equal count and digest are equal rows; else each is read, or all of them where `thorough`.
    pub(super) fn check(
        &mut self,
        sample: Sample,
        thorough: bool,
        work: &Work,
        differs: &mut dyn FnMut(Difference),
    ) -> Result<Compared, JobError> {
        self.come_close(work)?;
        let served = self.served()?;
        served.freeze(|theirs| {
            let meta = theirs.meta()?;
            self.fold(UpTo::from(&meta.progress), self.job.patience, work)?;
            self.projector.store().reader().freeze(|mine| {
                let own = mine.meta()?;
                if !thorough && (own.rows, own.digest) == (meta.rows, meta.digest) {
                    return Ok(Compared { rows: own.rows, differences: 0 });
                }
                compare_at(theirs, mine, sample, work, differs)
            })
        })
    }

    /// The next event to fold.
    pub(super) fn next(&self) -> NextOffset {
        self.projector.next()
    }

    /// Has the lane serve it. `accepted`: the rows that were found to differ, all of which still must.
    pub(super) fn switch(mut self, accepted: &[Vec<u8>], work: &Work) -> Result<Switched, JobError> {
        let mut why = String::from("it was never asked");
        let rows = u32::try_from(accepted.len()).unwrap_or(u32::MAX);
        let at_most = STILL.saturating_add(STILL_PER_ROW.saturating_mul(rows)).min(STILL_AT_MOST);
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::park_timeout(BETWEEN);
            }
            self.come_close(work)?;
            work.begin("changing over", 0, 1);
            // What takes long, waiting for the disk, is done before the lane stands still.
            let served = self.served()?;
            self.projector.store_mut().succeed(&served)?;
            self.job.stores.prepare(self.partition, self.generation)?;
            let held = match self.ask(at_most, work)? {
                Ok(held) => held,
                Err(not_now) => {
                    why = not_now;
                    continue;
                }
            };
            // From here on the lane stands still.
            let still = Instant::now();
            let up_to = UpTo {
                events: held.next,
                results: held.next_results,
                last_event: held.last_event,
                last_result: held.last_result,
            };
            match self.fold(up_to, at_most, work) {
                Ok(()) => {}
                Err(JobError::Stalled { at, .. }) => {
                    why = format!("the log did not deliver the rest in time, from offset {at} on");
                    continue;
                }
                Err(error) => return Err(error),
            }
            let read = still.elapsed();
            match self.standing(&held.served, accepted)? {
                Standing::Differs(rows) if rows == accepted.len() as u64 => {}
                Standing::Differs(_) | Standing::Moved => {
                    held.release();
                    return Err(JobError::Moved {
                        partition: self.partition,
                        accepted: accepted.len() as u64,
                    });
                }
            }
            let Self { job, registry, partition, generation, projector, tail, expiries } = self;
            let mut store = projector.into_store();
            store.succeed(&held.served)?;
            let checked = still.elapsed();
            let switched = held.switch(store, expiries);
            tracing::debug!(
                %partition, read_us = read.as_micros(), checked_us = checked.as_micros(),
                switched_us = still.elapsed().as_micros(), "a lane stood still"
            );
            // Only now: closing a reader takes longer than all of this.
            drop(tail);
            match switched {
                Ok(switched) => {
                    job.stores.settle(partition)?;
                    return Ok(switched);
                }
                Err(NotSwitched::TooLate) => {
                    why = NotSwitched::TooLate.to_string();
                    self = Self::open(job, registry, partition, generation)?;
                }
                Err(NotSwitched::Failed(reason)) => return Err(JobError::NotSwitched { reason }),
            }
        }
        Err(JobError::NeverStill { partition: self.partition, tries: TRIES, why })
    }

    /// Asks the lane to stand still, and stays close until it does. Gives why it cannot, where it answers so.
    fn ask(&mut self, at_most: Duration, work: &Work) -> Result<Result<Held, String>, JobError> {
        let asked = Instant::now();
        let answer = self.registry.hold(self.partition, at_most);
        loop {
            match answer.try_recv() {
                Ok(Ok(held)) => return Ok(Ok(held)),
                Ok(Err(not_now)) => return Ok(Err(not_now.why)),
                Err(TryRecvError::Disconnected) => return Ok(Err("the lane let the request go".into())),
                Err(TryRecvError::Empty) => {}
            }
            if work.is_stopped() {
                return Err(JobError::Interrupted);
            }
            // The lane may stand still already: nothing here waits for the log to say where it ends.
            let up_to = UpTo::from(&self.served()?.meta()?.progress);
            self.tail.advance(&mut self.projector, up_to)?;
            self.keep_expiring();
            if asked.elapsed() > ANSWER {
                return Ok(Err(format!("the lane did not answer within {} s", ANSWER.as_secs())));
            }
        }
    }

    /// Both stand at one position: what they hold is told apart by count and digest, and by the rows known to
    /// differ, which alone are read.
    fn standing(&self, served: &StoreReader, differing: &[Vec<u8>]) -> Result<Standing, JobError> {
        let theirs = served.meta()?;
        let mine = self.projector.store().meta();
        let mut digest = Digest(mine.digest);
        let (mut rows, mut differs) = (i128::from(mine.rows), 0);
        let own = self.projector.store().reader();
        served.freeze(|served| {
            own.freeze(|own| {
                for key in differing {
                    let hash = |value: Option<Vec<u8>>| value.map(|value| RowHash::of(key, &value));
                    let (have, want) = (hash(served.get(key)?), hash(own.get(key)?));
                    if have != want {
                        differs += 1;
                        digest = digest.replace(want, have);
                        rows += i128::from(have.is_some()) - i128::from(want.is_some());
                    }
                }
                Ok::<_, JobError>(())
            })
        })?;
        let same = rows == i128::from(theirs.rows) && digest == Digest(theirs.digest);
        Ok(if same { Standing::Differs(differs) } else { Standing::Moved })
    }
}

fn expiries_of(store: &StoreWriter) -> Result<Expiries, JobError> {
    let mut expiries = Expiries::default();
    store.each_expiring(|expiring| expiries.push(expiring))?;
    Ok(expiries)
}
