use std::sync::{Arc, mpsc};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, ConsumerContext};

/// Closes a member's consumer, on a thread of its own: closing waits for the group without a bound.
pub(super) struct Leaving<C: ConsumerContext + 'static> {
    consumer: Option<Arc<BaseConsumer<C>>>,
    instance: String,
}

impl<C: ConsumerContext + 'static> Leaving<C> {
    /// Closes `consumer` when it is dropped. Whoever else holds it drops it first.
    pub(super) fn new(consumer: Arc<BaseConsumer<C>>, instance: &str) -> Self {
        Self { consumer: Some(consumer), instance: instance.to_owned() }
    }
}

impl<C: ConsumerContext + 'static> Drop for Leaving<C> {
    fn drop(&mut self) {
        /// How long leaving the group is waited for.
        const PATIENCE: Duration = Duration::from_secs(15);
        let Some(consumer) = self.consumer.take() else { return };
        let (ended, wait) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("leaving the group".into()).spawn(move || {
            drop(consumer);
            drop(ended);
        });
        match thread {
            Ok(_) if wait.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    instance = self.instance,
                    "leaving the command group takes longer than {} s; its partitions move on when its session ends",
                    PATIENCE.as_secs()
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, instance = self.instance, "no thread to leave the group in"),
        }
    }
}
