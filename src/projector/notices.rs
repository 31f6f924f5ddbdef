use std::collections::{BTreeMap, BTreeSet};

use super::letters::cut_text;
use crate::codec::event::Malformed;
use crate::domain::Effect;
use crate::domain::event::Event;
use crate::types::{Partition, Position, Record, Timestamp};

/// Log lines about the records of one partition, bounded however many such records there are.
///
/// The first record of each kind, a reason for malformed records or a gap, is told in full. The others are
/// counted and told together, at most once a second; each has a line of its own at debug. Counters and dead
/// letters are complete all the same.
#[derive(Default)]
pub(super) struct Notices {
    told: BTreeSet<&'static str>,
    /// How many since the last line, by kind.
    since: BTreeMap<&'static str, u64>,
    last: Option<(Position, Option<String>)>,
    told_at: Option<Timestamp>,
}

const GAP: &str = "gap";
const EVERY_MS: i64 = 1000;
/// Longest correlation id in a line, in bytes: anyone may have written the header.
const MAX_CORRELATION_ID: usize = 128;

impl Notices {
    pub(super) fn malformed(&mut self, record: &Record<'_>, malformed: &Malformed) {
        let (position, reason) = (record.position(), malformed.reason.name());
        let detail = cut_text(&malformed.detail);
        let correlation_id = correlation_id(record);
        if self.told.insert(reason) {
            tracing::warn!(
                %position, reason, detail, correlation_id,
                "malformed record put aside in the dead letters"
            );
        } else {
            tracing::debug!(
                %position, reason, detail, correlation_id,
                "malformed record put aside in the dead letters"
            );
            self.count(reason, position, correlation_id);
        }
    }

    pub(super) fn gap(&mut self, record: &Record<'_>, event: &Event<'_>) {
        let (position, sku) = (record.position(), event.envelope.sku.as_ref());
        let (sequence, correlation_id) = (event.envelope.sequence, event.envelope.correlation_id.as_deref());
        if self.told.insert(GAP) {
            tracing::warn!(
                %position, sku, sequence, correlation_id,
                "a jump in our own sequence: an event of ours is missing before this one"
            );
        } else {
            tracing::debug!(
                %position, sku, sequence, correlation_id,
                "a jump in our own sequence: an event of ours is missing before this one"
            );
            self.count(GAP, position, correlation_id.map(str::to_owned));
        }
    }

    fn count(&mut self, kind: &'static str, position: Position, correlation_id: Option<String>) {
        *self.since.entry(kind).or_default() += 1;
        self.last = Some((position, correlation_id));
    }

    /// Tells how many more there were, unless it did less than a second ago.
    pub(super) fn tell(&mut self, partition: Partition, now: Timestamp) {
        let early = self.told_at.is_some_and(|at| (0..EVERY_MS).contains(&now.0.saturating_sub(at.0)));
        if !early && !self.since.is_empty() {
            self.told_at = Some(now);
            self.tell_rest(partition);
        }
    }

    /// Tells what has not been told.
    pub(super) fn tell_rest(&mut self, partition: Partition) {
        let since = std::mem::take(&mut self.since);
        let Some((position, correlation_id)) = self.last.take() else { return };
        let records: u64 = since.values().sum();
        let reasons: Vec<String> = since.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        tracing::warn!(
            %partition, records, reasons = reasons.join(", "), %position, correlation_id,
            "more records put aside, or with an event missing before them; position is the last one's"
        );
    }
}

/// A line at debug about an event that was passed over or is odd.
pub(super) fn log_oddity(record: &Record<'_>, event: &Event<'_>, effect: Effect) {
    let what = match effect {
        Effect::Applied { conflict: true, anomaly: true, .. } => "conflict and anomaly",
        Effect::Applied { conflict: true, .. } => "conflict",
        Effect::Applied { anomaly: true, .. } => "anomaly",
        Effect::Applied { .. } => return,
        Effect::Duplicate => "duplicate",
        Effect::StaleExpiry { .. } => "stale expiry",
    };
    tracing::debug!(
        position = %record.position(), what, sku = event.envelope.sku.as_ref(),
        correlation_id = event.envelope.correlation_id.as_deref(), "odd event"
    );
}

/// The `X-Correlation-ID` of a record that is not understood, where it has one.
pub(super) fn correlation_id(record: &Record<'_>) -> Option<String> {
    let mut found = None;
    record.headers.visit(&mut |name, value| {
        if name.eq_ignore_ascii_case("X-Correlation-ID")
            && let Some(text) = value.and_then(|value| std::str::from_utf8(value).ok())
        {
            let end = (0..=MAX_CORRELATION_ID.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            found = text.get(..end.unwrap_or(0)).map(str::to_owned);
        }
    });
    found
}
