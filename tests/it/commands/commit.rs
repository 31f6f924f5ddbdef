use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use inventory_store::config::lane::LaneConfig;
use inventory_store::lane::State;
use inventory_store::log::{CommitError, Consumed, Generation, Log, LogError, Transactor};
use inventory_store::types::{NewRecord, Partition, Position};

use super::harness::{PARTITIONS, RECEIVE, World, quantity, sku_of, until_live};
use crate::support::lanes::{self, eventually};
use crate::support::pass_on::pass_on;

/// What happens to every third commit.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// It happens, and nobody is told.
    AnswerLost,
    /// It does not happen, and nobody is told.
    RequestLost,
    /// It is refused.
    Aborted,
}

/// A log whose commits go wrong as told, and whose groups may forget their positions.
struct Faulty {
    log: Arc<dyn Log>,
    faults: Vec<Fault>,
    commits: Arc<AtomicU32>,
    hit: Arc<AtomicU32>,
    forgets: Mutex<bool>,
}

impl Faulty {
    fn new(log: &Arc<dyn Log>, faults: &[Fault]) -> Arc<Self> {
        Arc::new(Self {
            log: Arc::clone(log),
            faults: faults.to_vec(),
            commits: Arc::default(),
            hit: Arc::default(),
            forgets: Mutex::new(false),
        })
    }
}

struct FaultyTransactor {
    inner: Box<dyn Transactor>,
    faults: Vec<Fault>,
    commits: Arc<AtomicU32>,
    hit: Arc<AtomicU32>,
    /// Its commit's outcome was unknown: of no more use.
    broken: bool,
}

impl Transactor for FaultyTransactor {
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        assert!(!self.broken, "a writer whose commit is in doubt is not used again");
        self.inner.stage(records)
    }

    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        let fault = match number % 3 {
            2 => self.faults.get(number as usize / 3 % self.faults.len().max(1)).copied(),
            _ => None,
        };
        if fault.is_some() {
            self.hit.fetch_add(1, Ordering::SeqCst);
        }
        let lost = || CommitError::Unknown { reason: "as told".into() };
        match fault {
            None => self.inner.commit(consumed, generation),
            Some(Fault::AnswerLost) => {
                self.broken = true;
                self.inner.commit(consumed, generation)?;
                Err(lost())
            }
            Some(Fault::RequestLost) => {
                self.broken = true;
                Err(lost())
            }
            Some(Fault::Aborted) => {
                self.inner.abort()?;
                Err(CommitError::Aborted { reason: "as told".into() })
            }
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.inner.abort()
    }
}

impl Log for Faulty {
    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        Ok(Box::new(FaultyTransactor {
            inner: self.log.transactor(id)?,
            faults: self.faults.clone(),
            commits: Arc::clone(&self.commits),
            hit: Arc::clone(&self.hit),
            broken: false,
        }))
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError> {
        if *self.forgets.lock().expect("whole") {
            return Ok(vec![None; partitions.len()]);
        }
        self.log.committed(group, partitions)
    }

    pass_on!(log: cluster_id, partitions, bounds, offset_at, reader, appender, join, groups, topics);
}

/// Sends commands one after another through lanes whose commits go wrong: each is decided once all the same.
fn each_is_decided_once(world: &World, faults: &[Fault]) {
    const COMMANDS: u16 = 24;
    let faulty = Faulty::new(&world.log, faults);
    let seen: Arc<dyn Log> = Arc::<Faulty>::clone(&faulty);
    let lanes = world.start_on(&seen, "a");
    until_live(&lanes.registry());
    for number in 0..COMMANDS {
        let at = world.send(&sku_of(number % PARTITIONS), &number.to_string(), RECEIVE, quantity(1));
        assert!(super::harness::code(&world.outcome(at)).is_none());
    }
    assert!(faulty.hit.load(Ordering::SeqCst) > 3, "commits went wrong");
    world.results(usize::from(COMMANDS));
    assert_eq!(world.events().len(), usize::from(COMMANDS));
    world.sequences_are_gapless();
    lanes::until_level(&world.log, &lanes.registry());
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

pub fn a_commit_whose_answer_is_lost_is_read_back(world: &World) {
    each_is_decided_once(world, &[Fault::AnswerLost, Fault::RequestLost]);
}

pub fn an_aborted_commit_is_tried_again(world: &World) {
    each_is_decided_once(world, &[Fault::Aborted]);
}

pub fn positions_lost_by_the_group_are_known_by_the_results(world: &World) {
    let lanes = world.start_alone("a");
    let at = world.send(&sku_of(0), "1", RECEIVE, quantity(1));
    world.outcome(at);
    lanes.stop();
    let faulty = Faulty::new(&world.log, &[]);
    *faulty.forgets.lock().expect("whole") = true;
    let seen: Arc<dyn Log> = faulty;
    let lanes = world.start_on(&seen, "a");
    until_live(&lanes.registry());
    let at = world.send(&sku_of(0), "2", RECEIVE, quantity(1));
    world.outcome(at);
    world.results(2);
    assert_eq!(world.events().len(), 2);
    lanes.stop();
}

pub fn positions_that_nothing_knows_are_asked_for(world: &World) {
    let lanes = world.start_alone("a");
    let (sku, partition) = (sku_of(0), Partition(0));
    let event = {
        let at = world.send(&sku, "1", RECEIVE, quantity(1));
        world.outcome(at);
        world.events().remove(0).1
    };
    lanes.stop();
    // A log that has the event, and neither positions nor results: as after both were deleted.
    let other = World { group: format!("{}-other", world.group), ..World::embedded() };
    lanes::publish(other.log.as_ref(), [event]);
    let lanes = other.start("a");
    let reason = eventually("it asks", || match lanes.registry().state(partition) {
        State::Failed { reason } => Some(reason),
        _ => None,
    });
    assert!(reason.contains("--commands-from 0:OFFSET"), "{reason}");
    lanes.stop();
    let told = LaneConfig { commands_from: "0:0".into(), ..other.config("a") };
    let lanes = lanes::start(&other.log, &other.directory("a"), &told).expect("started");
    until_live(&lanes.registry());
    let at = other.send(&sku, "2", RECEIVE, quantity(1));
    assert!(super::harness::code(&other.outcome(at)).is_none());
    lanes.stop();
}
