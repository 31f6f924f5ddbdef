//! Long work on many partitions or bases at once, shown and interrupted from the thread that asked for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::exit::Failure;
use super::progress::Progress;
use super::signals;
use crate::snapshots::{Done, Work};

/// Between two looks at how far it is, and at the signal.
const EVERY: Duration = Duration::from_millis(100);

/// Works through `items`, as many at once as there are cores, in any order, showing how far all are; answers
/// in their order. On the first signal all are asked to stop, those not begun yet too.
pub fn in_parallel<T: Sync, R: Send>(
    what: &'static str,
    items: &[T],
    each: impl Fn(&T, &Work) -> R + Sync,
) -> Result<Vec<R>, Failure> {
    let stop = signals::flag()?;
    let works: Vec<Work> = items.iter().map(|_| Work::default()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let progress = Progress::new(what);
    let mut results: Vec<(usize, R)> = Vec::with_capacity(items.len());
    std::thread::scope(|scope| {
        let (send, done) = channel();
        for _ in 0..threads {
            let (send, next, works, each) = (send.clone(), &next, &works, &each);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(work)) = (items.get(at), works.get(at)) else { return };
                    // Gone only when this thread's owner is.
                    if send.send((at, each(item, work))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        loop {
            match done.recv_timeout(EVERY) {
                Ok(result) => results.push(result),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.load(Ordering::Relaxed) {
                works.iter().for_each(Work::stop);
            }
            let all: Vec<Done> = works.iter().map(Work::done).collect();
            let phase = all.iter().map(|done| done.phase).rfind(|phase| !phase.is_empty()).unwrap_or(what);
            let sum = |of: fn(&Done) -> u64| all.iter().map(of).sum();
            progress.show(phase, sum(|done| done.done), sum(|done| done.total));
        }
    });
    progress.end();
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
