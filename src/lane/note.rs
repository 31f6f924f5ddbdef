//! What is written beside a partition's position in the command group: which transaction moved it, by which an
//! unknown outcome is resolved, and the partition's newest checkpoint, by which a store that comes back knows
//! whether another owner has moved on.

use std::fmt;
use std::str::FromStr;

/// The metadata of a committed position. As text: `tx=ID` and, once there is a checkpoint,
/// ` checkpoint=CYCLE@INSTANCE`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetNote {
    /// Names the transaction among all of all owners.
    pub transaction: String,
    pub checkpoint: Option<NotedCheckpoint>,
}

/// A checkpoint, and who published it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedCheckpoint {
    pub cycle: u64,
    pub instance: String,
}

impl fmt::Display for OffsetNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tx={}", self.transaction)?;
        match &self.checkpoint {
            Some(checkpoint) => write!(f, " checkpoint={}@{}", checkpoint.cycle, checkpoint.instance),
            None => Ok(()),
        }
    }
}

impl FromStr for OffsetNote {
    type Err = std::convert::Infallible;

    /// What is not understood is passed over: another tool may have written it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut note = Self::default();
        for word in text.split(' ') {
            match word.split_once('=') {
                Some(("tx", id)) => note.transaction = id.to_owned(),
                Some(("checkpoint", checkpoint)) => {
                    note.checkpoint = checkpoint.split_once('@').and_then(|(cycle, instance)| {
                        Some(NotedCheckpoint { cycle: cycle.parse().ok()?, instance: instance.to_owned() })
                    });
                }
                _ => {}
            }
        }
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_passes_over_the_rest() {
        let checkpoint = Some(NotedCheckpoint { cycle: 7, instance: "a@b".into() });
        for note in [
            OffsetNote { transaction: "host-0/1700/12".into(), checkpoint: None },
            OffsetNote { transaction: "x".into(), checkpoint },
        ] {
            assert_eq!(note.to_string().parse(), Ok(note));
        }
        assert_eq!("set by hand".parse(), Ok(OffsetNote::default()));
        assert_eq!("".parse(), Ok(OffsetNote::default()));
    }
}
