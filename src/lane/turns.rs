use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many partitions of the process are restored at a time, over all lanes: each holds memory for what it
/// reads (`snapshot.restores`).
pub(super) struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place among those being restored; given back when dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(super) fn new(at_a_time: usize) -> Self {
        Self { free: Mutex::new(at_a_time.max(1)), freed: Condvar::new() }
    }

    /// Waits for a place; nothing where it is cancelled meanwhile.
    pub(super) fn take(&self, cancelled: &AtomicBool) -> Option<Turn<'_>> {
        /// Between two looks at whether it is still wanted.
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            if cancelled.load(Ordering::Relaxed) {
                return None;
            }
            (free, _) = self.freed.wait_timeout(free, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn no_more_than_configured_are_at_it_at_a_time() {
        let turns = Turns::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let turn = turns.take(&AtomicBool::new(false)).expect("a turn");
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    #[test]
    fn whoever_is_not_wanted_any_more_waits_no_longer() {
        let turns = Turns::new(1);
        let _held = turns.take(&AtomicBool::new(false)).expect("a turn");
        assert!(turns.take(&AtomicBool::new(true)).is_none());
    }
}
