use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::archiving::Archivist;
use super::callers::Callers;
use super::checks::CheckError;
use super::follower::Follower;
use super::guard::Guard;
use super::identity::LaneIdentity;
use super::membership::Membership;
use super::observer::Observer;
use super::opening::open;
use super::registry::Registry;
use super::settings::{LaneSettings, Shared};
use super::sharing::Sharing;
use super::step::{Lane, Next};
use super::telling::Teller;
use super::turns::Turns;
use crate::config::lane::LaneConfig;
use crate::log::{Log, LogError};
use crate::metrics::metrics;
use crate::projector::DeadLetters;
use crate::snapshots::Work;
use crate::snapshots::archive::Archive;
use crate::store::PartitionStores;
use crate::types::{Timestamp, Topic};

/// The running lanes of a process. Dropping it stops them as [`Lanes::stop`] does.
pub struct Lanes {
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
    /// Makes bases for the archive, which may not answer: not waited for as long as it likes.
    archivist: Option<JoinHandle<()>>,
}

/// Why the lanes could not start. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is wrong concerns every partition.
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("the threads of the lanes cannot be started: {0}")]
    Threads(#[from] std::io::Error),
}

impl Lanes {
    /// Opens every store there is, checks it against the log, joins the command group and starts the lanes,
    /// which take up what the group gives them. What is wrong with all stores is an error here and nothing is
    /// written; what is wrong with one partition stops that partition and shows in the registry.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        log: Arc<dyn Log>,
        stores: PartitionStores,
        settings: LaneSettings,
        config: &LaneConfig,
    ) -> Result<Self, StartError> {
        let mut config = config.clone();
        for (name, unless_set) in [(&mut config.group, "inventory-store"), (&mut config.instance, "local")] {
            if name.is_empty() {
                name.push_str(unless_set);
            }
        }
        let (shape, depot) = open(log.as_ref(), &stores, &config, &settings.archive)?;
        let registry = Arc::new(Registry::new(shape.partitions));
        registry.set_publishes(settings.snapshots.enabled);
        let callers = Callers::new(Arc::clone(&registry), config.max_callers);
        let dead_partitions = log.partitions(Topic::DeadLetters)?;
        let letters =
            DeadLetters::Publish { appender: Arc::from(log.appender()?), partitions: dead_partitions };
        let lanes = config.count(shape.partitions);
        let max_record_bytes = settings.projector.max_record_bytes;
        let shared = Arc::new(Shared {
            log: Arc::clone(&log),
            registry: Arc::clone(&registry),
            callers: Arc::clone(&callers),
            membership: Membership::new(Arc::clone(&registry), lanes),
            depot,
            restores: Turns::new(settings.snapshots.restores()),
            stores,
            settings,
            config: config.clone(),
            shape,
            letters,
            dead_partitions,
            lanes,
        });

        let mut started =
            Self { shared: Arc::clone(&shared), stop: Arc::default(), threads: Vec::new(), archivist: None };
        // All join before any polls: so the first assignment is the last, for a process that is alone.
        let mut joined = Vec::new();
        for number in 0..lanes {
            let identity = LaneIdentity::new(&config.group, &config.instance, number);
            joined.push(Lane::new(Arc::clone(&shared), identity, now())?);
        }
        for (number, lane) in joined.into_iter().enumerate() {
            let stop = Arc::clone(&started.stop);
            started.spawn(format!("lane-{number}"), move || run(lane, &stop))?;
        }
        let (stop, interval) =
            (Arc::clone(&started.stop), Duration::from_millis(config.watermark_interval_ms));
        let count_every_ms = config.partition_check_interval_ms;
        let (observed, observing) = (Arc::clone(&log), Arc::clone(&callers));
        started.spawn("observer".into(), move || {
            let mut observer = Observer::new(registry.count(), count_every_ms);
            let mut teller = Teller::new(registry.count());
            while !stop.is_requested() {
                observer.watch_counts(observed.as_ref(), &registry, now());
                observer.observe(observed.as_ref(), &registry, now());
                teller.tell(&registry, now());
                metrics().callers.set(i64::try_from(observing.count()).unwrap_or(i64::MAX));
                stop.wait(interval);
            }
        })?;
        started.watch_over(&log, interval)?;
        let (sender, requests) = channel();
        let follower = Follower::new(log, Arc::clone(&callers), requests, max_record_bytes);
        callers.followed_by(Some(sender));
        let stop = Arc::clone(&started.stop);
        started.spawn("results".into(), move || follower.run(|| stop.is_requested()))?;
        Ok(started)
    }

    /// Starts what looks after bases: whether there are enough of them, and, where configured, that there are.
    fn watch_over(&mut self, log: &Arc<dyn Log>, interval: Duration) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let registry = Arc::clone(&shared.registry);
        let config = &shared.settings.archive;
        if let Some(mut archivist) = Archivist::new(config, &shared.config.instance, registry.count()) {
            let (stop, registry) = (Arc::clone(&self.stop), Arc::clone(&registry));
            let work = Work::stopped_by(Arc::clone(&self.stop.flag));
            self.archivist = Some(std::thread::Builder::new().name("archive".into()).spawn(move || {
                while !stop.is_requested() {
                    archivist.step(&registry, now, &work);
                    stop.wait(interval);
                }
            })?);
        }
        self.watch_sharing(log)?;
        let mut guard = Guard::new(registry.count(), Archive::open(config).ok());
        let (log, stop) = (Arc::clone(log), Arc::clone(&self.stop));
        self.spawn("retention".into(), move || {
            while !stop.is_requested() {
                guard.look(log.as_ref(), &registry, now());
                stop.wait(interval);
            }
        })
    }

    /// Starts what sees that every partition is given to a member of the group.
    fn watch_sharing(&mut self, log: &Arc<dyn Log>) -> std::io::Result<()> {
        /// Between two looks: longer than a partition is on its way between two members.
        const EACH: Duration = Duration::from_secs(5);
        let (log, shared, stop) = (Arc::clone(log), Arc::clone(&self.shared), Arc::clone(&self.stop));
        self.spawn("sharing".into(), move || {
            let mut sharing = Sharing::default();
            while !stop.is_requested() {
                sharing.look(log.as_ref(), &shared.config.group);
                stop.wait(EACH);
            }
        })
    }

    fn spawn(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name).spawn(body)?);
        Ok(())
    }

    /// What everyone else sees of the partitions.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.shared.registry)
    }

    /// Where callers wait for outcomes.
    #[must_use]
    pub fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.shared.callers)
    }

    /// Finishes the batches under way, commits, closes the stores, and returns when all is on disk. A
    /// partition that could not be closed cleanly shows as failed.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stop.request();
        for thread in self.threads.drain(..) {
            // A lane catches its own panics; the observer holds nothing that could be lost.
            if thread.join().is_err() {
                tracing::error!("a thread of the lanes ended by a panic");
            }
        }
        if let Some(archivist) = self.archivist.take() {
            /// A request that the archive does not answer ends by its own time limit.
            const PATIENCE: Duration = Duration::from_secs(5);
            let deadline = Instant::now() + PATIENCE;
            while !archivist.is_finished() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            if !archivist.is_finished() {
                tracing::warn!("the archive does not answer; what was being written there is swept later");
            } else if archivist.join().is_err() {
                tracing::error!("the thread that makes bases ended by a panic");
            }
        }
        self.shared.callers.followed_by(None);
        self.shared.depot.close();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.halt();
    }
}

fn run(mut lane: Lane, stop: &Stop) {
    /// How often the group is served while a lane pauses: a change of it waits for all its members.
    const GROUP_EACH: Duration = Duration::from_millis(100);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        while !stop.is_requested() {
            match lane.step(now()) {
                Next::GoOn => {}
                Next::Pause(length) => stop.wait(length.min(GROUP_EACH)),
                Next::Done => stop.wait(Duration::from_secs(3600)),
            }
        }
    }));
    let fault = "its lane met a fault of the program; restart, and report what the log says";
    if ended.is_err() {
        lane.fail_all(fault);
    } else if catch_unwind(AssertUnwindSafe(|| lane.finish())).is_err() {
        tracing::error!("a lane could not finish: {fault}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver of a lane is where the clock comes in")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A request to stop that a waiting thread wakes for.
#[derive(Default)]
struct Stop {
    requested: Mutex<bool>,
    /// The same, for work that looks now and then.
    flag: Arc<AtomicBool>,
    woken: Condvar,
}

impl Stop {
    fn request(&self) {
        self.flag.store(true, Ordering::Relaxed);
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    fn is_requested(&self) -> bool {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, at_most: Duration) {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever wakes looks at the request itself.
        drop(self.woken.wait_timeout_while(requested, at_most, |requested| !*requested));
    }
}
