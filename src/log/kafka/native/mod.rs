//! The calls of librdkafka that the wrapper lacks or serves too slowly. The only unsafe code of the store.
//!
//! - Reading by `rd_kafka_consume_batch_queue`: 85–100 ns a record instead of 275–330, with the topic and
//!   partition of errors and ends, which the wrapper drops.
//! - Header access that stands names which are not UTF-8.
//! - Group metadata whose generation can be looked at before it is sent.
//! - Committing by `rd_kafka_commit_transaction` itself: the wrapper's has a floor of about 100 ms.
//! - Being told that a producer has something to report, so that its thread sleeps until then.
//!
//! Pointers never leave this folder but inside types that keep what they point into alive.
#![allow(unsafe_code)]

mod polled;
mod transactions;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka_sys as sys;

use crate::types::{Header, Headers, Timestamp};

pub(super) use polled::PolledProducer;
pub(super) use transactions::{TransactionError, Transactions};

fn milliseconds(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}

/// What an error code of librdkafka stands for; a code it does not know itself is `Unknown`.
fn code(raw: c_int) -> RDKafkaErrorCode {
    sys::rd_kafka_resp_err_t::try_from(raw).map_or(RDKafkaErrorCode::Unknown, Into::into)
}

/// # Safety
/// `text` is null or a C string that outlives `'a`.
unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    if text.is_null() {
        return "".into();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

/// # Safety
/// `data` is null or points to `len` bytes that outlive `'a` and do not change meanwhile.
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: not null, and the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// The queue on which a consumer's records arrive, apart from the one for its logs, errors and statistics.
pub(super) struct RecordQueue<C: ConsumerContext + 'static> {
    records: NonNull<sys::rd_kafka_queue_t>,
    events: NonNull<sys::rd_kafka_queue_t>,
    scratch: Vec<*mut sys::rd_kafka_message_t>,
    /// Last: the queues must go before the client they belong to.
    client: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread; `scratch` holds pointers only during a call.
unsafe impl<C: ConsumerContext + 'static> Send for RecordQueue<C> {}

impl<C: ConsumerContext + 'static> RecordQueue<C> {
    /// For a consumer that is assigned, never subscribed: on a subscribed one a batch read runs into a forced
    /// unassign.
    pub(super) fn new(client: Arc<BaseConsumer<C>>) -> Option<Self> {
        let native = client.client().native_ptr();
        // SAFETY: `native` lives as long as `client`, which this struct keeps. Both calls give a reference of
        // our own, dropped by `Drop`. Forwarding to null ends the forwarding of the main queue into the
        // record queue that the wrapper set up: a batch read would swallow the events on it.
        unsafe {
            let records = NonNull::new(sys::rd_kafka_queue_get_consumer(native))?;
            let Some(events) = NonNull::new(sys::rd_kafka_queue_get_main(native)) else {
                sys::rd_kafka_queue_destroy(records.as_ptr());
                return None;
            };
            sys::rd_kafka_queue_forward(events.as_ptr(), ptr::null_mut());
            Some(Self { records, events, scratch: Vec::new(), client })
        }
    }

    pub(super) fn client(&self) -> &Arc<BaseConsumer<C>> {
        &self.client
    }

    /// Waits up to `wait` for the first message, then takes what is there, `max` at most. Ends and errors are
    /// messages too.
    pub(super) fn take(&mut self, max: usize, wait: Duration) -> Fetched {
        let max = max.max(1);
        let mut messages = Vec::new();
        // A batch read waits for a full batch or its whole time: so one with the time, the rest with none.
        if self.read(1, wait, &mut messages) == 1 && max > 1 {
            self.read(max - 1, Duration::ZERO, &mut messages);
        }
        Fetched { messages, _client: Arc::clone(&self.client) as Arc<dyn Send + Sync> }
    }

    fn read(&mut self, max: usize, wait: Duration, into: &mut Vec<Message>) -> usize {
        self.scratch.clear();
        self.scratch.resize(max, ptr::null_mut());
        // SAFETY: the queue is alive, and `scratch` has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.records.as_ptr(),
                milliseconds(wait),
                self.scratch.as_mut_ptr(),
                max,
            )
        };
        // -1 on error, which is a queue without messages all the same.
        let count = usize::try_from(count).unwrap_or(0);
        into.extend(self.scratch.drain(..).take(count).filter_map(NonNull::new).map(Message));
        count
    }

    /// Hands what waits on the event queue (logs, errors, statistics) to the client's context.
    pub(super) fn serve_events(&self) {
        let context = self.client.context();
        loop {
            // SAFETY: the queue is alive; the event is ours until destroyed below, and every text read from it
            // is used before that.
            unsafe {
                let event = sys::rd_kafka_queue_poll(self.events.as_ptr(), 0);
                if event.is_null() {
                    return;
                }
                match sys::rd_kafka_event_type(event) {
                    sys::RD_KAFKA_EVENT_LOG => {
                        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
                        if sys::rd_kafka_event_log(event, &mut facility, &mut line, &mut level) == 0 {
                            context.log(log_level(level), text(facility).trim(), text(line).trim());
                        }
                    }
                    sys::RD_KAFKA_EVENT_STATS => {
                        let statistics = sys::rd_kafka_event_stats(event);
                        if !statistics.is_null() {
                            context.stats_raw(CStr::from_ptr(statistics).to_bytes());
                        }
                    }
                    sys::RD_KAFKA_EVENT_ERROR => {
                        let error = KafkaError::Global(sys::rd_kafka_event_error(event).into());
                        context.error(error, text(sys::rd_kafka_event_error_string(event)).trim());
                    }
                    _ => {}
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
    }
}

impl<C: ConsumerContext + 'static> Drop for RecordQueue<C> {
    fn drop(&mut self) {
        // SAFETY: references of our own, dropped once, before the client. The wrapper closes a consumer by
        // polling one queue until it is closed, so what arrives on the other has to come there again.
        unsafe {
            sys::rd_kafka_queue_forward(self.events.as_ptr(), self.records.as_ptr());
            sys::rd_kafka_queue_destroy(self.events.as_ptr());
            sys::rd_kafka_queue_destroy(self.records.as_ptr());
        }
    }
}

fn log_level(level: c_int) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}

/// Messages taken from a queue, with what keeps their memory alive. Dropped in this order.
pub(super) struct Fetched {
    messages: Vec<Message>,
    _client: Arc<dyn Send + Sync>,
}

impl Fetched {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&Message) -> bool) {
        self.messages.retain(keep);
    }

    /// # Panics
    /// At `len` and beyond.
    pub(super) fn get(&self, index: usize) -> &Message {
        &self.messages[index]
    }
}

/// One message of librdkafka's: a record, the end of a partition, or an error.
pub(super) struct Message(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message belongs to whoever took it and may be read and freed on any thread. Not `Sync`: reading
// headers unpacks them in place.
unsafe impl Send for Message {}

impl Message {
    fn raw(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: ours until dropped.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn error(&self) -> Option<RDKafkaErrorCode> {
        // Read as a number: a broker may send a code that the enum does not have.
        // SAFETY: the field is a valid i32 in C, whatever its value.
        let raw = unsafe { ptr::addr_of!((*self.0.as_ptr()).err).cast::<c_int>().read() };
        (raw != 0).then(|| code(raw))
    }

    pub(super) fn error_text(&self) -> String {
        // SAFETY: the text lives as long as the message.
        unsafe { text(sys::rd_kafka_message_errstr(self.0.as_ptr())) }.into_owned()
    }

    /// The same for all messages of one topic and client: cheaper to compare than its name.
    pub(super) fn topic_handle(&self) -> usize {
        self.raw().rkt as usize
    }

    pub(super) fn topic_name(&self) -> String {
        let topic = self.raw().rkt;
        if topic.is_null() {
            return String::new();
        }
        // SAFETY: the message holds a reference to its topic, and the name lives as long.
        unsafe { text(sys::rd_kafka_topic_name(topic)) }.into_owned()
    }

    pub(super) fn partition(&self) -> i32 {
        self.raw().partition
    }

    /// Of a record its own, of an end the next one to read, of an error the one it is about.
    pub(super) fn offset(&self) -> i64 {
        self.raw().offset
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is ours; `kind` takes the answer.
        Timestamp(unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) })
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        let raw = self.raw();
        // SAFETY: librdkafka's own pair of pointer and length, unchanged until the message is dropped.
        unsafe { bytes(raw.key, raw.key_len) }
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        let raw = self.raw();
        // SAFETY: as for the key.
        unsafe { bytes(raw.payload, raw.len) }
    }
}

impl Headers for Message {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>)) {
        // SAFETY: the message is ours and lives for 'a.
        unsafe { visit_headers(self.0.as_ptr(), visit) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: ours, and dropped once; its client is kept by whoever holds the message.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// `message` is alive for `'a`.
unsafe fn visit_headers<'a>(
    message: *mut sys::rd_kafka_message_t,
    visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>),
) {
    let mut headers = ptr::null_mut();
    // SAFETY: the caller's promise; the headers, names and values live as long as the message.
    unsafe {
        if sys::rd_kafka_message_headers(message, &mut headers)
            != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            if sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut len)
                != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                return;
            }
            // A name that is not UTF-8 cannot be one we look for; it is shown as what it is not.
            visit(CStr::from_ptr(name).to_str().unwrap_or("\u{fffd}"), bytes(value, len));
        }
    }
}

/// The headers of a message of the wrapper's, copied. (The wrapper itself panics at names that are not UTF-8.)
pub(super) fn headers_of(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let mut headers = Vec::new();
    // SAFETY: the message is alive for this call, and what is kept of it is copied.
    unsafe {
        visit_headers(message.ptr(), &mut |name: &str, value: Option<&[u8]>| {
            headers.push(Header { name: name.to_owned(), value: value.map(<[u8]>::to_vec) });
        });
    }
    headers
}

/// A consumer's membership at one moment.
pub(in crate::log) struct GroupMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: an immutable value, readable from any thread.
unsafe impl Send for GroupMetadata {}
// SAFETY: as above.
unsafe impl Sync for GroupMetadata {}

impl GroupMetadata {
    pub(super) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is alive; the answer is ours, or null.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) })
            .map(Self)
    }

    /// Negative while the consumer is in no group.
    pub(in crate::log) fn generation(&self) -> i32 {
        // SAFETY: alive until dropped.
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr()) }
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}
