use std::sync::Arc;

use super::decided::{Decided, Found, Made};
use super::overlay::{Mark, Overlay, apply, load};
use super::stamp::{self, Cause};
use super::{CommandSettings, Name, Rows};
use crate::codec::command::{self, CommandHash, Received};
use crate::codec::event::{Malformed, Reason};
use crate::codec::result::{Outcome, Verdict};
use crate::domain::command::{Command, Refusal, RefusalCode};
use crate::domain::event::Event;
use crate::domain::{Aggregate, decide, needed, needed_besides};
use crate::types::{Position, Record, UtcTime, partition_of};

/// Decides commands of one partition, one after another, each on the rows that the ones before leave.
pub struct Deciding<'a, R> {
    pub(super) overlay: &'a mut Overlay,
    pub(super) store: &'a R,
    pub(super) settings: &'a CommandSettings,
    /// The time of deciding.
    pub(super) now: UtcTime,
    pub(super) decided: Decided,
}

impl<'a, R: Rows> Deciding<'a, R> {
    /// Begins a batch on the store as it is, all committed and not yet delivered in `overlay`.
    #[must_use]
    pub fn new(overlay: &'a mut Overlay, store: &'a R, settings: &'a CommandSettings, now: UtcTime) -> Self {
        overlay.begin_batch();
        Self { overlay, store, settings, now, decided: Decided::default() }
    }

    /// What the batch came to.
    pub fn end(self) -> Decided {
        self.decided
    }

    /// Decides one record of the commands topic. Gives why where it cannot be answered at all: it belongs in
    /// the dead letters.
    ///
    /// # Errors
    /// The store cannot be read; end the batch and undo it.
    pub fn command(&mut self, record: &Record<'_>) -> Result<Option<Malformed>, R::Error> {
        let CommandSettings { max_record_bytes, extended_values, partitions, .. } = self.settings;
        let read =
            command::decode(record.key, record.value, record.headers, *max_record_bytes, *extended_values);
        let received = match read {
            Ok(received) => received,
            Err(malformed) => return Ok(Some(malformed)),
        };
        let belongs = partition_of(received.sku.as_str(), *partitions);
        if belongs != record.partition {
            let detail = format!(
                "SKU {:?} belongs to partition {belongs}, the record is on {}",
                received.sku.as_str(),
                record.partition
            );
            return Ok(Some(Malformed::new(Reason::WrongPartition, detail)));
        }
        self.received(received, record.position())?;
        Ok(None)
    }

    fn received(&mut self, received: Received, position: Position) -> Result<(), R::Error> {
        let Received { sku, source, id, command_type, hash, correlation_id, trace_parent, command } =
            received;
        let name = Arc::new(Name { sku, source, id });
        let cause = Cause {
            source: &name.source,
            id: &name.id,
            position,
            correlation_id: correlation_id.as_deref(),
            trace_parent: trace_parent.as_deref(),
        };
        let (mut first, mut events) = (Some(Arc::clone(&name)), Vec::new());
        let verdict = if let Some(known) = self.known(&name)? {
            if known.command_hash == hash {
                self.add(Outcome { command_position: position, ..known }, &cause, events, None);
                return Ok(());
            }
            first = None;
            Verdict::from(reused(&known, &hash))
        } else {
            match command {
                Err(refusal) => Verdict::from(refusal),
                Ok(command) => match self.decide(&command, &cause)? {
                    Err(refusal) => Verdict::from(refusal),
                    Ok(made) => {
                        let event_ids;
                        (event_ids, events) = made.into_iter().unzip();
                        Verdict::Accepted { event_ids }
                    }
                },
            }
        };
        let outcome = Outcome {
            sku: name.sku.clone(),
            command_source: name.source.clone(),
            command_id: name.id.clone(),
            command_type,
            command_hash: hash,
            command_position: position,
            version: self.rows(name.sku.as_str())?.stock.version,
            verdict,
        };
        self.add(outcome, &cause, events, first);
        Ok(())
    }

    /// The first outcome under the name: of this batch, on its way, or in the store.
    fn known(&self, name: &Name) -> Result<Option<Outcome>, R::Error> {
        if let Some(first) = self.decided.first(name).or_else(|| self.overlay.outcomes.get(name)) {
            return Ok(Some(first.clone()));
        }
        self.store.outcome(name)
    }

    /// Decides and evolves. The events, each with its record, or the refusal; the rows as they were then.
    #[expect(
        clippy::type_complexity,
        reason = "an id and what was made, or a refusal, unless the store fails"
    )]
    fn decide(
        &mut self,
        command: &Command,
        cause: &Cause<'_>,
    ) -> Result<Result<Vec<(uuid::Uuid, (Made, crate::types::NewRecord))>, Refusal>, R::Error> {
        let sku = command.envelope.sku.as_str();
        let (store, settings, now) = (self.store, self.settings, self.now);
        let aggregate = self.rows(sku)?;
        for (facet, id) in &needed(&command.request) {
            load(aggregate, sku, *facet, id, store)?;
        }
        if let Some((facet, id)) = needed_besides(aggregate, &command.request) {
            load(aggregate, sku, facet, &id, store)?;
        }
        let facts = match decide(aggregate, command, now) {
            Ok(facts) => facts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut made = Vec::with_capacity(facts.len());
        for (id, event) in stamp::events(facts, sku, &aggregate.stock, now, cause, settings) {
            let record = stamp::event_record(&event, settings);
            let bytes = record.value.as_ref().map_or(0, Vec::len);
            if bytes > settings.max_record_bytes {
                let fault = format!(
                    "it becomes an event of {bytes} bytes, at most {} are allowed",
                    settings.max_record_bytes
                );
                return Ok(Err(Refusal::invalid("data", fault)));
            }
            made.push((id, event, record));
        }
        let mut answer = Vec::with_capacity(made.len());
        for (id, event, record) in made {
            let before = Mark::of(&aggregate.stock);
            apply(aggregate, sku, &event, store, &settings.rules)?;
            // The record's place is known once it stands among the others.
            answer.push((id, (Made { event, before, record: 0 }, record)));
        }
        Ok(Ok(answer))
    }

    /// The rows of a SKU as the commands before leave them.
    pub(super) fn rows(&mut self, sku: &str) -> Result<&mut Aggregate, R::Error> {
        self.overlay.rows(sku, self.store, &self.settings.rules)
    }

    fn add(
        &mut self,
        outcome: Outcome,
        cause: &Cause<'_>,
        events: Vec<(Made, crate::types::NewRecord)>,
        first: Option<Arc<Name>>,
    ) {
        let from = self.decided.events.len();
        for (made, record) in events {
            self.add_event(made.event, made.before, record);
        }
        let record = self.decided.records.len();
        self.decided.records.push(stamp::result_record(&outcome, self.now, cause, self.settings));
        let events = from..self.decided.events.len();
        self.decided.add(Found { outcome, first, record, events });
    }

    pub(super) fn add_event(&mut self, event: Event<'static>, before: Mark, record: crate::types::NewRecord) {
        let place = self.decided.records.len();
        self.decided.records.push(record);
        self.decided.events.push(Made { event, before, record: place });
    }
}

/// The refusal of other content under the name of `first`.
fn reused(first: &Outcome, hash: &CommandHash) -> Refusal {
    Refusal::new(
        RefusalCode::CommandIdReused,
        "a command of this source and id with other content was decided before; send new content under a new id",
    )
    .with_text("command_hash", hash.to_string())
    .with_text("first_command_hash", first.command_hash.to_string())
    .with_text("first_command_position", first.command_position.to_string())
}
