//! A log under which the commits of snapshots are held back or refused, or that has none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inventory_store::codec::snapshot::CHECKPOINT_KEY;
use inventory_store::log::{Bounds, CommitError, Consumed, Generation, Log, LogError, Transactor};
use inventory_store::types::{NewRecord, Partition, Position, Topic};

use crate::support::pass_on::pass_on;

/// What becomes of transactions of snapshot records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// One that carries a checkpoint is aborted.
    RefuseCheckpoints,
    /// The first one waits, with the generation it was begun under, until it is let go.
    HoldFirst,
    /// There is no topic of snapshots.
    Hide,
}

pub struct Watched {
    log: Arc<dyn Log>,
    state: Arc<State>,
}

struct State {
    what: What,
    holding: AtomicBool,
    let_go: AtomicBool,
    /// What those that were held back or refused came to; nothing where they were committed.
    answers: Mutex<Vec<Option<String>>>,
}

impl Watched {
    pub fn new(log: &Arc<dyn Log>, what: What) -> Arc<Self> {
        let (holding, let_go) = (AtomicBool::new(false), AtomicBool::new(false));
        let state = Arc::new(State { what, holding, let_go, answers: Mutex::default() });
        Arc::new(Self { log: Arc::clone(log), state })
    }

    pub fn is_holding(&self) -> bool {
        self.state.holding.load(Ordering::SeqCst)
    }

    pub fn let_go(&self) {
        self.state.let_go.store(true, Ordering::SeqCst);
    }

    pub fn answers(&self) -> Vec<Option<String>> {
        self.state.answers.lock().expect("whole").clone()
    }
}

struct WatchedTransactor {
    inner: Box<dyn Transactor>,
    state: Arc<State>,
    snapshots: bool,
    checkpoint: bool,
}

impl Transactor for WatchedTransactor {
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        let of_snapshots = |record: &&NewRecord| record.topic == Topic::Snapshots;
        for record in records.iter().filter(of_snapshots) {
            self.snapshots = true;
            self.checkpoint |= record.key.as_deref() == Some(CHECKPOINT_KEY);
        }
        self.inner.stage(records)
    }

    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError> {
        let (snapshots, checkpoint) =
            (std::mem::take(&mut self.snapshots), std::mem::take(&mut self.checkpoint));
        let state = &self.state;
        match state.what {
            What::RefuseCheckpoints if checkpoint => {
                self.inner.abort()?;
                state.answers.lock().expect("whole").push(Some("refused".into()));
                Err(CommitError::Aborted { reason: "as told".into() })
            }
            What::HoldFirst if snapshots && !state.holding.swap(true, Ordering::SeqCst) => {
                while !state.let_go.load(Ordering::SeqCst) {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                let answer = self.inner.commit(consumed, generation);
                let told = answer.as_ref().err().map(ToString::to_string);
                state.answers.lock().expect("whole").push(told);
                answer
            }
            _ => self.inner.commit(consumed, generation),
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        (self.snapshots, self.checkpoint) = (false, false);
        self.inner.abort()
    }
}

impl Log for Watched {
    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        Ok(Box::new(WatchedTransactor {
            inner: self.log.transactor(id)?,
            state: Arc::clone(&self.state),
            snapshots: false,
            checkpoint: false,
        }))
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        if self.state.what == What::Hide && topic == Topic::Snapshots {
            return Err(LogError::UnknownTopic { topic, name: "hidden".into() });
        }
        self.log.bounds(topic, partition)
    }

    pass_on!(log: cluster_id, partitions, offset_at, committed, reader, appender, join, groups, topics);
}
