//! Follows the results of partitions that other processes own, while a caller here waits for one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::callers::{Callers, Follow};
use crate::codec::result;
use crate::log::{Assignment, Log, LogError, Purpose, Reader};
use crate::types::{NextOffset, Offset, Partition, Position, Topic};

/// How long it waits for results before it looks for requests.
const WAIT: Duration = Duration::from_millis(2);
/// How long it waits for requests while it follows nothing, before it looks whether it should stop.
const IDLE: Duration = Duration::from_millis(200);
/// Pause after an error that may pass.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Follower {
    log: Arc<dyn Log>,
    callers: Arc<Callers>,
    requests: Receiver<Follow>,
    max_record_bytes: usize,
    following: BTreeMap<Partition, NextOffset>,
    reader: Option<Box<dyn Reader>>,
}

impl Follower {
    pub(super) fn new(
        log: Arc<dyn Log>,
        callers: Arc<Callers>,
        requests: Receiver<Follow>,
        max_record_bytes: usize,
    ) -> Self {
        Self { log, callers, requests, max_record_bytes, following: BTreeMap::new(), reader: None }
    }

    /// Runs until `stop` says so, or nobody can ask any more.
    pub(super) fn run(mut self, stop: impl Fn() -> bool) {
        let mut failing = false;
        while !stop() {
            let first = if self.following.is_empty() {
                match self.requests.recv_timeout(IDLE) {
                    Ok(request) => Some(request),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                None
            };
            if let Some(request) = first {
                self.follow(request);
            }
            loop {
                match self.requests.try_recv() {
                    Ok(request) => self.follow(request),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            match self.read() {
                Ok(()) => failing = false,
                Err(error) => {
                    self.reader = None;
                    if !failing {
                        tracing::warn!(%error, "results of other processes' partitions cannot be read; trying again");
                    }
                    failing = true;
                    std::thread::park_timeout(RETRY);
                }
            }
        }
    }

    /// Captures the end, then says so: what is appended from here on lies behind it.
    fn follow(&mut self, request: Follow) {
        let Follow { partition, captured } = request;
        let answer = if self.following.contains_key(&partition) {
            Ok(())
        } else {
            match self.log.bounds(Topic::Results, partition) {
                Ok(bounds) => {
                    // The stable end: behind it an earlier transaction may still be open.
                    self.following.insert(partition, bounds.last_stable);
                    self.reassign().map_err(|error| error.to_string().into())
                }
                Err(error) => Err(error.to_string().into()),
            }
        };
        // A caller who has gone needs no answer.
        drop(captured.send(answer));
    }

    fn assignments(&self) -> Vec<Assignment> {
        let of = |(partition, next): (&Partition, &NextOffset)| Assignment {
            topic: Topic::Results,
            partition: *partition,
            next: *next,
        };
        self.following.iter().map(of).collect()
    }

    fn reassign(&mut self) -> Result<(), LogError> {
        let assignments = self.assignments();
        match &mut self.reader {
            Some(reader) => reader.assign(&assignments),
            None => {
                self.reader = Some(self.log.reader(Purpose::Live, &assignments)?);
                Ok(())
            }
        }
    }

    fn read(&mut self) -> Result<(), LogError> {
        let callers = &self.callers;
        let before = self.following.len();
        self.following.retain(|partition, _| callers.wait_for(*partition));
        if self.following.len() != before || self.reader.is_none() {
            self.reassign()?;
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let batch = reader.poll(1000, WAIT)?;
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            if let Some(next) = self.following.get_mut(&record.partition) {
                *next = record.offset.next();
            }
            let read = result::decode(record.key, record.value, record.headers, self.max_record_bytes);
            let Ok(outcome) = read else { continue };
            if self.callers.awaits(&outcome) {
                let end = self.log.bounds(Topic::Events, record.partition)?.high_watermark;
                let partition = record.partition;
                let at_least = end.0.checked_sub(1).map(|last| Position { partition, offset: Offset(last) });
                self.callers.answer(&outcome, &[], at_least);
            }
        }
        for end in &batch.ends {
            if let Some(next) = self.following.get_mut(&end.partition) {
                *next = end.next.max(*next);
            }
        }
        Ok(())
    }
}
