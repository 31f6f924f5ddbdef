use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::super::app::App;
use super::super::problem::{Code, Problem};
use super::super::receive::{self, Taken};
use crate::codec::command::{CommandHash, Received};
use crate::codec::event::http::{Item, Rejected};
use crate::lane::{Answer, RegisterError, Waiting};
use crate::log::LogError;
use crate::types::{NewRecord, Position, Sku};

/// A command on its way to the log.
pub struct Incoming {
    pub name: Name,
    hash: CommandHash,
    record: NewRecord,
}

/// What names a command, and what it is.
pub struct Name {
    pub sku: Sku,
    pub source: Box<str>,
    pub id: Box<str>,
    pub command_type: Box<str>,
}

/// A command, and what became of it in the time there was.
pub struct Settled {
    pub name: Name,
    pub how: How,
}

pub enum How {
    /// A lane has decided and committed it.
    Decided(Answer),
    /// It is in the log at this position, durably, and will be decided.
    UnderWay(Position),
    /// The log did not say that it took it: it may be there or not. Sent again, it is decided once.
    Unwritten(LogError),
}

/// Reads the items as a lane will read them: what would only become a dead letter is refused here, and nothing
/// of the request is written. A command that can be read and is invalid goes its way: its refusal is an
/// outcome.
pub fn checked(app: &App, items: Vec<Result<Item, Rejected>>) -> Result<Vec<Incoming>, Problem> {
    let commands = &app.handles.commands;
    let items = receive::all_good(items, commands.max_bytes, Taken::Commands, |item| {
        item.decode_command(commands.max_bytes, commands.extended_values)
    })?;
    let incoming = |(item, read): (Item, Received)| Incoming {
        name: Name { sku: read.sku, source: read.source, id: read.id, command_type: read.command_type },
        hash: read.hash,
        record: Taken::Commands.record(app, item),
    };
    Ok(items.into_iter().map(incoming).collect())
}

/// Appends the commands and waits for their outcomes, `wait` at most.
pub async fn submit(
    app: &App,
    commands: Vec<Incoming>,
    memory: OwnedSemaphorePermit,
    wait: Duration,
) -> Result<Vec<Settled>, Problem> {
    not_too_far_behind(app, &commands)?;
    // Held until all are answered: this is what bounds how many callers wait.
    let waiting = app.waiting_memory(commands.len(), &memory)?;
    let memory = Arc::new((memory, waiting));
    let deadline = tokio::time::Instant::now() + wait;
    let (mut names, mut waiting, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for Incoming { name, hash, record } in commands {
        // Before the append: the result may be there before the append's own answer.
        let caller = match wait.is_zero() {
            true => None,
            false => Some(register(app, &name, hash).await?),
        };
        waiting.push(caller);
        names.push(name);
        records.push(record);
    }
    let appended = app.appending.append(records, Arc::clone(&memory) as Arc<_>).await?;
    for position in appended.iter().filter_map(|appended| appended.as_ref().ok()) {
        app.backlog.appended(*position);
    }
    let mut settled = Vec::with_capacity(names.len());
    for ((name, caller), appended) in names.into_iter().zip(waiting).zip(appended) {
        let how = match (appended, caller) {
            (Err(error), _) => How::Unwritten(error),
            (Ok(position), None) => How::UnderWay(position),
            (Ok(position), Some(caller)) => match tokio::time::timeout_at(deadline, caller.answer()).await {
                Ok(Some(answer)) => How::Decided(answer),
                Ok(None) | Err(_) => How::UnderWay(position),
            },
        };
        settled.push(Settled { name, how });
    }
    drop(memory);
    let lost = settled.iter().filter_map(|one| match &one.how {
        How::Unwritten(error) => Some(error),
        _ => None,
    });
    if let Some(error) = lost.clone().next() {
        tracing::error!(%error, failed = lost.count(), of = settled.len(), "commands could not be appended");
    }
    Ok(settled)
}

async fn register(app: &App, name: &Name, hash: CommandHash) -> Result<Waiting, Problem> {
    let callers = &app.handles.commands.callers;
    callers.register(&name.sku, &name.source, &name.id, Some(hash)).await.map_err(|error| {
        let code = match &error {
            RegisterError::TooMany { .. } => Code::TooManyRequests,
            RegisterError::NotFollowed { .. } => Code::NotFollowed,
        };
        Problem::new(code, format!("{error}; nothing was written")).retry_after(1)
    })
}

/// Refuses what would only lengthen the queue of a lane that cannot keep up.
fn not_too_far_behind(app: &App, commands: &[Incoming]) -> Result<(), Problem> {
    let most = app.config.max_undecided_commands;
    let mut seen = None;
    for command in commands {
        let partition = command.record.partition;
        if seen.replace(partition) == Some(partition) {
            continue;
        }
        let behind = app.backlog.undecided(partition, app.registry());
        if behind >= most {
            return Err(Problem::new(
                Code::TooManyRequests,
                format!(
                    "{behind} commands of partition {partition} wait to be decided, http.max_undecided_commands allows {most}"
                ),
            )
            .with("partition", partition.0)
            .retry_after(1));
        }
    }
    Ok(())
}
