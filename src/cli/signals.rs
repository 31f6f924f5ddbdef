//! SIGTERM and SIGINT ask for a graceful stop; a second one quits at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::exit::{Failure, Status};

/// Set by the first signal: for a verb that works through something and looks now and then.
pub fn flag() -> Result<Arc<AtomicBool>, Failure> {
    let received = listen()?;
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        if received.recv().is_ok() {
            set.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(flag)
}

/// Starts to listen; the receiver gets the name of the first signal. The next one ends the process.
pub fn listen() -> Result<Receiver<&'static str>, Failure> {
    let (send, receive) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut terminate), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                tracing::error!("signals cannot be listened to; only a kill will stop this process");
                return;
            };
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            let first = next().await;
            // Whoever waits for it may have ended already.
            let _ = send.send(first);
            let second = next().await;
            tracing::warn!(
                signal = second,
                "second signal: quitting at once; the next start repeats what was not committed"
            );
            std::process::exit(i32::from(Status::Interrupted as u8));
        });
    })?;
    Ok(receive)
}
