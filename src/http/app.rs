use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::commands::{Appending, Backlog};
use super::problem::{Code, Problem};
use super::tokens::{Role, TokensFile};
use crate::config::http::HttpConfig;
use crate::jobs::Jobs;
use crate::lane::{Callers, Registry};
use crate::log::{Appender, Log};

/// What HTTP needs of the rest of the service.
#[derive(Clone)]
pub struct Handles {
    pub registry: Arc<Registry>,
    pub events: EventsLog,
    pub commands: CommandsLog,
    /// Nothing = `/jobs` is not there.
    pub jobs: Option<Jobs>,
    /// Bytes that request bodies under way may take, as read and as records: the share of `memory.budget`.
    pub request_memory: u64,
}

/// How `POST /events` writes.
#[derive(Clone)]
pub enum EventsLog {
    /// The embedded log: whoever has no Kafka publishes here. Records above `max_bytes` are refused.
    Embedded { appender: Arc<dyn Appender>, max_bytes: usize },
    /// Events come by Kafka; the route answers 405.
    Kafka,
}

/// Where commands go, and who answers those that wait for them.
#[derive(Clone)]
pub struct CommandsLog {
    /// Acknowledges what is durable: a 202 is a promise.
    pub appender: Arc<dyn Appender>,
    /// Looked into for commands that are not decided yet, and for dead letters.
    pub log: Arc<dyn Log>,
    pub callers: Arc<Callers>,
    /// Records above are refused.
    pub max_bytes: usize,
    /// `contract.extended_values`.
    pub extended_values: bool,
}

/// What every handler sees.
pub(super) struct App {
    pub config: HttpConfig,
    pub handles: Handles,
    /// Nothing = everyone who reaches the address may ask everything; only on loopback.
    pub tokens: Option<TokensFile>,
    pub appending: Appending,
    pub backlog: Backlog,
    /// Requests under way.
    pub requests: Semaphore,
    /// Memory for bodies, in KiB.
    bodies: Arc<Semaphore>,
    body_permits: u32,
    /// Lists of dead letters, one at a time.
    pub letters: Semaphore,
    /// Work on blocking threads: bounds threads and the memory of pages under way.
    blocking: Semaphore,
}

/// The name of the token a request came with, for log lines.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub String);

impl App {
    /// # Errors
    /// No more threads can be made.
    pub fn new(config: HttpConfig, handles: Handles, tokens: Option<TokensFile>) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let body_permits = u32::try_from(handles.request_memory / 1024).unwrap_or(u32::MAX).max(1);
        Ok(Self {
            appending: Appending::start(&handles.commands.appender)?,
            backlog: Backlog::new(handles.registry.count()),
            requests: Semaphore::new(config.max_requests),
            bodies: Arc::new(Semaphore::new(body_permits as usize)),
            body_permits,
            letters: Semaphore::new(1),
            blocking: Semaphore::new(4 * cores),
            config,
            handles,
            tokens,
        })
    }

    pub fn registry(&self) -> &Registry {
        &self.handles.registry
    }

    /// A place among the requests under way.
    pub fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.requests.try_acquire().map_err(|_| {
            Problem::new(
                Code::TooManyRequests,
                format!(
                    "{} requests are under way, the most that http.max_requests allows",
                    self.config.max_requests
                ),
            )
            .retry_after(1)
        })
    }

    /// Memory for a body of so many bytes: the bytes as they come, the records made of them, and what the log
    /// holds while it writes. A body that alone needs more than there is has it all to itself.
    pub fn body_memory(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let wanted =
            u32::try_from(bytes.saturating_mul(3) / 1024 + 1).unwrap_or(u32::MAX).min(self.body_permits);
        Arc::clone(&self.bodies).try_acquire_many_owned(wanted).map_err(|_| full())
    }

    /// Memory for callers that wait, beside their `body`: a place in the table of those who wait and an outcome,
    /// about a kibibyte each. Together with the body at most all there is.
    pub fn waiting_memory(
        &self,
        callers: usize,
        body: &OwnedSemaphorePermit,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let held = u32::try_from(body.num_permits()).unwrap_or(u32::MAX);
        let wanted = u32::try_from(callers).unwrap_or(u32::MAX).min(self.body_permits.saturating_sub(held));
        Arc::clone(&self.bodies).try_acquire_many_owned(wanted).map_err(|_| full())
    }

    /// Runs `work`, which may take milliseconds, off the runtime's workers.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        // The semaphore is never closed.
        let _turn = self.blocking.acquire().await.map_err(|_| Problem::internal())?;
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a request's work panicked");
            Problem::internal()
        })
    }

    /// Whether the bearer of these credentials may do what `role` may.
    pub fn authorize(&self, authorization: Option<&[u8]>, role: Role) -> Result<Option<Caller>, Problem> {
        match &self.tokens {
            None => Ok(None),
            Some(tokens) => super::authorize::check(&tokens.current(), authorization, role).map(Some),
        }
    }
}

fn full() -> Problem {
    Problem::new(Code::TooManyRequests, "the requests under way fill their share of memory.budget")
        .retry_after(1)
}
