//! `[store]` and `[memory]`: how state is kept, and how much memory everything may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Where the stores are kept, and the embedded log. Default `./data`.
    pub data_dir: PathBuf,
    /// Hours of log time for which a SKU's history is kept. 0 = none. Default 168 (7 days).
    pub history_hours: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("./data"), history_hours: 7 * 24 }
    }
}

impl StoreConfig {
    /// How long history is kept, in log time.
    #[must_use]
    pub fn history(&self) -> Duration {
        Duration::from_secs(u64::from(self.history_hours) * 3600)
    }

    /// # Errors
    /// A sentence per setting that cannot be.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// `[memory]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Bytes for everything that can grow. Default 1 GiB.
    pub budget: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { budget: 1 << 30 }
    }
}

/// The budget, divided at start. Each module takes its own share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    pub store: StoreMemory,
    /// Records fetched and not yet folded, over all readers.
    pub fetch_queues: u64,
    /// Records appended and not yet acknowledged, over all producers.
    pub producer_buffers: u64,
    /// Rows folded and not yet written, over all partitions.
    pub fold: u64,
    /// Events and outcomes committed and not yet read back, over all lanes.
    pub overlays: u64,
    /// Bodies of requests under way and their answers.
    pub requests: u64,
}

/// The store's share, for all partitions of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMemory {
    pub block_cache: u64,
    pub write_buffers: u64,
}

impl MemoryPlan {
    /// Divides `config.budget` for `partitions` partitions in one process.
    ///
    /// # Errors
    /// Says the smallest budget that would do.
    pub fn divide(config: &MemoryConfig, partitions: u16) -> Result<Self, String> {
        let smallest = Self::smallest(partitions);
        if config.budget < smallest {
            return Err(format!(
                "memory.budget is {} bytes; {partitions} partitions in one process need {smallest} at least",
                config.budget
            ));
        }
        let percent = |share: u64| config.budget / 100 * share;
        Ok(Self {
            // The rest, 15%, is for what nobody counts: code, stacks, the allocator, RocksDB's own tables, and
            // rows that stand twice while a fold is written.
            store: StoreMemory { block_cache: percent(15), write_buffers: percent(10) },
            fetch_queues: percent(20),
            producer_buffers: percent(5),
            // What is folded again because it did not fit is what a rebuild of many SKUs costs.
            fold: percent(25),
            overlays: percent(5),
            requests: percent(5),
        })
    }

    /// What a job may fold in where nothing is served and no command taken meanwhile.
    #[must_use]
    pub fn fold_alone(&self) -> u64 {
        self.fold + self.producer_buffers + self.overlays + self.requests
    }

    /// The smallest budget for so many partitions: each needs its write buffers, at least 1 MiB over all
    /// its column families, and a fetch queue that holds a few of the largest records.
    #[must_use]
    pub fn smallest(partitions: u16) -> u64 {
        const MIB: u64 = 1 << 20;
        64 * MIB + u64::from(partitions) * 8 * MIB
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_stay_within_the_budget_and_none_is_empty() {
        for partitions in [1, 12, 100] {
            for budget in [MemoryPlan::smallest(partitions), (1 << 30) - 1, 64 << 30] {
                let Ok(plan) = MemoryPlan::divide(&MemoryConfig { budget }, partitions) else {
                    assert!(budget < MemoryPlan::smallest(partitions));
                    continue;
                };
                let shares = [
                    plan.store.block_cache,
                    plan.store.write_buffers,
                    plan.fetch_queues,
                    plan.producer_buffers,
                    plan.fold,
                    plan.overlays,
                    plan.requests,
                ];
                assert!(shares.iter().sum::<u64>() <= budget);
                assert!(shares.iter().all(|share| *share >= 3 << 20), "{plan:?}");
            }
        }
    }

    #[test]
    fn a_budget_too_small_is_refused_with_the_smallest_that_would_do() {
        let smallest = MemoryPlan::smallest(12);
        let refusal = MemoryPlan::divide(&MemoryConfig { budget: smallest - 1 }, 12).expect_err("too small");
        assert!(refusal.contains(&smallest.to_string()) && refusal.contains("memory.budget"), "{refusal}");
    }
}
