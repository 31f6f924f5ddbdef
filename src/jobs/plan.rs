use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::JobError;
use crate::log::{Bounds, Log};
use crate::snapshots::archive::BaseId;
use crate::types::{NextOffset, Partition, Position, Timestamp, Topic, UtcTime};

/// From where a partition is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Offset 0; where the log no longer reaches there, the oldest sound base that it still reaches.
    Beginning,
    /// The newest base at or before these positions.
    At(BTreeMap<Partition, NextOffset>),
    /// The newest base at or before the first record of this time or later.
    Time(Timestamp),
    /// A base and nothing else.
    Base(FromBase),
}

/// Which base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromBase {
    /// The newest checkpoint of the snapshots topic, else the archive's newest.
    Latest,
    /// This one of the archive.
    Id(BaseId),
    /// The archive's newest that is not of a later time.
    Time(Timestamp),
}

/// Where it stops. Found once, when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The stable end of the log.
    End,
    /// These positions, exclusive; a partition not named goes to its end.
    At(BTreeMap<Partition, NextOffset>),
    /// Behind the last record before the first of a later time than this.
    Time(Timestamp),
}

/// What a rebuild is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub begin: Begin,
    pub stop: Stop,
    /// Begins at the very position, without what came before, where there is no base.
    pub partial: bool,
}

impl Plan {
    /// The position from where to begin; nothing = the beginning.
    pub(super) fn begin_at(
        &self,
        log: &dyn Log,
        partition: Partition,
    ) -> Result<Option<NextOffset>, JobError> {
        Ok(match &self.begin {
            Begin::Beginning | Begin::Base(_) => None,
            Begin::At(positions) => positions.get(&partition).copied(),
            Begin::Time(time) => Some(log.offset_at(Topic::Events, partition, *time)?),
        })
    }

    pub(super) fn stop_at(
        &self,
        log: &dyn Log,
        partition: Partition,
        bounds: &Bounds,
    ) -> Result<NextOffset, JobError> {
        let end = bounds.last_stable;
        let stop = match &self.stop {
            Stop::End => end,
            Stop::At(positions) => positions.get(&partition).copied().unwrap_or(end),
            Stop::Time(time) => {
                log.offset_at(Topic::Events, partition, Timestamp(time.0.saturating_add(1)))?.min(end)
            }
        };
        if stop > end {
            return Err(JobError::BeyondEnd { partition, stop, end });
        }
        Ok(stop)
    }
}

impl FromStr for Begin {
    type Err = String;

    /// `beginning`, `offset P:O,…` or `timestamp TIME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) =
            text.split_once(' ').map_or((text, None), |(kind, value)| (kind, Some(value.trim())));
        match (kind, value) {
            ("beginning", None) => Ok(Self::Beginning),
            ("offset", Some(value)) => Ok(Self::At(positions(value, false)?)),
            ("timestamp", Some(value)) => match value.parse::<UtcTime>() {
                Ok(time) => Ok(Self::Time(time.to_timestamp())),
                Err(_) => Err(format!("timestamp {value:?}: give a time such as 2026-11-01T12:34:56Z")),
            },
            _ => Err(format!("{text:?}: give `beginning`, `offset PARTITION:OFFSET` or `timestamp TIME`")),
        }
    }
}

impl FromStr for Stop {
    type Err = String;

    /// `end`, a time, or positions, their records included.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "end" {
            return Ok(Self::End);
        }
        if let Ok(time) = text.parse::<UtcTime>() {
            return Ok(Self::Time(time.to_timestamp()));
        }
        Ok(Self::At(positions(text, true)?))
    }
}

impl FromStr for FromBase {
    type Err = String;

    /// `latest`, a base's name, or a time.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse::<UtcTime>()
            .map(|time| Self::Time(time.to_timestamp()))
            .map_err(|_| format!("{text:?} is neither latest, nor a base of the archive, nor a time"))
    }
}

/// `P:O,…`: the offset itself to begin with, the one behind it to stop.
fn positions(text: &str, behind: bool) -> Result<BTreeMap<Partition, NextOffset>, String> {
    let mut positions = BTreeMap::new();
    for one in text.split(',') {
        let position: Position = one.trim().parse().map_err(|_| {
            format!("{text:?} is neither positions such as 3:42,4:17 nor a time such as 2026-11-01T12:34:56Z")
        })?;
        let next = if behind { position.offset.next() } else { NextOffset(position.offset.0) };
        positions.insert(position.partition, next);
    }
    Ok(positions)
}

impl fmt::Display for Plan {
    /// One line, the same for the same plan: by it a job that was interrupted is known again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_inclusive_at_both_ends() {
        let at = |next| BTreeMap::from([(Partition(3), NextOffset(next))]);
        assert_eq!("offset 3:42".parse(), Ok(Begin::At(at(42))));
        assert_eq!("3:42".parse(), Ok(Stop::At(at(43))));
        assert_eq!("end".parse(), Ok(Stop::End));
        assert!("yesterday".parse::<Stop>().is_err());
        for bad in ["offset", "beginning 3:42", "timestamp", "timestamp 3:42", "offset soon", ""] {
            assert!(bad.parse::<Begin>().is_err(), "{bad}");
        }
    }
}
