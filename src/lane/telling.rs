use super::registry::Registry;
use super::status::State;
use crate::snapshots::Done;
use crate::types::{Partition, Timestamp};

/// Says in the log how far partitions are on their way to live, every few seconds.
pub(super) struct Teller {
    told: Vec<Option<Timestamp>>,
}

/// Between two lines about one partition, in milliseconds; one that is live sooner has none.
const EVERY_MS: i64 = 5_000;

impl Teller {
    pub(super) fn new(partitions: u16) -> Self {
        Self { told: vec![None; usize::from(partitions)] }
    }

    /// Writes the lines that are due.
    pub(super) fn tell(&mut self, registry: &Registry, now: Timestamp) {
        for (partition, state, done) in self.due(registry, now) {
            tracing::info!(
                %partition,
                state = state.name(),
                phase = done.phase,
                done = done.done,
                total = done.total,
                per_second = done.per_second.map(f64::round),
                seconds_left = done.seconds_left.map(f64::ceil),
                "partition on its way to live"
            );
        }
    }

    fn due(&mut self, registry: &Registry, now: Timestamp) -> Vec<(Partition, State, Done)> {
        let mut due = Vec::new();
        // There are as many as a u16 was given for.
        for (number, told) in self.told.iter_mut().enumerate() {
            let partition = Partition(number as u16);
            let Some(done) = registry.progress(partition) else {
                *told = None;
                continue;
            };
            let since = told.get_or_insert(now);
            if (0..EVERY_MS).contains(&now.0.saturating_sub(since.0)) {
                continue;
            }
            *told = Some(now);
            due.push((partition, registry.state(partition), done));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::snapshots::Work;
    use crate::store::Generation;
    use crate::types::NextOffset;

    const P: Partition = Partition(0);

    #[test]
    fn a_restore_is_told_of_every_few_seconds_until_it_is_over() {
        let registry = Registry::new(2);
        let mut teller = Teller::new(2);
        let work = Arc::new(Work::default());
        work.begin("writing rows", 0, 100);
        work.add(40, 40, 4000);
        registry.working(P, Some(Arc::clone(&work)));
        registry.update(P, |status| status.state = State::Restoring);
        let mut told = Vec::new();
        for second in 0..12 {
            told.extend(teller.due(&registry, Timestamp(second * 1000)));
        }
        assert_eq!(told.len(), 2, "after 5 and 10 seconds");
        let (partition, state, done) = &told[0];
        assert_eq!((*partition, state), (P, &State::Restoring));
        assert_eq!((done.phase, done.done, done.total), ("writing rows", 40, 100));
        assert!(done.seconds_left.is_some());

        registry.working(P, None);
        registry.update(P, |status| status.state = State::Live);
        assert!(teller.due(&registry, Timestamp(60_000)).is_empty());
    }

    #[test]
    fn events_being_read_are_told_of_with_what_is_left() {
        let registry = Registry::new(1);
        registry.update(P, |status| {
            status.state = State::Replaying;
            status.generation = Some(Generation(1));
            status.replay_from = NextOffset(100);
            status.next = NextOffset(300);
            status.high_watermark = NextOffset(1100);
            status.events_per_second = 200.0;
        });
        let done = registry.progress(P).expect("under way");
        assert_eq!((done.done, done.total, done.seconds_left), (200, 1000, Some(4.0)));
    }
}
