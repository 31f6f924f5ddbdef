//! `[lane]`: the threads that fold the log into the stores.

use serde::{Deserialize, Serialize};

/// `[lane]`: the threads that fold the log into the stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaneConfig {
    /// How many lanes share the partitions; 0 = one per core, never more than there are partitions.
    /// Default 0.
    pub lanes: u16,
    /// Records taken from the log at a time while following it, and so the most that one commit carries.
    /// Default 2000.
    pub live_batch_records: usize,
    /// Records taken from the log at a time while catching up. Default 20000.
    pub bulk_batch_records: usize,
    /// A partition further behind than this when it starts catches up in bulk, which is several times faster
    /// but keeps no history of what it passes; a shorter way is gone record by record. In records. Default
    /// 200000.
    pub bulk_from_records: u64,
    /// Records after which a partition that catches up writes out what it holds even where memory is left:
    /// what a crash has to do again. Default 2000000.
    pub bulk_spill_records: u64,
    /// How long a lane waits for records before it looks after other things, in milliseconds. Default 50.
    pub poll_wait_ms: u64,
    /// How long a lane that is level waits for commands before it looks for events, in milliseconds: what an
    /// event may wait at most, and how often an idle lane wakes. Default 2.
    pub command_poll_ms: u64,
    /// The consumer group of the lanes, the same for every process that shares the work; also what their
    /// transactional ids begin with. Empty (the default) = the name of the commands topic.
    pub group: String,
    /// This process's name in the group: another for each process, and the same after a restart, which then
    /// keeps its partitions. Empty (the default) = the host's name.
    pub instance: String,
    /// Where commands are taken up if the group has lost its position and nothing else says it, or if it is
    /// not in the log any more: positions of the commands topic, `PARTITION:OFFSET`, separated by commas.
    /// Passed over where the position is known. Default empty.
    pub commands_from: String,
    /// Callers that may wait for outcomes at a time; more are told to try again. Default 100000.
    pub max_callers: usize,
    /// How often the log's ends are asked for, in milliseconds: how old a lag may be. Default 1000.
    pub watermark_interval_ms: u64,
    /// How often the topics' partition counts are asked for, in milliseconds: how long a topic that was given
    /// more partitions can go unnoticed. Found different, every partition stops. Default 30000.
    pub partition_check_interval_ms: u64,
    /// First pause after an error that may pass, in milliseconds; it doubles up to `retry_max_ms`.
    /// Default 100.
    pub retry_min_ms: u64,
    /// Longest pause after an error that may pass, in milliseconds. Default 5000.
    pub retry_max_ms: u64,
    /// Starts from the log alone although it no longer begins at 0: what came before is missing from every
    /// number, and that is recorded and shown. Default false.
    pub accept_truncated_history: bool,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            lanes: 0,
            live_batch_records: 2000,
            bulk_batch_records: 20_000,
            bulk_from_records: 200_000,
            bulk_spill_records: 2_000_000,
            poll_wait_ms: 50,
            command_poll_ms: 2,
            group: String::new(),
            instance: String::new(),
            commands_from: String::new(),
            max_callers: 100_000,
            watermark_interval_ms: 1000,
            partition_check_interval_ms: 30_000,
            retry_min_ms: 100,
            retry_max_ms: 5000,
            accept_truncated_history: false,
        }
    }
}

impl LaneConfig {
    /// How many lanes share so many partitions.
    #[must_use]
    pub fn count(&self, partitions: u16) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = if self.lanes == 0 { u16::try_from(cores()).unwrap_or(u16::MAX) } else { self.lanes };
        wanted.clamp(1, partitions.max(1))
    }

    /// The same settings with batches that fit the memory for fetched records, `fetch_bytes` over all lanes: a
    /// batch is no longer in its reader's queue and not yet folded. A smaller setting stays.
    #[must_use]
    pub fn within(mut self, fetch_bytes: u64, lanes: u16) -> Self {
        /// Of a lane's share, for each record in a batch: several times what one usually takes.
        const RECORD_BYTES: u64 = 8 * 1024;
        let records = fetch_bytes / u64::from(lanes.max(1)) / RECORD_BYTES;
        let most = usize::try_from(records).unwrap_or(usize::MAX).max(1);
        self.bulk_batch_records = self.bulk_batch_records.min(most);
        self.live_batch_records = self.live_batch_records.min(most);
        self
    }

    /// # Errors
    /// Every setting that cannot work, one line each.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut at_least_1 = |name: &str, value: u64| {
            if value == 0 {
                wrong.push(format!("{name}: 0 is too little; at least 1 is needed"));
            }
        };
        at_least_1("live_batch_records", self.live_batch_records as u64);
        at_least_1("bulk_batch_records", self.bulk_batch_records as u64);
        at_least_1("bulk_spill_records", self.bulk_spill_records);
        at_least_1("poll_wait_ms", self.poll_wait_ms);
        at_least_1("command_poll_ms", self.command_poll_ms);
        at_least_1("max_callers", self.max_callers as u64);
        at_least_1("watermark_interval_ms", self.watermark_interval_ms);
        at_least_1("partition_check_interval_ms", self.partition_check_interval_ms);
        at_least_1("retry_min_ms", self.retry_min_ms);
        if self.retry_max_ms < self.retry_min_ms {
            wrong.push(format!(
                "retry_max_ms: {} is less than retry_min_ms, {}",
                self.retry_max_ms, self.retry_min_ms
            ));
        }
        let is_word = |text: &str| !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if !is_word(&self.group) {
            wrong.push(format!(
                "group: {:?} must be a word, or empty for the commands topic's name",
                self.group
            ));
        }
        if !is_word(&self.instance) {
            wrong.push(format!("instance: {:?} must be a word, or empty for the host's name", self.instance));
        }
        let is_position = |text: &str| {
            text.split_once(':').is_some_and(|(partition, offset)| {
                partition.parse::<u16>().is_ok() && offset.parse::<u64>().is_ok()
            })
        };
        for text in self.commands_from.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            if !is_position(text) {
                wrong.push(format!("commands_from: {text:?} is not PARTITION:OFFSET, for example 3:42"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_the_memory_for_fetched_records() {
        let config = LaneConfig::default().within(64 << 20, 2);
        assert_eq!((config.bulk_batch_records, config.live_batch_records), (4096, 2000));
        assert_eq!(LaneConfig::default().within(u64::MAX, 1), LaneConfig::default());
        assert_eq!(LaneConfig::default().within(0, 2).live_batch_records, 1);
    }

    #[test]
    fn the_defaults_are_valid_and_a_useless_setting_is_named() {
        assert_eq!(LaneConfig::default().validate(), Ok(()));
        let wrong = LaneConfig { live_batch_records: 0, retry_max_ms: 1, ..LaneConfig::default() };
        let named = wrong.validate().expect_err("two useless settings");
        assert!(
            named[0].starts_with("live_batch_records") && named[1].starts_with("retry_max_ms"),
            "{named:?}"
        );
    }
}
