use super::{Offset, Partition, Position, Timestamp, Topic};

/// A record as a reader delivers it: borrowed from the batch it came in.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub topic: Topic,
    pub partition: Partition,
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    /// Nothing = a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a dyn Headers,
}

impl Record<'_> {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { partition: self.partition, offset: self.offset }
    }
}

/// The headers of a record, read only when asked: a log may have to unpack them first.
///
/// A name may stand more than once, and a value may be null.
pub trait Headers {
    /// Calls `visit` with each header in order.
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>));

    /// The last header of this name, as Kafka's clients choose it; `Some(None)` where its value is null.
    fn last<'a>(&'a self, name: &str) -> Option<Option<&'a [u8]>> {
        let mut found = None;
        self.visit(&mut |key, value| {
            if key == name {
                found = Some(value);
            }
        });
        found
    }
}

/// One header, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: Option<Vec<u8>>,
}

impl Header {
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }
}

impl Headers for [Header] {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>)) {
        for header in self {
            visit(&header.name, header.value.as_deref());
        }
    }
}

impl Headers for Vec<Header> {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>)) {
        self.as_slice().visit(visit);
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub topic: Topic,
    /// Explicit, always: the partitioner is ours (murmur2 of the SKU), not a client's default.
    pub partition: Partition,
    /// Nothing = the time of appending.
    pub timestamp: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    /// Nothing = a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}
