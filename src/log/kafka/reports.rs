//! Delivery reports of a transaction's records, and who collects them.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::context::{Context, delegate_to_context};
use super::produce;
use crate::types::Position;

/// The reports of the transaction under way. One of an earlier transaction is told by its number.
#[derive(Default)]
pub(super) struct Reports {
    transaction: u32,
    pub(super) answers: Vec<Option<Result<Position, KafkaError>>>,
}

impl Reports {
    pub(super) fn begin(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
        self.answers.clear();
    }

    /// From now on there are to be reports of so many records. What travels with each is its ticket: the
    /// transaction's number above, which this gives, and the record's index below.
    pub(super) fn reserve(&mut self, count: usize) -> usize {
        const _: () = assert!(usize::BITS == 64, "a ticket has 32 bits each for transaction and record");
        self.answers.resize(count, None);
        (self.transaction as usize) << 32
    }

    fn settle(&mut self, ticket: usize, answer: Result<Position, KafkaError>) {
        if ticket >> 32 == self.transaction as usize
            && let Some(slot) = self.answers.get_mut(ticket & 0xffff_ffff)
        {
            *slot = Some(answer);
        }
    }
}

pub(super) fn lock(reports: &Mutex<Reports>) -> std::sync::MutexGuard<'_, Reports> {
    reports.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct TransactContext {
    pub(super) base: Context,
    pub(super) reports: Arc<Mutex<Reports>>,
}

delegate_to_context!(TransactContext);

impl ProducerContext for TransactContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        lock(&self.reports).settle(ticket, produce::reported(result));
    }
}
