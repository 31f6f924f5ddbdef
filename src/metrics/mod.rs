//! Every metric: its name, kind, labels and help, as constants in this one file.
//!
//! How to use it: [`metrics`] gives the process's instruments, one field per constant; a caller that serves a
//! partition asks once for [`PartitionMetrics`] and keeps it. [`gather`] writes Prometheus's text format.
//! Names end in their base unit (`_seconds`, `_bytes`, `_total` for counters), as Prometheus wants it. No
//! label ever carries a SKU or an id: the number of time series is bounded by partitions, topics, brokers
//! and the reasons listed here. `docs/metrics.md` is held to these constants by a test.
//!
//! | who | calls |
//! |---|---|
//! | projector | `consumed`, `applied`, `passed_over`, `noted` of [`PartitionMetrics`]; `batch_seconds`, `batch_records`, `fetch_seconds`; `dead_letters` |
//! | lane | `next_offset`, `high_watermark`, `last_stable_offset`, `lag_…`, `rows`, `state` of [`PartitionMetrics`] |
//! | log | `append_seconds`, `appended`; the Kafka log the `kafka_…` ones, from librdkafka's statistics |
//! | store | `rocksdb_memory_bytes` |
//! | http | `http_requests`, `http_request_seconds`, `http_in_flight` |

mod description;
mod instruments;

pub use description::{Description, Kind, documentation};
use description::{counter, gauge, histogram};
pub use instruments::{CONTENT_TYPE, Metrics, PartitionMetrics, Totals, gather, metrics};

/// From a tenth of a millisecond to half a minute: what a batch, a fetch or a request may take.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
/// From one record to the largest batch.
const RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0];

// What flows through a partition.

pub const CONSUMED: Description = counter(
    "inventory_store_records_consumed_total",
    "records",
    &["topic", "partition"],
    "Records read from the log, malformed and passed-over ones included.",
);
pub const CONSUMED_RATE: Description = gauge(
    "inventory_store_records_consumed_per_second",
    "records/s",
    &[],
    "Records read from the log per second, all partitions, over the last seconds.",
);
pub const APPLIED: Description = counter(
    "inventory_store_events_applied_total",
    "events",
    &["partition"],
    "Events folded into rows and committed to the store.",
);
pub const APPLIED_RATE: Description = gauge(
    "inventory_store_events_applied_per_second",
    "events/s",
    &[],
    "Events applied per second, all partitions, over the last seconds.",
);
pub const PASSED_OVER: Description = counter(
    "inventory_store_events_passed_over_total",
    "events",
    &["partition", "reason"],
    "Well-formed events that changed nothing. Reasons: duplicate, unknown_type, stale_expiry.",
);
pub const NOTED: Description = counter(
    "inventory_store_events_noted_total",
    "events",
    &["partition", "kind"],
    "Applied events with something odd about them. Kinds: conflict (made on another version), gap (a jump in our own sequence), anomaly (a fact that broke an invariant).",
);
pub const DEAD_LETTERS: Description = counter(
    "inventory_store_dead_letters_total",
    "records",
    &["topic", "reason"],
    "Records put aside because they could not be understood, by the topic they came from and the rule they break.",
);

// How far behind.

pub const NEXT_OFFSET: Description = gauge(
    "inventory_store_next_offset",
    "offset",
    &["partition"],
    "The next offset of the events topic that the store will apply; everything below is in its rows.",
);
pub const HIGH_WATERMARK: Description = gauge(
    "inventory_store_high_watermark_offset",
    "offset",
    &["partition"],
    "The end of the events partition, records of open transactions included.",
);
pub const LAST_STABLE_OFFSET: Description = gauge(
    "inventory_store_last_stable_offset",
    "offset",
    &["partition"],
    "The end of the events partition for readers of committed records. Below the high watermark for long: an open or hanging transaction.",
);
pub const LAG_EVENTS: Description = gauge(
    "inventory_store_lag_events",
    "events",
    &["partition", "until"],
    "Offsets between the store and the end of its events partition. until: high_watermark or last_stable_offset.",
);
pub const LAG_SECONDS: Description = gauge(
    "inventory_store_lag_seconds",
    "seconds",
    &["partition", "until"],
    "Age of the oldest event not yet applied; 0 when there is none. until: high_watermark or last_stable_offset.",
);
pub const PARTITION_STATE: Description = gauge(
    "inventory_store_partition_state",
    "1",
    &["partition", "state"],
    "1 for the state the partition is in, 0 for the others. States: absent, unassigned, restoring, replaying, level, live, failed, stopped.",
);
pub const ROWS: Description =
    gauge("inventory_store_rows", "rows", &["partition"], "Rows in the store: SKUs and their entries.");

// How long things take.

pub const FETCH_SECONDS: Description = histogram(
    "inventory_store_fetch_seconds",
    "seconds",
    &["purpose"],
    SECONDS,
    "Time a poll of the log took that brought records. purpose: live or bulk.",
);
pub const BATCH_SECONDS: Description = histogram(
    "inventory_store_batch_seconds",
    "seconds",
    &["stage"],
    SECONDS,
    "Time spent on one batch. stage: fold (decode, load and evolve), commit (the atomic write), dead_letters.",
);
pub const BATCH_RECORDS: Description =
    histogram("inventory_store_batch_records", "records", &[], RECORDS, "Records in one batch.");
pub const APPENDED: Description = counter(
    "inventory_store_records_appended_total",
    "records",
    &["topic"],
    "Records this process wrote to the log, acknowledged as durable.",
);
pub const APPEND_SECONDS: Description = histogram(
    "inventory_store_append_seconds",
    "seconds",
    &["log"],
    SECONDS,
    "Time from handing a batch to the log until all of it was durable. log: embedded or kafka.",
);

// librdkafka's own statistics; the decision record's list.

pub const KAFKA_SENT: Description = counter(
    "inventory_store_kafka_producer_messages_total",
    "messages",
    &["client"],
    "Messages librdkafka's producers sent to brokers.",
);
pub const KAFKA_SENT_BYTES: Description = counter(
    "inventory_store_kafka_producer_bytes_total",
    "bytes",
    &["client"],
    "Bytes of messages librdkafka's producers sent to brokers.",
);
pub const KAFKA_SEND_RATE: Description = gauge(
    "inventory_store_kafka_producer_messages_per_second",
    "messages/s",
    &["client"],
    "Messages sent per second between the last two statistics of this producer.",
);
pub const KAFKA_RECEIVED: Description = counter(
    "inventory_store_kafka_consumer_messages_total",
    "messages",
    &["client"],
    "Messages librdkafka's consumers received from brokers.",
);
pub const KAFKA_REQUEST_SECONDS: Description = gauge(
    "inventory_store_kafka_request_seconds",
    "seconds",
    &["client", "broker", "quantile"],
    "Round-trip time of requests to this broker in the last statistics window. quantile: 0.5, 0.95, 0.99, or max.",
);
pub const KAFKA_REQUEST_ERRORS: Description = counter(
    "inventory_store_kafka_request_errors_total",
    "requests",
    &["client", "broker", "kind"],
    "Requests to this broker that failed. kind: transmit, receive or timeout.",
);
pub const KAFKA_QUEUED: Description = gauge(
    "inventory_store_kafka_queued_messages",
    "messages",
    &["client"],
    "Messages in librdkafka's queues: not yet sent (producers) or not yet taken (consumers).",
);
pub const KAFKA_FETCH_SECONDS: Description = gauge(
    "inventory_store_kafka_fetch_seconds",
    "seconds",
    &["client", "broker"],
    "Mean time a consumer's requests waited for this broker in the last statistics window, long polling included.",
);

// What was asked for.

pub const COMMANDS: Description = counter(
    "inventory_store_commands_total",
    "commands",
    &["outcome"],
    "Commands whose outcome is committed, repeats included. outcome: ACCEPTED, or the code of the refusal.",
);
pub const TRANSACTIONS: Description = counter(
    "inventory_store_transactions_total",
    "transactions",
    &["outcome"],
    "Transactions of commands. outcome: committed, aborted, fenced, unknown, failed or not_sent.",
);
pub const TRANSACTION_SECONDS: Description = histogram(
    "inventory_store_transaction_seconds",
    "seconds",
    &[],
    SECONDS,
    "Time from the first record of a transaction to the answer of its commit.",
);
pub const SNAPSHOT_CYCLES: Description = counter(
    "inventory_store_snapshot_cycles_total",
    "cycles",
    &["outcome"],
    "Snapshot cycles of partitions. outcome: complete, or failed: then a later one carries its rows.",
);
pub const SNAPSHOT_RECORDS: Description = counter(
    "inventory_store_snapshot_records_total",
    "records",
    &[],
    "Rows and ends of rows published to the snapshots topic.",
);
pub const SNAPSHOT_BYTES: Description = counter(
    "inventory_store_snapshot_bytes_total",
    "bytes",
    &[],
    "Bytes published to the snapshots topic, before compression, estimated.",
);
pub const ARCHIVE_BASES: Description = counter(
    "inventory_store_archive_bases_total",
    "bases",
    &["outcome"],
    "Bases that the service made for the archive by itself. outcome: made, or failed: then it is tried again.",
);
pub const RETENTION_LEFT: Description = gauge(
    "inventory_store_retention_left_ratio",
    "1",
    &["partition"],
    "What is left of the events topic's retention for the oldest event that the newest base needs: 1 all, 0 it may go at any moment, -1 it is gone. Warned of below 0.5.",
);
pub const RETENTION_LEFT_SECONDS: Description = gauge(
    "inventory_store_retention_left_seconds",
    "seconds",
    &["partition"],
    "The same by time alone: until the oldest event that the newest base needs may leave the topic.",
);
pub const CUTOVERS: Description = counter(
    "inventory_store_cutovers_total",
    "cutovers",
    &["outcome"],
    "Times a lane stood still so that another generation could be served. outcome: switched, released (not ready in time, or not equal) or failed.",
);
pub const CUTOVER_PAUSE_SECONDS: Description = histogram(
    "inventory_store_cutover_pause_seconds",
    "seconds",
    &[],
    SECONDS,
    "How long a lane stood still for a cutover, whatever came of it. Queries go on meanwhile.",
);
pub const JOBS: Description = counter(
    "inventory_store_jobs_total",
    "jobs",
    &["kind", "state"],
    "Jobs that have ended. state: done, refused, failed or interrupted.",
);
pub const OVERLAY_BYTES: Description = gauge(
    "inventory_store_overlay_bytes",
    "bytes",
    &["lane"],
    "Events and outcomes that a lane has committed and not read back yet, estimated.",
);
pub const CALLERS: Description =
    gauge("inventory_store_callers", "callers", &[], "Callers that wait for the outcome of a command.");

// What it costs.

pub const ROCKSDB_MEMORY: Description = gauge(
    "inventory_store_rocksdb_memory_bytes",
    "bytes",
    &["kind"],
    "Memory RocksDB holds, all stores together. kind: block_cache, pinned (of the block cache), memtables.",
);
pub const RESIDENT_MEMORY: Description =
    gauge("process_resident_memory_bytes", "bytes", &[], "Resident memory of the process.");
pub const CPU_SECONDS: Description =
    gauge("process_cpu_seconds_total", "seconds", &[], "User and system CPU time the process has used.");

// Who asks.

pub const HTTP_REQUESTS: Description = counter(
    "inventory_store_http_requests_total",
    "requests",
    &["route", "method", "status"],
    "HTTP requests answered, by route pattern (never the path itself).",
);
pub const HTTP_REQUEST_SECONDS: Description = histogram(
    "inventory_store_http_request_seconds",
    "seconds",
    &["route"],
    SECONDS,
    "Time from a request's head to the end of its answer, waits for at_least included.",
);
pub const HTTP_IN_FLIGHT: Description =
    gauge("inventory_store_http_requests_in_flight", "requests", &[], "HTTP requests being answered now.");
pub const BUILD_INFO: Description = gauge(
    "inventory_store_build_info",
    "1",
    &["version", "log"],
    "Always 1; says what is running. log: embedded or kafka.",
);

/// Every metric there is, in the order of this file.
pub const ALL: &[&Description] = &[
    &CONSUMED,
    &CONSUMED_RATE,
    &APPLIED,
    &APPLIED_RATE,
    &PASSED_OVER,
    &NOTED,
    &DEAD_LETTERS,
    &NEXT_OFFSET,
    &HIGH_WATERMARK,
    &LAST_STABLE_OFFSET,
    &LAG_EVENTS,
    &LAG_SECONDS,
    &PARTITION_STATE,
    &ROWS,
    &FETCH_SECONDS,
    &BATCH_SECONDS,
    &BATCH_RECORDS,
    &APPENDED,
    &APPEND_SECONDS,
    &KAFKA_SENT,
    &KAFKA_SENT_BYTES,
    &KAFKA_SEND_RATE,
    &KAFKA_RECEIVED,
    &KAFKA_REQUEST_SECONDS,
    &KAFKA_REQUEST_ERRORS,
    &KAFKA_QUEUED,
    &KAFKA_FETCH_SECONDS,
    &COMMANDS,
    &TRANSACTIONS,
    &SNAPSHOT_CYCLES,
    &SNAPSHOT_RECORDS,
    &SNAPSHOT_BYTES,
    &TRANSACTION_SECONDS,
    &ARCHIVE_BASES,
    &RETENTION_LEFT,
    &RETENTION_LEFT_SECONDS,
    &CUTOVERS,
    &CUTOVER_PAUSE_SECONDS,
    &JOBS,
    &OVERLAY_BYTES,
    &CALLERS,
    &ROCKSDB_MEMORY,
    &RESIDENT_MEMORY,
    &CPU_SECONDS,
    &HTTP_REQUESTS,
    &HTTP_REQUEST_SECONDS,
    &HTTP_IN_FLIGHT,
    &BUILD_INFO,
];
