use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::{Assignment, Log, LogError, Purpose};
use crate::types::{NextOffset, Partition, Record, Topic};

/// A stretch of one partition, its end captured before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub partition: Partition,
    pub from: NextOffset,
    /// Exclusive; at most the last stable offset.
    pub to: NextOffset,
}

/// Everything of `topic` that is committed by now.
///
/// # Errors
/// The log cannot be asked.
pub fn all_of(log: &dyn Log, topic: Topic) -> Result<Vec<Span>, LogError> {
    let partitions = (0..log.partitions(topic)?).map(Partition);
    let span = |partition| {
        let bounds = log.bounds(topic, partition)?;
        Ok(Span { partition, from: bounds.start, to: bounds.last_stable })
    };
    partitions.map(span).collect()
}

/// Reads committed records of the spans, each span in order, until all are read or `visit` breaks.
///
/// # Errors
/// [`LogError::TimedOut`] after `patience` without a record or an end; else as [`super::Reader::poll`].
pub fn read_spans(
    log: &dyn Log,
    topic: Topic,
    spans: &[Span],
    patience: Duration,
    visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<(), LogError> {
    const MOST: usize = 1_000;
    let mut left: Vec<Span> = spans.iter().filter(|span| span.from < span.to).copied().collect();
    if left.is_empty() {
        return Ok(());
    }
    let assignment = |span: &Span| Assignment { topic, partition: span.partition, next: span.from };
    let mut reader = log.reader(Purpose::Live, &left.iter().map(assignment).collect::<Vec<_>>())?;
    let mut moved = Instant::now();
    while !left.is_empty() {
        let batch = reader.poll(MOST, Duration::from_millis(100))?;
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            let Some(span) = left.iter_mut().find(|span| span.partition == record.partition) else {
                continue;
            };
            span.from = record.offset.next();
            moved = Instant::now();
            if span.from <= span.to && visit(record).is_break() {
                return Ok(());
            }
        }
        for end in &batch.ends {
            if let Some(span) =
                left.iter_mut().find(|span| span.partition == end.partition && span.from < end.next)
            {
                span.from = end.next;
                moved = Instant::now();
            }
        }
        left.retain(|span| span.from < span.to);
        if moved.elapsed() > patience {
            return Err(LogError::TimedOut {
                what: "reading a stretch of a topic",
                seconds: patience.as_secs(),
            });
        }
    }
    Ok(())
}
