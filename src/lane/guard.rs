//! Watches that no event which is still needed leaves the topic.
//!
//! Should a store be lost, it comes back from its newest sound base and the events from there on. Retention
//! deletes the oldest events whatever anybody needs. So long before the first of those goes, this says so: by
//! a gauge all the time, in the log once when it begins, when it is over, and when it is too late.
//!
//! By time: the age of the oldest event needed against `retention.ms`. By size: what a partition takes cannot
//! be asked for, so once `retention.bytes` has made the start move, the needed event's place between start and
//! end stands for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::archiving::newest_base;
use super::registry::Registry;
use super::status::{PartitionStatus, State};
use crate::log::{Assignment, Log, LogError, Purpose};
use crate::metrics::metrics;
use crate::snapshots::archive::Archive;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

/// Below this share of the retention left, it is warned of; above the other, it is well again.
const WARN_BELOW: f64 = 0.5;
const WELL_ABOVE: f64 = 0.6;
/// Between two looks at the topic's settings and at the archive, in milliseconds.
const ASK_EVERY_MS: i64 = 60_000;

pub(super) struct Guard {
    seen: Vec<Seen>,
    retention: Retention,
    asked_at: Option<Timestamp>,
    /// Asked for newer bases before anybody is warned.
    archive: Option<Archive>,
}

/// How long the events topic keeps records; nothing = for ever, or not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Retention {
    ms: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    standing: Standing,
    /// The time of the first event at or behind an offset.
    oldest: Option<(NextOffset, Timestamp)>,
    archive_asked_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Well,
    AtRisk,
    Gone,
}

/// What of the retention is left for the oldest event that is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Left {
    /// 1 = all, 0 = it may go at any moment, -1 = it is gone.
    share: f64,
    /// By time alone.
    seconds: Option<f64>,
}

impl Guard {
    pub(super) fn new(partitions: u16, archive: Option<Archive>) -> Self {
        let seen = vec![Seen::default(); usize::from(partitions)];
        Self { seen, retention: Retention::default(), asked_at: None, archive }
    }

    /// Looks at every live partition, shows what is left and says what has changed.
    pub(super) fn look(&mut self, log: &dyn Log, registry: &Registry, now: Timestamp) {
        if is_due(self.asked_at, now) {
            match log.describe(Topic::Events) {
                Ok(Some(topic)) => {
                    self.asked_at = Some(now);
                    self.retention = Retention::of(&topic.settings);
                }
                // Asked again at the next look.
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the events topic's retention cannot be asked for"),
            }
        }
        let statuses: Vec<_> =
            registry.statuses().into_iter().filter(|status| status.state == State::Live).collect();
        self.find_oldest(log, &statuses);
        for status in &statuses {
            let Some(seen) = self.seen.get_mut(usize::from(status.partition.0)) else { continue };
            let mut left = seen.left(status, self.retention, now);
            if left.share < WARN_BELOW
                && is_due(seen.archive_asked_at, now)
                && let Some(archive) = &self.archive
            {
                seen.archive_asked_at = Some(now);
                // What it offers is looked at again the next time; unreachable, it offers nothing.
                if let Ok(Some(base)) = newest_base(archive, registry, status)
                    && needed(status) < base.id.next
                {
                    continue;
                }
            }
            if status.log_start > needed(status) {
                left = Left { share: -1.0, seconds: left.seconds.map(|_| 0.0) };
            }
            show(status.partition, &left);
            seen.judge(status, &left);
        }
        for status in registry.statuses().iter().filter(|status| status.state != State::Live) {
            hide(status.partition);
            if let Some(seen) = self.seen.get_mut(usize::from(status.partition.0)) {
                *seen = Seen::default();
            }
        }
    }

    /// Reads when the oldest needed events happened, those not known yet.
    fn find_oldest(&mut self, log: &dyn Log, statuses: &[PartitionStatus]) {
        let mut wanted = BTreeMap::new();
        for status in statuses {
            let (needed, Some(seen)) = (needed(status), self.seen.get_mut(usize::from(status.partition.0)))
            else {
                continue;
            };
            if seen.oldest.is_some_and(|(at, _)| at != needed) {
                seen.oldest = None;
            }
            let there = needed >= status.log_start && needed < status.last_stable;
            if seen.oldest.is_none() && there && self.retention.ms.is_some() {
                wanted.insert(status.partition, needed);
            }
        }
        if wanted.is_empty() {
            return;
        }
        match first_times(log, wanted) {
            Ok(found) => {
                for (partition, needed, time) in found {
                    if let Some(seen) = self.seen.get_mut(usize::from(partition.0)) {
                        seen.oldest = Some((needed, time));
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the oldest events still needed cannot be read now"),
        }
    }
}

impl Retention {
    fn of(settings: &BTreeMap<String, String>) -> Self {
        let deletes = settings.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
        // Below 0 is for ever.
        let limit = |name: &str| settings.get(name).filter(|_| deletes)?.parse::<u64>().ok();
        Self { ms: limit("retention.ms"), bytes: limit("retention.bytes") }
    }
}

impl Seen {
    fn left(&self, status: &PartitionStatus, retention: Retention, now: Timestamp) -> Left {
        let needed = needed(status);
        if needed >= status.last_stable {
            let seconds = retention.ms.map(|ms| ms as f64 / 1000.0);
            return Left { share: 1.0, seconds };
        }
        let mut left = Left { share: 1.0, seconds: None };
        if let (Some(ms), Some((_, oldest))) = (retention.ms, self.oldest) {
            let rest = ms as f64 - now.0.saturating_sub(oldest.0).max(0) as f64;
            left.share = (rest / (ms as f64).max(1.0)).clamp(0.0, 1.0);
            left.seconds = Some((rest / 1000.0).max(0.0));
        }
        if retention.bytes.is_some() && status.log_start > NextOffset::ZERO {
            let start = status.log_start.0;
            let all = status.last_stable.0.saturating_sub(start).max(1);
            left.share = left.share.min(needed.0.saturating_sub(start) as f64 / all as f64);
        }
        left
    }

    fn judge(&mut self, status: &PartitionStatus, left: &Left) {
        let standing = match self.standing {
            _ if left.share < 0.0 => Standing::Gone,
            Standing::Well if left.share >= WARN_BELOW => Standing::Well,
            Standing::AtRisk | Standing::Gone if left.share >= WELL_ABOVE => Standing::Well,
            _ => Standing::AtRisk,
        };
        if standing == self.standing {
            return;
        }
        self.standing = standing;
        let (partition, needed) = (status.partition, needed(status));
        match standing {
            Standing::Well => tracing::info!(
                %partition, %needed, "the events that the newest base needs are safe from retention again"
            ),
            Standing::AtRisk => tracing::warn!(
                %partition, %needed, share_left = left.share, seconds_left = left.seconds,
                "the oldest event that the newest base needs has used up half of its time in the topic: once it is gone, a lost store cannot be brought back. Publish a snapshot (`inventory-store snapshot`) or make a base (`inventory-store archive create`), find out why none is made, or keep events for longer (retention.ms, retention.bytes)"
            ),
            Standing::Gone => tracing::error!(
                %partition, %needed, log_start = %status.log_start,
                "events that the newest base needs have left the topic: what is stored here is all there is. Publish a snapshot (`inventory-store snapshot`) or make a base (`inventory-store archive create`) now, and keep a copy of the data directory until then"
            ),
        }
    }
}

/// The first event that a lost store would need: behind the newest base; without any, the first of all.
fn needed(status: &PartitionStatus) -> NextOffset {
    let published = status.last_checkpoint.map(|mark| mark.next);
    published.max(status.archived).unwrap_or(status.begins)
}

fn is_due(asked_at: Option<Timestamp>, now: Timestamp) -> bool {
    asked_at.is_none_or(|at| !(0..ASK_EVERY_MS).contains(&now.0.saturating_sub(at.0)))
}

/// The time of the first event at or behind each offset, as far as they come within a few seconds.
fn first_times(
    log: &dyn Log,
    mut wanted: BTreeMap<Partition, NextOffset>,
) -> Result<Vec<(Partition, NextOffset, Timestamp)>, LogError> {
    const AT_MOST: Duration = Duration::from_secs(5);
    let assignments = |wanted: &BTreeMap<Partition, NextOffset>| -> Vec<Assignment> {
        let of = |(partition, next): (&Partition, &NextOffset)| Assignment {
            topic: Topic::Events,
            partition: *partition,
            next: *next,
        };
        wanted.iter().map(of).collect()
    };
    let mut reader = log.reader(Purpose::Live, &assignments(&wanted))?;
    let (began, mut found) = (Instant::now(), Vec::new());
    while !wanted.is_empty() && began.elapsed() < AT_MOST {
        let batch = reader.poll(16, Duration::from_millis(100))?;
        let before = wanted.len();
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            if let Some(needed) = wanted.remove(&record.partition) {
                found.push((record.partition, needed, record.timestamp));
            }
        }
        // Nothing but control records from there on.
        for end in &batch.ends {
            wanted.remove(&end.partition);
        }
        if wanted.len() < before && !wanted.is_empty() {
            reader.assign(&assignments(&wanted))?;
        }
    }
    Ok(found)
}

fn show(partition: Partition, left: &Left) {
    let label = partition.0.to_string();
    metrics().retention_left.with_label_values(&[label.as_str()]).set(left.share);
    if let Some(seconds) = left.seconds {
        metrics().retention_left_seconds.with_label_values(&[label.as_str()]).set(seconds);
    }
}

/// Another process watches it, or nobody can.
fn hide(partition: Partition) {
    let label = partition.0.to_string();
    // Not there already, mostly.
    let _ = metrics().retention_left.remove_label_values(&[label.as_str()]);
    let _ = metrics().retention_left_seconds.remove_label_values(&[label.as_str()]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rows::meta::CheckpointMark;

    const HOUR: u64 = 3_600_000;

    fn status(base: u64, start: u64, end: u64) -> PartitionStatus {
        PartitionStatus {
            state: State::Live,
            last_checkpoint: Some(CheckpointMark { cycle: 1, next: NextOffset(base) }),
            log_start: NextOffset(start),
            last_stable: NextOffset(end),
            high_watermark: NextOffset(end),
            ..PartitionStatus::new(Partition(0))
        }
    }

    #[test]
    fn what_is_left_is_told_by_time_and_by_size() {
        let hours = Retention { ms: Some(10 * HOUR), bytes: None };
        let seen = Seen { oldest: Some((NextOffset(50), Timestamp(0))), ..Seen::default() };
        let at = |hour: u64| Timestamp(i64::try_from(hour * HOUR).expect("small"));
        let left = seen.left(&status(50, 0, 100), hours, at(4));
        assert_eq!((left.share, left.seconds), (0.6, Some(6.0 * 3600.0)));
        assert_eq!(seen.left(&status(50, 0, 100), hours, at(20)).share, 0.0);
        // Nothing is needed: the base holds all there is.
        assert_eq!(seen.left(&status(100, 0, 100), hours, at(20)).share, 1.0);
        let sized = Retention { ms: None, bytes: Some(1) };
        assert_eq!(seen.left(&status(50, 40, 90), sized, at(4)).share, 0.2);
        assert_eq!(seen.left(&status(50, 0, 90), sized, at(4)).share, 1.0, "nothing was deleted yet");
        assert_eq!(seen.left(&status(50, 40, 90), Retention::default(), at(4)).share, 1.0);
    }

    #[test]
    fn a_newer_base_of_the_archive_counts() {
        let both = PartitionStatus { archived: Some(NextOffset(70)), ..status(50, 0, 100) };
        assert_eq!(needed(&both), NextOffset(70));
        let none = PartitionStatus { last_checkpoint: None, begins: NextOffset(3), ..status(50, 0, 100) };
        assert_eq!(needed(&none), NextOffset(3));
    }

    #[test]
    fn the_standing_changes_once_each_way() {
        let mut seen = Seen::default();
        let status = status(50, 0, 100);
        let mut standings = Vec::new();
        for share in [0.9, 0.55, 0.49, 0.51, 0.3, -1.0, 0.2, 0.59, 0.7] {
            seen.judge(&status, &Left { share, seconds: None });
            standings.push(seen.standing);
        }
        use Standing::{AtRisk, Gone, Well};
        assert_eq!(standings, [Well, Well, AtRisk, AtRisk, AtRisk, Gone, AtRisk, AtRisk, Well]);
    }

    #[test]
    fn settings_are_read_as_kafka_writes_them() {
        let of = |pairs: &[(&str, &str)]| {
            Retention::of(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        let week =
            of(&[("cleanup.policy", "delete"), ("retention.ms", "604800000"), ("retention.bytes", "-1")]);
        assert_eq!(week, Retention { ms: Some(604_800_000), bytes: None });
        assert_eq!(of(&[("cleanup.policy", "compact"), ("retention.ms", "1")]), Retention::default());
    }
}
