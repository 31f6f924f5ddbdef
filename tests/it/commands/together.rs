//! Lanes of one process as members of the group: they come together, and an idle one waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use inventory_store::config::lane::LaneConfig;
use inventory_store::lane::{Registry, State};
use inventory_store::log::{
    Assignment, Batch, Generation, Log, LogError, Member, MemberEvent, Purpose, Reader,
};
use inventory_store::types::{NextOffset, Partition};

use super::harness::{World, until_live};
use crate::support::lanes::{self, eventually};
use crate::support::pass_on::pass_on;

/// A log that watches the members of its groups, of which one may be told to come late.
struct Watched {
    log: Arc<dyn Log>,
    /// The instance that comes late: once every partition is live, and where none is, after a while.
    late: Option<&'static str>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    registry: OnceLock<Arc<Registry>>,
    polls: AtomicU64,
    late_came: AtomicBool,
    /// What was asked for again while it was live.
    taken_live: Mutex<Vec<Partition>>,
    /// Nothing can be read.
    unreadable: AtomicBool,
}

impl Watched {
    fn new(world: &World, late: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { log: Arc::clone(&world.log), late, seen: Arc::default() })
    }
}

impl Seen {
    fn is_live(&self, partition: Partition) -> bool {
        self.registry.get().is_some_and(|registry| registry.state(partition) == State::Live)
    }

    fn all_live(&self) -> bool {
        let count = self.registry.get().map_or(0, |registry| registry.count());
        count > 0 && (0..count).all(|number| self.is_live(Partition(number)))
    }
}

struct WatchedMember {
    seen: Arc<Seen>,
    /// Nothing = it has not come yet.
    inner: Option<Box<dyn Member>>,
    join: Box<dyn Fn() -> Result<Box<dyn Member>, LogError> + Send>,
    made: Instant,
}

impl WatchedMember {
    fn inner(&mut self) -> &mut dyn Member {
        self.inner.as_deref_mut().expect("a member that was given something")
    }
}

impl Member for WatchedMember {
    fn poll(&mut self, wait: Duration) -> Result<MemberEvent, LogError> {
        /// Long enough to bring all up, and well below what a lane waits for another.
        const LATE: Duration = Duration::from_secs(3);
        self.seen.polls.fetch_add(1, Ordering::SeqCst);
        let Some(inner) = &mut self.inner else {
            if self.seen.all_live() || self.made.elapsed() > LATE {
                self.inner = Some((self.join)()?);
                self.seen.late_came.store(true, Ordering::SeqCst);
            } else {
                std::thread::park_timeout(wait);
            }
            return Ok(MemberEvent::Nothing);
        };
        let event = inner.poll(wait)?;
        if let MemberEvent::Revoked(partitions) = &event {
            let live = partitions.iter().copied().filter(|partition| self.seen.is_live(*partition));
            self.seen.taken_live.lock().expect("whole").extend(live);
        }
        Ok(event)
    }
    fn start(&mut self, from: &[(Partition, NextOffset)]) -> Result<(), LogError> {
        self.inner().start(from)
    }
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.inner.as_mut().map_or(Ok(()), |inner| inner.pause(partitions))
    }
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.inner.as_mut().map_or(Ok(()), |inner| inner.resume(partitions))
    }
    fn generation(&self) -> Result<Generation, LogError> {
        let late = || LogError::Unreachable { reason: "it has not come yet".into() };
        self.inner.as_ref().ok_or_else(late)?.generation()
    }
    fn told(&self) -> Option<u64> {
        self.inner.as_ref()?.told()
    }
    fn release(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.inner().release(partitions)
    }
}

struct WatchedReader(Box<dyn Reader>, Arc<Seen>);

impl Reader for WatchedReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        if self.1.unreadable.load(Ordering::SeqCst) {
            return Err(LogError::Unreachable { reason: "as told".into() });
        }
        self.0.poll(max, wait)
    }
    fn assign(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        self.0.assign(from)
    }
}

impl Log for Watched {
    fn reader(&self, purpose: Purpose, from: &[Assignment]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(WatchedReader(self.log.reader(purpose, from)?, Arc::clone(&self.seen))))
    }

    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError> {
        let (log, group, name) = (Arc::clone(&self.log), group.to_owned(), instance.to_owned());
        let join = Box::new(move || log.join(&group, &name));
        let inner = if self.late == Some(instance) { None } else { Some(join()?) };
        Ok(Box::new(WatchedMember { seen: Arc::clone(&self.seen), inner, join, made: Instant::now() }))
    }

    pass_on!(log: cluster_id, partitions, bounds, offset_at, committed, appender, transactor, groups, topics);
}

/// The second lane comes when the first was given everything long ago.
pub fn lanes_take_up_together(world: &World) {
    let log = Watched::new(world, Some("a-1"));
    let seen = Arc::clone(&log.seen);
    let log: Arc<dyn Log> = log;
    let lanes = world.start_on(&log, "a");
    assert!(seen.registry.set(lanes.registry()).is_ok());
    until_live(&lanes.registry());
    assert!(seen.late_came.load(Ordering::SeqCst), "no lane is left behind");
    assert_eq!(*seen.taken_live.lock().expect("whole"), [], "what is live stays where it is");
    lanes.stop();
}

/// Polls follow one another as fast as a lane goes round: an idle one waits in each.
pub fn an_idle_lane_waits(world: &World) {
    const LANES: u32 = 2;
    const POLLS: u32 = 100;
    const WAIT_MS: u64 = 20;
    let log = Watched::new(world, None);
    let seen = Arc::clone(&log.seen);
    let log: Arc<dyn Log> = log;
    let config = LaneConfig { command_poll_ms: WAIT_MS, ..world.config("a") };
    assert_eq!(u32::from(config.lanes), LANES);
    let lanes = lanes::start(&log, &world.directory("a"), &config).expect("started");
    until_live(&lanes.registry());
    lanes::until_level(&world.log, &lanes.registry());
    let (before, began) = (seen.polls.load(Ordering::SeqCst), Instant::now());
    eventually("both lanes go round", || {
        (seen.polls.load(Ordering::SeqCst) >= before + u64::from(POLLS)).then_some(())
    });
    // Half of what they wait: one that spins takes a thousandth.
    let least = Duration::from_millis(WAIT_MS) * POLLS / LANES / 2;
    let took = began.elapsed();
    assert!(took >= least, "{POLLS} polls of {LANES} lanes in {took:?}, at least {least:?} expected");
    lanes.stop();
}

/// One instance waits for an error to pass, for longer than this test runs: the next gets its share all the same.
pub fn partitions_are_shared_out_while_lanes_wait_for_an_error_to_pass(world: &World) {
    let log = Watched::new(world, None);
    let seen = Arc::clone(&log.seen);
    let log: Arc<dyn Log> = log;
    let config = LaneConfig { retry_min_ms: 600_000, retry_max_ms: 600_000, ..world.config("a") };
    let a = lanes::start(&log, &world.directory("a"), &config).expect("started");
    let ra = a.registry();
    until_live(&ra);
    seen.unreadable.store(true, Ordering::SeqCst);
    eventually("its lanes wait", || {
        ra.statuses().iter().all(|status| status.stalled.is_some()).then_some(())
    });
    let b = world.start("b");
    let rb = b.registry();
    eventually("the partitions are shared", || {
        let live = |registry: &Registry| -> Vec<bool> {
            registry.statuses().iter().map(|status| status.state == State::Live).collect()
        };
        let (mine, theirs) = (live(&ra), live(&rb));
        let once = mine.iter().zip(&theirs).all(|(mine, theirs)| mine != theirs);
        (once && mine.contains(&true) && theirs.contains(&true)).then_some(())
    });
    b.stop();
    a.stop();
}
