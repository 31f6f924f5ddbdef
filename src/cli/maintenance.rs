use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::exit::Failure;
use crate::log::embedded::EmbeddedLog;
use crate::types::Timestamp;

/// Retention and compaction of the embedded log, about once a second.
pub struct Maintenance {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Maintenance {
    pub fn start(log: Arc<EmbeddedLog>) -> Result<Self, Failure> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("log-maintenance".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_secs(1)) {
                if let Err(error) = log.maintain(now()) {
                    tracing::error!(%error, "the log's retention and compaction failed; trying again");
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the log's maintenance ended by a panic");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line is an edge: retention goes by the clock")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
