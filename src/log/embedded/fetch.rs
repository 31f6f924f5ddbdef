//! Reads committed records of one partition from the database.

use rocksdb::ReadOptions;

use crate::log::{LogError, Purpose};
use crate::types::{Partition, Topic};

use super::embedded_log::Shared;
use super::record::Stored;
use super::{keys, topics};

/// Where, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) topic: Topic,
    pub(super) partition: Partition,
    pub(super) next: u64,
    pub(super) max_records: usize,
    pub(super) max_bytes: usize,
    pub(super) purpose: Purpose,
}

/// What was read. Everything below `next` is delivered.
pub(super) struct Fetched {
    pub(super) records: Vec<Stored>,
    pub(super) bytes: usize,
    pub(super) next: u64,
    /// The end as it was when reading began.
    pub(super) end: u64,
}

/// Reads up to the bounds asked for, but one record at least where there is one.
pub(super) fn fetch(shared: &Shared, request: Request) -> Result<Fetched, LogError> {
    let Request { topic, partition, next, .. } = request;
    let end = shared.partitions.readable(topic, partition, next)?;
    let mut fetched = Fetched { records: Vec::new(), bytes: 0, next, end };
    if next == end || request.max_records == 0 {
        return Ok(fetched);
    }
    let read = read(shared, request, &mut fetched);
    // Retention may have gone past us meanwhile; what then seems to be missing was let go of.
    shared.partitions.readable(topic, partition, next)?;
    read.map(|()| fetched)
}

fn read(shared: &Shared, request: Request, fetched: &mut Fetched) -> Result<(), LogError> {
    let Request { topic, partition, .. } = request;
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(keys::record(topic, partition, fetched.end));
    if request.purpose == Purpose::Bulk {
        options.set_readahead_size(2 << 20);
        options.fill_cache(false);
    }
    let mut iterator = shared.db.raw_iterator_opt(options);
    iterator.seek(keys::record(topic, partition, fetched.next));
    while let Some((key, value)) = iterator.item() {
        let offset = keys::offset_of(key, topic, partition)
            .ok_or_else(|| shared.corrupt(format!("key {key:02x?} stands among the records")))?;
        if offset != fetched.next && !topics::is_compacted(topic) {
            return Err(missing(shared, request, fetched.next, offset));
        }
        if fetched.records.len() >= request.max_records
            || (!fetched.records.is_empty() && fetched.bytes + value.len() > request.max_bytes)
        {
            return Ok(());
        }
        let stored =
            Stored::decode(topic, partition, offset, value).map_err(|reason| shared.corrupt(reason))?;
        fetched.next = offset + 1;
        if !stored.is_control() {
            fetched.bytes += stored.stored_bytes();
            fetched.records.push(stored);
        }
        iterator.next();
    }
    iterator.status().map_err(|e| shared.failed("reading the log", &e))?;
    if fetched.next != fetched.end && !topics::is_compacted(topic) {
        return Err(missing(shared, request, fetched.next, fetched.end));
    }
    fetched.next = fetched.end;
    Ok(())
}

fn missing(shared: &Shared, request: Request, from: u64, to: u64) -> LogError {
    let Request { topic, partition, .. } = request;
    shared.corrupt(format!(
        "{topic} partition {partition}: the records from offset {from} up to {to} are missing"
    ))
}
