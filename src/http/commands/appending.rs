use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::super::problem::Problem;
use crate::log::{Appender, LogError};
use crate::types::{NewRecord, Position};

/// What became of the records, in order.
pub type Appended = Vec<Result<Position, LogError>>;

/// Records of one append at most, unless one request brings more.
const MOST: usize = 10_000;

/// Appends what requests bring, on threads of its own: whatever waits goes together, so that an append's round
/// trip or fsync is shared by all who came meanwhile. The threads end when this is dropped.
pub struct Appending(Sender<Job>);

struct Job {
    records: Vec<NewRecord>,
    /// Lives until the records are written, whoever has gone away.
    _memory: Arc<dyn Send + Sync>,
    reply: oneshot::Sender<Appended>,
}

impl Appending {
    /// # Errors
    /// No more threads can be made.
    pub fn start(appender: &Arc<dyn Appender>) -> std::io::Result<Self> {
        // While one waits for the log, the other gathers.
        const THREADS: usize = 2;
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..THREADS {
            let (jobs, appender) = (Arc::clone(&jobs), Arc::clone(appender));
            let run = move || {
                while let Some(taken) = take(&jobs) {
                    append(appender.as_ref(), taken);
                }
            };
            std::thread::Builder::new().name(format!("append-{number}")).spawn(run)?;
        }
        Ok(Self(sender))
    }

    /// Appends the records. They are written even where the caller goes away meanwhile; `memory` is held until
    /// then.
    pub async fn append(
        &self,
        records: Vec<NewRecord>,
        memory: Arc<dyn Send + Sync>,
    ) -> Result<Appended, Problem> {
        let (reply, answered) = oneshot::channel();
        let gone = |_| {
            tracing::error!("commands could not be handed to the log");
            Problem::internal()
        };
        self.0.send(Job { records, _memory: memory, reply }).map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))
    }
}

/// The next job and what else waits; nothing once nobody can send any more.
fn take(jobs: &Mutex<Receiver<Job>>) -> Option<Vec<Job>> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = vec![jobs.recv().ok()?];
    let mut count = taken.iter().map(|job| job.records.len()).sum::<usize>();
    while count < MOST
        && let Ok(job) = jobs.try_recv()
    {
        count += job.records.len();
        taken.push(job);
    }
    Some(taken)
}

fn append(appender: &dyn Appender, mut taken: Vec<Job>) {
    let counts: Vec<usize> = taken.iter().map(|job| job.records.len()).collect();
    let records = taken.iter_mut().flat_map(|job| std::mem::take(&mut job.records)).collect();
    // A panic ends these requests, not the thread all others depend on. Nothing of ours is changed by then.
    let Ok(appended) = catch_unwind(AssertUnwindSafe(|| appender.append(records))) else {
        tracing::error!("an append panicked");
        return;
    };
    let mut appended = appended.into_iter();
    for (job, count) in taken.into_iter().zip(counts) {
        // Whoever no longer listens finds the outcome by the command's id.
        let _ = job.reply.send(appended.by_ref().take(count).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Offset, Partition, Topic};

    /// Gives each record the offset that its value names; panics where there is none.
    struct Naming;

    impl Appender for Naming {
        fn append(&self, records: Vec<NewRecord>) -> Appended {
            let position = |record: NewRecord| {
                let offset = Offset(record.value.expect("a value").len() as u64);
                Ok(Position { partition: record.partition, offset })
            };
            records.into_iter().map(position).collect()
        }
    }

    fn record(offset: Option<usize>) -> NewRecord {
        NewRecord {
            topic: Topic::Commands,
            partition: Partition(0),
            timestamp: None,
            key: None,
            value: offset.map(|offset| vec![0; offset]),
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn everyone_gets_the_answers_to_their_own_records_also_after_a_panic() {
        let appending = Appending::start(&(Arc::new(Naming) as Arc<dyn Appender>)).expect("threads");
        assert!(appending.append(vec![record(None)], Arc::new(())).await.is_err());
        let all = (0..100_usize).map(|n| {
            let records = (0..n % 4).map(|i| record(Some(n + i))).collect();
            appending.append(records, Arc::new(()))
        });
        let mut running = Vec::new();
        for one in all {
            running.push(one.await.expect("an answer"));
        }
        for (n, appended) in running.into_iter().enumerate() {
            let offsets: Vec<u64> = appended.into_iter().map(|p| p.expect("appended").offset.0).collect();
            assert_eq!(offsets, (0..n as u64 % 4).map(|i| n as u64 + i).collect::<Vec<_>>());
        }
    }
}
