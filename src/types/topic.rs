use std::fmt;

/// The five topics of the store, by what they hold. Their names in a deployment are settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every fact: the source of truth.
    Events,
    /// Requests to change stock.
    Commands,
    /// Periodic state, compacted.
    Snapshots,
    /// The outcome of every command.
    Results,
    /// Records that could not be understood, byte for byte.
    DeadLetters,
}

impl Topic {
    pub const ALL: [Self; 5] =
        [Self::Events, Self::Commands, Self::Snapshots, Self::Results, Self::DeadLetters];

    /// The topics on which one partition number means the same SKUs.
    pub const CO_PARTITIONED: [Self; 4] = [Self::Events, Self::Commands, Self::Snapshots, Self::Results];

    /// The name of the contract.
    #[must_use]
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::Events => "inventory.events",
            Self::Commands => "inventory.stock.commands",
            Self::Snapshots => "inventory.stock.snapshots",
            Self::Results => "inventory.stock.command-results",
            Self::DeadLetters => "inventory.stock.dead-letters",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.default_name())
    }
}
