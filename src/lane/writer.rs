use super::identity::LaneIdentity;
use crate::log::{Consumed, Log, LogError, Transactor};
use crate::types::Timestamp;

/// A lane's two transactional writers, which take turns: right after a commit the log may still be busy
/// with it, and the other one need not wait. One transaction at a time all the same.
pub(super) struct Writer {
    /// The one whose turn it is, and the other.
    now: Slot,
    then: Slot,
    /// The instance, and when this run began: tells its transactions from all others.
    run: String,
    number: u64,
    /// The transaction whose outcome is not known yet. Nothing else is written before it is.
    pub doubt: Option<Doubt>,
}

struct Slot {
    id: String,
    /// Nothing = of no use any more, to be made anew.
    transactor: Option<Box<dyn Transactor>>,
}

/// A transaction that may or may not have happened.
pub(super) struct Doubt {
    /// Its name in the metadata of the positions it moved.
    pub transaction: String,
    pub consumed: Vec<Consumed>,
}

impl Writer {
    /// Takes over both ids: earlier holders are fenced, and what they had open is aborted.
    pub(super) fn new(log: &dyn Log, identity: &LaneIdentity, now: Timestamp) -> Result<Self, LogError> {
        let [a, b] = &identity.transactional;
        let slot =
            |id: &String| Ok::<_, LogError>(Slot { id: id.clone(), transactor: Some(log.transactor(id)?) });
        let run = format!("{}/{}", identity.instance, now.0);
        Ok(Self { now: slot(a)?, then: slot(b)?, run, number: 0, doubt: None })
    }

    /// The name of the next transaction.
    pub(super) fn begin(&mut self) -> String {
        self.number += 1;
        format!("{}/{}", self.run, self.number)
    }

    /// The writer whose turn it is, made anew where the last was given up.
    pub(super) fn transactor(&mut self, log: &dyn Log) -> Result<&mut dyn Transactor, LogError> {
        let slot = &mut self.now.transactor;
        match slot {
            Some(transactor) => Ok(transactor.as_mut()),
            None => Ok(slot.insert(log.transactor(&self.now.id)?).as_mut()),
        }
    }

    /// Its transaction is over: the other one's turn.
    pub(super) fn next_turn(&mut self) {
        std::mem::swap(&mut self.now, &mut self.then);
    }

    /// The writer whose turn it is, is of no use any more. Its successor fences it and waits for what it had
    /// under way.
    pub(super) fn give_up(&mut self) {
        self.now.transactor = None;
    }
}
