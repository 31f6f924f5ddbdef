//! The instruments behind the constants, registered once for the process.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::*;

/// The content type of what [`gather`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One instrument per constant, under the constant's name in lower case.
pub struct Metrics {
    registry: Registry,
    pub consumed: IntCounterVec,
    pub consumed_rate: Gauge,
    pub applied: IntCounterVec,
    pub applied_rate: Gauge,
    pub passed_over: IntCounterVec,
    pub noted: IntCounterVec,
    pub dead_letters: IntCounterVec,
    pub next_offset: IntGaugeVec,
    pub high_watermark: IntGaugeVec,
    pub last_stable_offset: IntGaugeVec,
    pub lag_events: IntGaugeVec,
    pub lag_seconds: GaugeVec,
    pub partition_state: IntGaugeVec,
    pub rows: IntGaugeVec,
    pub fetch_seconds: HistogramVec,
    pub batch_seconds: HistogramVec,
    pub batch_records: Histogram,
    pub appended: IntCounterVec,
    pub append_seconds: HistogramVec,
    pub kafka_sent: IntCounterVec,
    pub kafka_sent_bytes: IntCounterVec,
    pub kafka_send_rate: GaugeVec,
    pub kafka_received: IntCounterVec,
    pub kafka_request_seconds: GaugeVec,
    pub kafka_request_errors: IntCounterVec,
    pub kafka_queued: IntGaugeVec,
    pub kafka_fetch_seconds: GaugeVec,
    pub commands: IntCounterVec,
    pub transactions: IntCounterVec,
    pub snapshot_cycles: IntCounterVec,
    pub snapshot_records: IntCounter,
    pub snapshot_bytes: IntCounter,
    pub archive_bases: IntCounterVec,
    pub retention_left: GaugeVec,
    pub retention_left_seconds: GaugeVec,
    pub transaction_seconds: Histogram,
    pub cutovers: IntCounterVec,
    pub cutover_pause_seconds: Histogram,
    pub jobs: IntCounterVec,
    pub overlay_bytes: IntGaugeVec,
    pub callers: IntGauge,
    pub rocksdb_memory: IntGaugeVec,
    pub resident_memory: IntGauge,
    pub cpu_seconds: Gauge,
    pub http_requests: IntCounterVec,
    pub http_request_seconds: HistogramVec,
    pub http_in_flight: IntGauge,
    pub build_info: IntGaugeVec,
}

impl Metrics {
    /// Fresh instruments in a registry of their own; a process uses [`metrics`].
    ///
    /// # Errors
    /// Where two constants share a name or one is no Prometheus name; a test holds that none does.
    pub fn new() -> prometheus::Result<Self> {
        let made = Registering { registry: Registry::new() };
        Ok(Self {
            consumed: made.counters(&CONSUMED)?,
            consumed_rate: made.number(&CONSUMED_RATE)?,
            applied: made.counters(&APPLIED)?,
            applied_rate: made.number(&APPLIED_RATE)?,
            passed_over: made.counters(&PASSED_OVER)?,
            noted: made.counters(&NOTED)?,
            dead_letters: made.counters(&DEAD_LETTERS)?,
            next_offset: made.gauges(&NEXT_OFFSET)?,
            high_watermark: made.gauges(&HIGH_WATERMARK)?,
            last_stable_offset: made.gauges(&LAST_STABLE_OFFSET)?,
            lag_events: made.gauges(&LAG_EVENTS)?,
            lag_seconds: made.numbers(&LAG_SECONDS)?,
            partition_state: made.gauges(&PARTITION_STATE)?,
            rows: made.gauges(&ROWS)?,
            fetch_seconds: made.histograms(&FETCH_SECONDS)?,
            batch_seconds: made.histograms(&BATCH_SECONDS)?,
            batch_records: made.histogram(&BATCH_RECORDS)?,
            appended: made.counters(&APPENDED)?,
            append_seconds: made.histograms(&APPEND_SECONDS)?,
            kafka_sent: made.counters(&KAFKA_SENT)?,
            kafka_sent_bytes: made.counters(&KAFKA_SENT_BYTES)?,
            kafka_send_rate: made.numbers(&KAFKA_SEND_RATE)?,
            kafka_received: made.counters(&KAFKA_RECEIVED)?,
            kafka_request_seconds: made.numbers(&KAFKA_REQUEST_SECONDS)?,
            kafka_request_errors: made.counters(&KAFKA_REQUEST_ERRORS)?,
            kafka_queued: made.gauges(&KAFKA_QUEUED)?,
            kafka_fetch_seconds: made.numbers(&KAFKA_FETCH_SECONDS)?,
            commands: made.counters(&COMMANDS)?,
            transactions: made.counters(&TRANSACTIONS)?,
            snapshot_cycles: made.counters(&SNAPSHOT_CYCLES)?,
            snapshot_records: made.counter(&SNAPSHOT_RECORDS)?,
            snapshot_bytes: made.counter(&SNAPSHOT_BYTES)?,
            archive_bases: made.counters(&ARCHIVE_BASES)?,
            retention_left: made.numbers(&RETENTION_LEFT)?,
            retention_left_seconds: made.numbers(&RETENTION_LEFT_SECONDS)?,
            transaction_seconds: made.histogram(&TRANSACTION_SECONDS)?,
            cutovers: made.counters(&CUTOVERS)?,
            cutover_pause_seconds: made.histogram(&CUTOVER_PAUSE_SECONDS)?,
            jobs: made.counters(&JOBS)?,
            overlay_bytes: made.gauges(&OVERLAY_BYTES)?,
            callers: made.gauge(&CALLERS)?,
            rocksdb_memory: made.gauges(&ROCKSDB_MEMORY)?,
            resident_memory: made.gauge(&RESIDENT_MEMORY)?,
            cpu_seconds: made.number(&CPU_SECONDS)?,
            http_requests: made.counters(&HTTP_REQUESTS)?,
            http_request_seconds: made.histograms(&HTTP_REQUEST_SECONDS)?,
            http_in_flight: made.gauge(&HTTP_IN_FLIGHT)?,
            build_info: made.gauges(&BUILD_INFO)?,
            registry: made.registry,
        })
    }

    /// The instruments of one partition, looked up once.
    #[must_use]
    pub fn of_partition(&self, partition: u16) -> PartitionMetrics {
        let label = partition.to_string();
        let one = [label.as_str()];
        let passed_over = |reason| self.passed_over.with_label_values(&[label.as_str(), reason]);
        let noted = |kind| self.noted.with_label_values(&[label.as_str(), kind]);
        let until = |end| [label.clone(), String::from(end)];
        PartitionMetrics {
            consumed: self.consumed.with_label_values(&["events", label.as_str()]),
            applied: self.applied.with_label_values(&one),
            duplicates: passed_over("duplicate"),
            unknown_types: passed_over("unknown_type"),
            stale_expiries: passed_over("stale_expiry"),
            conflicts: noted("conflict"),
            gaps: noted("gap"),
            anomalies: noted("anomaly"),
            next_offset: self.next_offset.with_label_values(&one),
            high_watermark: self.high_watermark.with_label_values(&one),
            last_stable_offset: self.last_stable_offset.with_label_values(&one),
            lag_events_to_high_watermark: self.lag_events.with_label_values(&until("high_watermark")),
            lag_events_to_last_stable: self.lag_events.with_label_values(&until("last_stable_offset")),
            lag_seconds_to_high_watermark: self.lag_seconds.with_label_values(&until("high_watermark")),
            lag_seconds_to_last_stable: self.lag_seconds.with_label_values(&until("last_stable_offset")),
            rows: self.rows.with_label_values(&one),
        }
    }

    /// Shows `state` as the one the partition is in.
    pub fn partition_is(&self, partition: u16, state: &str) {
        let label = partition.to_string();
        for known in ["absent", "unassigned", "restoring", "replaying", "level", "live", "failed", "stopped"]
        {
            self.partition_state.with_label_values(&[label.as_str(), known]).set(i64::from(known == state));
        }
    }

    /// All events applied since the process started.
    #[must_use]
    pub fn applied_in_all(&self) -> u64 {
        sum(&self.applied)
    }

    /// All records consumed since the process started.
    #[must_use]
    pub fn consumed_in_all(&self) -> u64 {
        sum(&self.consumed)
    }

    /// Sets the rates from what was counted since the call before; call it about once a second.
    pub fn rates_since(&self, earlier: Totals, elapsed: Duration) -> Totals {
        let now = Totals { consumed: self.consumed_in_all(), applied: self.applied_in_all() };
        let seconds = elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.consumed_rate.set(now.consumed.saturating_sub(earlier.consumed) as f64 / seconds);
            self.applied_rate.set(now.applied.saturating_sub(earlier.applied) as f64 / seconds);
        }
        now
    }
}

/// What was counted up to a moment; see [`Metrics::rates_since`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub consumed: u64,
    pub applied: u64,
}

fn sum(counters: &IntCounterVec) -> u64 {
    use prometheus::core::Collector;
    // A counter's value is an f64 in the exposition; whole below 2^53 records.
    counters
        .collect()
        .iter()
        .flat_map(|family| family.get_metric())
        .map(|m| m.get_counter().get_value() as u64)
        .sum()
}

/// The instruments of one partition.
#[derive(Clone)]
pub struct PartitionMetrics {
    pub consumed: IntCounter,
    pub applied: IntCounter,
    pub duplicates: IntCounter,
    pub unknown_types: IntCounter,
    pub stale_expiries: IntCounter,
    pub conflicts: IntCounter,
    pub gaps: IntCounter,
    pub anomalies: IntCounter,
    pub next_offset: IntGauge,
    pub high_watermark: IntGauge,
    pub last_stable_offset: IntGauge,
    pub lag_events_to_high_watermark: IntGauge,
    pub lag_events_to_last_stable: IntGauge,
    pub lag_seconds_to_high_watermark: Gauge,
    pub lag_seconds_to_last_stable: Gauge,
    pub rows: IntGauge,
}

/// The process's instruments.
#[must_use]
pub fn metrics() -> &'static Metrics {
    #[expect(clippy::expect_used, reason = "fails only on the constants above, which a test registers")]
    static PROCESS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new().expect("the constants register"));
    &PROCESS
}

/// Everything measured so far, in Prometheus's text format ([`CONTENT_TYPE`]).
#[must_use]
pub fn gather() -> Vec<u8> {
    let metrics = metrics();
    read_process(metrics);
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&metrics.registry.gather(), &mut text) {
        tracing::warn!(%error, "metrics could not be written");
    }
    text
}

/// Memory and CPU time of the process, where `/proc` tells them.
fn read_process(metrics: &Metrics) {
    const PAGE_BYTES: i64 = 4096;
    const TICKS_PER_SECOND: f64 = 100.0;
    if let Some(pages) = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1).and_then(|field| field.parse::<i64>().ok()))
    {
        metrics.resident_memory.set(pages.saturating_mul(PAGE_BYTES));
    }
    if let Ok(text) = std::fs::read_to_string("/proc/self/stat") {
        // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: f64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
        metrics.cpu_seconds.set(ticks / TICKS_PER_SECOND);
    }
}

struct Registering {
    registry: Registry,
}

impl Registering {
    fn counter(&self, d: &Description) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::with_opts(Opts::new(d.name, d.help))?)
    }

    fn counters(&self, d: &Description) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(d.name, d.help), d.labels)?)
    }

    fn gauges(&self, d: &Description) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(d.name, d.help), d.labels)?)
    }

    fn gauge(&self, d: &Description) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(d.name, d.help)?)
    }

    fn numbers(&self, d: &Description) -> prometheus::Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(d.name, d.help), d.labels)?)
    }

    fn number(&self, d: &Description) -> prometheus::Result<Gauge> {
        self.add(Gauge::new(d.name, d.help)?)
    }

    fn histograms(&self, d: &Description) -> prometheus::Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(d.name, d.help).buckets(d.buckets.to_vec()), d.labels)?)
    }

    fn histogram(&self, d: &Description) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(d.name, d.help).buckets(d.buckets.to_vec()))?)
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, instrument: C) -> prometheus::Result<C> {
        self.registry.register(Box::new(instrument.clone()))?;
        Ok(instrument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_registered_under_a_name_of_its_own() {
        let metrics = Metrics::new().expect("the constants register");
        let _ = metrics.of_partition(0);
        metrics.partition_is(0, "live");
        metrics.dead_letters.with_label_values(&["events", "null_value"]).inc();
        metrics.build_info.with_label_values(&["0", "embedded"]).set(1);
        let names: Vec<String> =
            metrics.registry.gather().iter().map(|family| family.name().to_owned()).collect();
        for name in [
            "inventory_store_events_applied_total",
            "inventory_store_dead_letters_total",
            "inventory_store_build_info",
        ] {
            assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
        }
        let mut all: Vec<&str> = ALL.iter().map(|d| d.name).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), ALL.len());
    }

    #[test]
    fn names_say_their_unit_and_labels_carry_no_ids() {
        for d in ALL {
            match d.kind {
                Kind::Counter => assert!(d.name.ends_with("_total"), "{}", d.name),
                Kind::Histogram => assert!(!d.buckets.is_empty(), "{}", d.name),
                Kind::Gauge => {}
            }
            if d.unit == "bytes" {
                assert!(d.name.contains("_bytes"), "{}", d.name);
            }
            for label in d.labels {
                assert!(
                    !["sku", "id", "event_id", "correlation_id", "path"].contains(label),
                    "{}: {label}",
                    d.name
                );
            }
        }
    }

    #[test]
    fn rates_are_what_was_counted_by_time() {
        let metrics = Metrics::new().expect("the constants register");
        metrics.of_partition(1).applied.inc_by(50);
        let totals = metrics.rates_since(Totals::default(), Duration::from_secs(2));
        assert_eq!(totals.applied, 50);
        assert_eq!(metrics.applied_rate.get(), 25.0);
    }
}
