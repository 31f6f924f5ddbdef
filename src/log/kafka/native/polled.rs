//! A producer and the thread that serves its reports. The wrapper's `ThreadedProducer` wakes ten times a second
//! whether anything has come or not, and spends the last millisecond of each wait asking again and again; this
//! one sleeps until librdkafka says that something has come.

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka_sys as sys;

/// A producer whose reports, logs, errors and statistics a thread of its own hands to its context.
pub(in crate::log::kafka) struct PolledProducer<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    ended: Arc<AtomicBool>,
    /// There until dropped.
    polling: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> PolledProducer<C> {
    /// # Errors
    /// There is no thread to be had.
    pub(in crate::log::kafka) fn new(producer: BaseProducer<C>) -> io::Result<Self> {
        let producer = Arc::new(producer);
        let ended = Arc::new(AtomicBool::new(false));
        let polling = thread::Builder::new().name("producer polling".into()).spawn({
            let (producer, ended) = (Arc::clone(&producer), Arc::clone(&ended));
            move || {
                let events = Events::of(&producer);
                while !ended.load(Ordering::Acquire) {
                    // A poll without a wait serves one event. What comes once there is none unparks.
                    while events.are_there() {
                        producer.poll(Duration::ZERO);
                    }
                    thread::park();
                }
            }
        })?;
        Ok(Self { producer, ended, polling: Some(polling) })
    }
}

impl<C: ProducerContext + 'static> Deref for PolledProducer<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &BaseProducer<C> {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for PolledProducer<C> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(polling) = self.polling.take() {
            polling.thread().unpark();
            // It panics only where a context does, and that is told there.
            drop(polling.join());
        }
    }
}

/// The queue of a producer's events. The thread that made this is unparked when the first of them comes.
struct Events<'a> {
    queue: *mut sys::rd_kafka_queue_t,
    /// Where librdkafka's callback finds whom to unpark.
    _waiting: Box<Thread>,
    /// The queue belongs to a client that must outlive it.
    _producer: PhantomData<&'a ()>,
}

impl<'a> Events<'a> {
    fn of<C: ProducerContext>(producer: &'a BaseProducer<C>) -> Self {
        let waiting = Box::new(thread::current());
        // SAFETY: the client is alive for 'a. The reference to the queue is ours, never null (librdkafka ends
        // the process where it has no memory), and dropped by `Drop`, which ends the callback too: so what
        // that is given, in a box that does not move, is there as long as it can be called.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_main(producer.client().native_ptr());
            let to = ptr::from_ref::<Thread>(&waiting).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(queue, Some(unpark), to);
            queue
        };
        Self { queue, _waiting: waiting, _producer: PhantomData }
    }

    fn are_there(&self) -> bool {
        // SAFETY: the queue is ours until dropped.
        unsafe { sys::rd_kafka_queue_length(self.queue) > 0 }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once. librdkafka calls back under the lock that ending the callback takes: it is
        // not being called any more when the first call returns.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// # Safety
/// `waiting` points to a [`Thread`].
unsafe extern "C" fn unpark(_: *mut sys::rd_kafka_t, waiting: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { &*waiting.cast::<Thread>() }.unpark();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use rdkafka::ClientContext;
    use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
    use rdkafka::producer::{BaseRecord, DeliveryResult, PurgeConfig};

    use super::*;

    struct Reporting(Sender<usize>);

    impl ClientContext for Reporting {}

    impl ProducerContext for Reporting {
        type DeliveryOpaque = Box<usize>;

        fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
            assert!(result.is_err(), "there is no broker");
            // The test may have failed already.
            let _ = self.0.send(*number);
        }
    }

    /// Without a broker: what is purged is reported at once, to a thread that sleeps by then or is just about to.
    #[test]
    fn every_report_wakes_the_thread_that_sleeps() {
        let (reports, reported) = channel();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0");
        let producer =
            BaseProducer::from_config_and_context(&config, Reporting(reports)).expect("a producer");
        let producer = PolledProducer::new(producer).expect("its thread");
        for number in 0..2000 {
            let record = BaseRecord::with_opaque_to("topic", Box::new(number)).payload("").key("");
            producer.send(record).map_err(|(error, _)| error).expect("queued");
            producer.purge(PurgeConfig::default().queue());
            let first = reported.recv_timeout(Duration::from_secs(60)).expect("it is woken");
            assert_eq!(first, number);
        }
    }
}
