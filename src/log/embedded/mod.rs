//! The log in one process, without a broker: durable, ordered, partitioned, in the data directory.
//!
//! One RocksDB holds every record under (topic, partition, offset), so that one atomic write is one Kafka
//! transaction, over any number of partitions and with the consumed positions. What makes it a log:
//!
//! - *Acknowledged means on the disk.* Waiting appends and commits are written together by one of the waiting
//!   threads (`commit`): one synced write, then the mark, then the answers. A failed write stops the log;
//!   only opening it again tells what is there.
//! - *Nothing acknowledged is lost in silence.* Every write carries a rising number. `mark` keeps the last
//!   acknowledged one apart, and `recover` looks, without changing anything, whether the database still
//!   reaches it: what is missing beyond is a torn tail and is cut; below, it is [`LogError::Corrupt`](crate::log::LogError::Corrupt).
//! - *Offsets are without holes* except where compaction made them: a transaction's control record is a
//!   stored record too, so a reader notices a record that is gone.
//!
//! Retention and compaction run in [`EmbeddedLog::maintain`], which the owner calls about once a second; the
//! log has no thread of its own. The bytes on the disk are described in `docs/embedded-log.md`.

mod appender;
mod clock;
mod commit;
mod compaction;
mod fetch;
mod group;
mod keys;
mod lock;
mod mark;
mod member;
mod partitions;
mod reader;
mod record;
mod recover;
mod retention;
mod sealed;
mod topics;
mod transactor;
mod wal;

mod embedded_log;

pub use embedded_log::EmbeddedLog;
