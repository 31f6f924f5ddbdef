//! Writes transactions: produce first, offsets second, then commit.
//!
//! What may block without end (librdkafka can ignore the timeout of sending offsets) runs on a thread of the
//! transactor's own, which is given up on when it does. Whatever happens before the end of the transaction is
//! asked for is known not to be committed; from then on only the broker's own answer counts, and without one
//! the outcome is unknown, the producer is of no use, and the caller reads back.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::Offset as KafkaOffset;

use super::Inner;
use super::native::{GroupMetadata, PolledProducer, TransactionError, Transactions};
use super::offsets::raw_offset;
use super::produce::{self, Origin};
use super::reports::{Reports, TransactContext, lock};
use crate::failpoint;
use crate::log::{CommitError, Consumed, Generation, GenerationKind, LogError, Transactor};
use crate::types::{NewRecord, Position, Topic};

type Native = Transactions<TransactContext>;
type Job = Box<dyn FnOnce(&Native) + Send>;

/// How much longer than its own timeout a native call is waited for before its thread is given up.
const WATCHDOG: Duration = Duration::from_secs(5);

pub(super) struct KafkaTransactor {
    log: Arc<Inner>,
    id: String,
    producer: Arc<PolledProducer<TransactContext>>,
    reports: Arc<Mutex<Reports>>,
    jobs: Sender<Job>,
    /// Longest life of a transaction.
    timeout: Duration,
    state: State,
}

enum State {
    Idle,
    /// What was staged, in order.
    Open(Vec<Origin>),
    /// Another writer has the id.
    Fenced,
    /// Of no use any more, and why.
    Broken(String),
}

impl KafkaTransactor {
    pub(super) fn new(log: Arc<Inner>, id: &str) -> Result<Self, LogError> {
        const WHAT: &str = "taking over the transactional id";
        let shared = &log.shared;
        let timeout = Duration::from_millis(u64::from(shared.settings.config().transactions.timeout_ms));
        let reports = Arc::new(Mutex::new(Reports::default()));
        let context = TransactContext { base: shared.context("transactor"), reports: Arc::clone(&reports) };
        let producer =
            Arc::new(shared.create_producer(context, &shared.settings.transactor(id, log.largest_batch()))?);
        let (jobs, work) = mpsc::channel::<Job>();
        let native = Transactions(Arc::clone(&producer));
        let thread = std::thread::Builder::new().name(format!("transactor {id}"));
        thread
            .spawn(move || work.into_iter().for_each(|job| job(&native)))
            .map_err(|error| LogError::Refused { what: WHAT, reason: error.to_string() })?;
        let transactor =
            Self { log, id: id.to_owned(), producer, reports, jobs, timeout, state: State::Idle };
        let deadline = Instant::now() + transactor.log.shared.timeout.max(timeout);
        match transactor.run(deadline, move |native| retrying(deadline, |rest| native.init(rest))) {
            Some(Ok(())) => Ok(transactor),
            Some(Err(error)) if is_fence(error.code) => Err(LogError::Fenced { id: id.to_owned() }),
            Some(Err(error)) if error.retriable => {
                Err(LogError::Unreachable { reason: format!("{WHAT} {id}: {}", error.text) })
            }
            Some(Err(error)) => {
                Err(LogError::Refused { what: WHAT, reason: format!("{id}: {}", error.text) })
            }
            None => Err(LogError::TimedOut { what: WHAT, seconds: timeout.as_secs() }),
        }
    }

    /// Does the job on the transactor's thread; nothing where it has not come back well after `deadline`.
    fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Native) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, wait) = mpsc::channel();
        let job: Job = Box::new(move |native| drop(answer.send(job(native))));
        self.jobs.send(job).ok()?;
        wait.recv_timeout(deadline.saturating_duration_since(Instant::now()) + WATCHDOG).ok()
    }

    fn usable(&self) -> Result<(), LogError> {
        match &self.state {
            State::Idle | State::Open(_) => Ok(()),
            State::Fenced => Err(LogError::Fenced { id: self.id.clone() }),
            State::Broken(reason) => Err(LogError::Refused {
                what: "writing a transaction",
                reason: format!("the writer {} is of no use any more: {reason}. Make a new one", self.id),
            }),
        }
    }

    /// What an error means for the transactor; says whether it is a fence.
    fn note(&mut self, error: &TransactionError) -> bool {
        let fenced = is_fence(error.code);
        if fenced && error.fatal {
            self.state = State::Fenced;
        } else if error.fatal || !(error.retriable || error.abortable) {
            self.state = State::Broken(error.text.clone());
        }
        fenced
    }

    fn open(&mut self) -> Result<&mut Vec<Origin>, LogError> {
        self.usable()?;
        if matches!(self.state, State::Idle) {
            if let Err(error) = Transactions(Arc::clone(&self.producer)).begin() {
                let fenced = self.note(&error);
                return Err(if fenced {
                    LogError::Fenced { id: self.id.clone() }
                } else {
                    LogError::Refused { what: "beginning a transaction", reason: error.text }
                });
            }
            lock(&self.reports).begin();
            self.state = State::Open(Vec::new());
        }
        match &mut self.state {
            State::Open(staged) => Ok(staged),
            _ => Err(LogError::Refused { what: "beginning a transaction", reason: "none is open".into() }),
        }
    }

    fn offsets(&self, consumed: &[Consumed]) -> Result<TopicPartitionList, KafkaError> {
        let name = self.log.shared.names.name(Topic::Commands);
        let mut list = TopicPartitionList::new();
        for position in consumed {
            let mut entry = list.add_partition(name, i32::from(position.partition.0));
            entry.set_offset(KafkaOffset::Offset(raw_offset(position.next)))?;
            entry.set_metadata(&position.metadata);
        }
        Ok(list)
    }

    /// The staged records' positions, once every report is there.
    fn positions(&self, count: usize) -> Option<Vec<Position>> {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            {
                let reports = lock(&self.reports);
                let mut positions = Vec::with_capacity(count);
                positions
                    .extend(reports.answers.iter().take(count).filter_map(|a| a.as_ref()?.as_ref().ok()));
                if positions.len() == count {
                    return Some(positions);
                }
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn broken(&mut self, reason: impl Into<String>) -> CommitError {
        let reason = reason.into();
        self.state = State::Broken(reason.clone());
        CommitError::Unknown { reason }
    }
}

/// How a commit ended on the transactor's thread.
enum Outcome {
    Committed,
    /// The end was never asked for, or the broker said no; what aborting it gave.
    Aborted(TransactionError, Result<(), TransactionError>),
    Unknown(TransactionError),
}

fn commit_natively(
    native: &Native,
    offsets: &TopicPartitionList,
    member: &GroupMetadata,
    deadline: Instant,
) -> Outcome {
    let abort = |error: TransactionError| {
        // As long again, or the broker's timeout ends it.
        let deadline = Instant::now() + WATCHDOG;
        let aborted = if error.fatal { Ok(()) } else { retrying(deadline, |rest| native.abort(rest)) };
        Outcome::Aborted(error, aborted)
    };
    failpoint::hit(failpoint::BEFORE_OFFSETS);
    if let Err(error) = retrying(deadline, |rest| native.send_offsets(offsets, member, rest)) {
        return abort(error);
    }
    failpoint::hit(failpoint::BEFORE_COMMIT);
    match retrying(deadline, |rest| native.commit(rest)) {
        Ok(()) => Outcome::Committed,
        Err(error) if error.abortable => abort(error),
        Err(error) => Outcome::Unknown(error),
    }
}

/// Calls again while that may help and time is left.
fn retrying(
    deadline: Instant,
    mut call: impl FnMut(Duration) -> Result<(), TransactionError>,
) -> Result<(), TransactionError> {
    loop {
        let rest = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match call(rest) {
            Err(error) if error.retriable && Instant::now() < deadline => {
                tracing::debug!(reason = error.text, "transactional call tried again");
                std::thread::park_timeout(Duration::from_millis(2));
            }
            answer => return answer,
        }
    }
}

/// Another producer has this id, or the group has moved on.
fn is_fence(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::FencedInstanceId
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::StaleMemberEpoch
    )
}

impl Transactor for KafkaTransactor {
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        self.open()?;
        let State::Open(mut staged) = std::mem::replace(&mut self.state, State::Idle) else {
            return self.usable();
        };
        let mut answer = Ok(());
        let first = staged.len();
        let tickets = lock(&self.reports).reserve(first + records.len());
        staged.extend(records.iter().map(Origin::of));
        for (place, record) in records.iter().enumerate() {
            let ticket = tickets | (first + place);
            let deadline = Instant::now() + self.timeout;
            if let Err(error) = produce::send(&self.log, &self.producer, record, ticket, deadline) {
                answer = Err(error);
                break;
            }
        }
        self.state = State::Open(staged);
        if answer.is_err()
            && let Some((code, reason)) = self.producer.client().fatal_error()
        {
            let fenced = is_fence(code);
            self.state = if fenced { State::Fenced } else { State::Broken(reason) };
            return self.usable();
        }
        answer
    }

    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError> {
        const WHAT: &str = "committing a transaction";
        let refused = |reason: &str| LogError::Refused { what: WHAT, reason: reason.to_owned() };
        let GenerationKind::Kafka(member) = &generation.0 else {
            return Err(refused("the membership is of another log").into());
        };
        if consumed.is_empty() {
            // librdkafka would send nothing for an empty list, and nothing would fence a stale owner.
            return Err(
                refused("no consumed positions; give the unchanged ones where nothing was consumed").into()
            );
        }
        if member.generation() < 0 {
            // The broker takes a negative generation for "no group", and skips the check.
            return Err(refused("the member is in no group").into());
        }
        let offsets = self.offsets(consumed).map_err(|error| refused(&error.to_string()))?;
        let staged = self.open()?.clone();
        let deadline = Instant::now() + self.timeout;
        let member = Arc::clone(member);
        let Some(outcome) =
            self.run(deadline, move |native| commit_natively(native, &offsets, &member, deadline))
        else {
            return Err(self.broken(format!("no answer within {} s", (self.timeout + WATCHDOG).as_secs())));
        };
        match outcome {
            Outcome::Committed => match self.positions(staged.len()) {
                Some(positions) => {
                    self.state = State::Idle;
                    Ok(positions)
                }
                None => Err(self.broken("committed, but the positions were not reported")),
            },
            Outcome::Aborted(error, aborted) => {
                self.state = State::Idle;
                let mut fenced = self.note(&error);
                if let Err(error) = aborted {
                    fenced |= self.note(&error);
                    if matches!(self.state, State::Idle) {
                        self.state = State::Broken(format!("an abort did not come through: {}", error.text));
                    }
                }
                let reason = self.first_failure(&staged).unwrap_or(error.text);
                Err(if fenced { CommitError::Fenced { reason } } else { CommitError::Aborted { reason } })
            }
            Outcome::Unknown(error) => Err(self.broken(error.text)),
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        match &self.state {
            // A fenced writer's transaction was aborted by the one that fenced it.
            State::Idle | State::Fenced => return Ok(()),
            State::Broken(_) => return self.usable(),
            State::Open(_) => {}
        }
        let deadline = Instant::now() + self.timeout;
        match self.run(deadline, move |native| retrying(deadline, |rest| native.abort(rest))) {
            Some(Ok(())) => {
                self.state = State::Idle;
                Ok(())
            }
            Some(Err(error)) if self.note(&error) => Ok(()),
            Some(Err(error)) => {
                self.state = State::Broken(format!("an abort did not come through: {}", error.text));
                self.usable()
            }
            None => {
                self.state = State::Broken("an abort was not answered".into());
                self.usable()
            }
        }
    }
}

impl KafkaTransactor {
    /// Why a record could not be written says more than that the transaction could not be committed.
    fn first_failure(&self, staged: &[Origin]) -> Option<String> {
        let failure =
            lock(&self.reports).answers.iter().enumerate().find_map(|(index, answer)| match answer {
                Some(Err(error)) if error.rdkafka_error_code() != Some(Code::PurgeQueue) => {
                    Some((index, error.clone()))
                }
                _ => None,
            });
        let (index, error) = failure?;
        Some(staged.get(index)?.failed(&self.log, &error).to_string())
    }
}

impl Drop for KafkaTransactor {
    fn drop(&mut self) {
        // Else it would hold back every reader until the broker's timeout.
        if matches!(self.state, State::Open(_))
            && let Err(error) = self.abort()
        {
            tracing::warn!(id = self.id, %error, "an open transaction is left to its timeout");
        }
    }
}
