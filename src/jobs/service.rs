//! Jobs of a running service: started, listed, cancelled. One at a time: each has the disk and its share of the
//! memory to itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::Class;
use super::JobError;
use super::record::{JobNumber, JobState, Record, Records, Trouble, id_of, number_of};
use super::request::{Request, Task};
use super::workshop::{Told, Workshop};
use crate::metrics::metrics;
use crate::snapshots::{Done, Work};

/// The jobs of a service. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    workshop: Workshop,
    records: Records,
    board: Mutex<Board>,
}

struct Board {
    /// The oldest first.
    known: Vec<(JobNumber, Record)>,
    next: JobNumber,
    running: Option<Running>,
    stopping: bool,
}

struct Running {
    number: JobNumber,
    work: Arc<Work>,
    thread: Option<JoinHandle<()>>,
}

/// A job, and how far it is while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub record: Record,
    pub progress: Option<Done>,
}

/// Why a job was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    #[error("{0}")]
    Wrong(String),
    #[error("{id} is running, and there is one at a time: wait for it or cancel it")]
    Busy { id: String },
    #[error("the service is stopping")]
    Stopping,
    #[error("no thread for it can be started: {0}")]
    Thread(String),
}

impl Jobs {
    /// Takes up what earlier runs of the service have noted.
    ///
    /// # Errors
    /// [`JobError::State`]: the notes cannot be kept.
    pub fn open(workshop: Workshop) -> Result<Self, JobError> {
        let now = (workshop.clock)();
        let (records, known) = Records::open(workshop.data_dir.join("jobs"), now)?;
        let next = known.last().map_or(1, |(number, _)| number.saturating_add(1));
        let board = Mutex::new(Board { known, next, running: None, stopping: false });
        Ok(Self(Arc::new(Inner { workshop, records, board })))
    }

    /// Every job that is remembered, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<View> {
        let board = self.board();
        board.known.iter().rev().map(|(number, record)| board.view(*number, record)).collect()
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<View> {
        let board = self.board();
        let wanted = number_of(id)?;
        board
            .known
            .iter()
            .find(|(number, _)| *number == wanted)
            .map(|(number, record)| board.view(*number, record))
    }

    /// Starts a job. The same as the one that runs is that one.
    ///
    /// # Errors
    /// See [`NotStarted`]; nothing was begun.
    pub fn start(&self, request: Request) -> Result<View, NotStarted> {
        let task = request.understood(self.0.workshop.registry.count()).map_err(NotStarted::Wrong)?;
        let mut board = self.board();
        if board.stopping {
            return Err(NotStarted::Stopping);
        }
        if let Some(running) = &board.running {
            let found = board.known.iter().find(|(number, _)| *number == running.number);
            if let Some((number, record)) = found
                && record.request == request
                && !running.work.is_stopped()
            {
                return Ok(board.view(*number, record));
            }
            return Err(NotStarted::Busy { id: id_of(running.number) });
        }
        let number = board.next;
        let record = Record {
            id: id_of(number),
            request,
            state: JobState::Running,
            started_at: (self.0.workshop.clock)(),
            ended_at: None,
            summary: serde_json::Value::Null,
            error: None,
        };
        let work = Arc::<Work>::default();
        let (jobs, working) = (self.clone(), Arc::clone(&work));
        let thread = std::thread::Builder::new()
            .name(record.id.clone())
            .spawn(move || jobs.run(number, task, &working))
            .map_err(|error| NotStarted::Thread(error.to_string()))?;
        board.next = board.next.saturating_add(1);
        self.0.records.save(number, &record);
        tracing::info!(job = record.id, kind = record.request.kind(), "job started");
        let view = View { record: record.clone(), progress: Some(work.done()) };
        board.known.push((number, record));
        self.0.records.trim(&mut board.known);
        board.running = Some(Running { number, work, thread: Some(thread) });
        Ok(view)
    }

    /// Asks a job to end as soon as may be. One that has ended stays as it is.
    #[must_use]
    pub fn cancel(&self, id: &str) -> Option<View> {
        let wanted = number_of(id)?;
        if let Some(running) = self.board().running.as_ref().filter(|running| running.number == wanted) {
            running.work.stop();
        }
        self.get(id)
    }

    /// Interrupts what runs and waits for it; nothing is started from here on.
    pub fn stop(&self) {
        let thread = {
            let mut board = self.board();
            board.stopping = true;
            board.running.as_mut().and_then(|running| {
                running.work.stop();
                running.thread.take()
            })
        };
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of a job ended by a panic");
        }
    }

    fn run(&self, number: JobNumber, task: Task, work: &Work) {
        let mut told = Told::default();
        let ended = catch_unwind(AssertUnwindSafe(|| self.0.workshop.act(task, work, &mut told)));
        let now = (self.0.workshop.clock)();
        let mut board = self.board();
        board.running = None;
        let Some((_, record)) = board.known.iter_mut().find(|(known, _)| *known == number) else { return };
        record.ended_at = Some(now);
        record.summary = told.summary();
        match ended {
            Ok(Ok(())) => record.state = JobState::Done,
            Ok(Err(error)) => record.fail(&error),
            Err(_) => {
                record.state = JobState::Failed;
                let detail = "a fault of the program; report what the service's log says".into();
                record.error = Some(Trouble { class: Class::Data, detail });
            }
        }
        let (id, kind) = (&record.id, record.request.kind());
        let state = match record.state {
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Refused => "refused",
            JobState::Failed => "failed",
            JobState::Interrupted => "interrupted",
        };
        metrics().jobs.with_label_values(&[kind, state]).inc();
        match &record.error {
            None => tracing::info!(job = id, kind, "job done"),
            Some(trouble) => tracing::warn!(job = id, kind, state, reason = trouble.detail, "job ended"),
        }
        self.0.records.save(number, record);
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Every change is complete before anything that could panic.
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn view(&self, number: JobNumber, record: &Record) -> View {
        let running = self.running.as_ref().filter(|running| running.number == number);
        View { record: record.clone(), progress: running.map(|running| running.work.done()) }
    }
}
