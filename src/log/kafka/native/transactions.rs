//! The transactional calls themselves: the wrapper's commit has a floor of about 100 ms.

use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{Producer, ProducerContext};
use rdkafka_sys as sys;

use super::{GroupMetadata, PolledProducer, code, milliseconds, text};

/// How a transactional call failed.
#[derive(Debug, Clone)]
pub(in crate::log::kafka) struct TransactionError {
    pub(in crate::log::kafka) code: RDKafkaErrorCode,
    pub(in crate::log::kafka) text: String,
    /// The producer is of no use any more.
    pub(in crate::log::kafka) fatal: bool,
    /// The same call may be made again.
    pub(in crate::log::kafka) retriable: bool,
    /// The transaction must be aborted; the producer can go on.
    pub(in crate::log::kafka) abortable: bool,
}

/// # Safety
/// `error` is null or an error of ours to destroy.
unsafe fn outcome(error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; the text is copied before the error goes. The code is compared as the
    // number it is in C (see `Message::error`).
    unsafe {
        let found = TransactionError {
            code: code(sys::rd_kafka_error_code(error) as c_int),
            text: text(sys::rd_kafka_error_string(error)).into_owned(),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            abortable: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(found)
    }
}

/// The transactional calls of a producer, which it keeps alive.
pub(in crate::log::kafka) struct Transactions<C: ProducerContext + 'static>(
    pub(in crate::log::kafka) Arc<PolledProducer<C>>,
);

impl<C: ProducerContext + 'static> Clone for Transactions<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: ProducerContext + 'static> Transactions<C> {
    fn native(&self) -> *mut sys::rd_kafka_t {
        self.0.client().native_ptr()
    }

    pub(in crate::log::kafka) fn init(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: `self` keeps the client alive during the call, as in all below; the error is ours.
        unsafe { outcome(sys::rd_kafka_init_transactions(self.native(), milliseconds(wait))) }
    }

    pub(in crate::log::kafka) fn begin(&self) -> Result<(), TransactionError> {
        // SAFETY: see `init`.
        unsafe { outcome(sys::rd_kafka_begin_transaction(self.native())) }
    }

    pub(in crate::log::kafka) fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        member: &GroupMetadata,
        wait: Duration,
    ) -> Result<(), TransactionError> {
        // SAFETY: see `init`; list and metadata are borrowed for the call.
        unsafe {
            outcome(sys::rd_kafka_send_offsets_to_transaction(
                self.native(),
                offsets.ptr(),
                member.0.as_ptr(),
                milliseconds(wait),
            ))
        }
    }

    /// Sends what is queued, waits for its acknowledgement, commits. The producer's own thread serves the
    /// delivery reports meanwhile.
    pub(in crate::log::kafka) fn commit(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: see `init`.
        unsafe { outcome(sys::rd_kafka_commit_transaction(self.native(), milliseconds(wait))) }
    }

    pub(in crate::log::kafka) fn abort(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: see `init`.
        unsafe { outcome(sys::rd_kafka_abort_transaction(self.native(), milliseconds(wait))) }
    }
}
