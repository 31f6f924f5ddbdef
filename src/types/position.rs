use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Partition;

/// The offset of one record in its partition. Inclusive wherever it bounds something: "this record too".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset to read after this record.
    #[must_use]
    pub fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The next offset to read: everything below it has been seen. Exclusive, and so another type than
/// [`Offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NextOffset(pub u64);

impl NextOffset {
    pub const ZERO: Self = Self(0);

    /// Whether the record at `offset` lies below.
    #[must_use]
    pub fn is_past(self, offset: Offset) -> bool {
        self.0 > offset.0
    }
}

impl fmt::Display for NextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record stands: `partition:offset`, always inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    pub partition: Partition,
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let invalid = || InvalidPosition { text: text.chars().take(64).collect() };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (partition, offset) = text.split_once(':').ok_or_else(invalid)?;
        if !digits(partition) || !digits(offset) {
            return Err(invalid());
        }
        Ok(Self {
            partition: Partition(partition.parse().map_err(|_| invalid())?),
            offset: Offset(offset.parse().map_err(|_| invalid())?),
        })
    }
}

impl TryFrom<String> for Position {
    type Error = InvalidPosition;

    fn try_from(text: String) -> Result<Self, InvalidPosition> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// A text that is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a position; write PARTITION:OFFSET, for example 3:42")]
pub struct InvalidPosition {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let position: Position = "3:42".parse().expect("a position");
        assert_eq!(position, Position { partition: Partition(3), offset: Offset(42) });
        assert_eq!(position.to_string(), "3:42");
        assert!(position.offset.next().is_past(position.offset));
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            ["", "3", "3:", ":42", "3:-1", "+3:4", "65536:0", "3:18446744073709551616", "3:4:5", " 3:4"]
        {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }
}
