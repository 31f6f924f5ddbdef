//! librdkafka's statistics as metrics.

use std::collections::BTreeMap;

use crate::log::kafka::{ClientStatistics, Statistics};
use crate::metrics::{Metrics, metrics};

/// Adds what was counted since the last report; clients of one purpose are one series.
#[derive(Default)]
pub struct KafkaMetrics {
    reported: BTreeMap<String, ClientStatistics>,
}

impl KafkaMetrics {
    pub fn report(&mut self, statistics: &Statistics) {
        self.report_to(metrics(), statistics.clients());
    }

    fn report_to(&mut self, metrics: &Metrics, clients: BTreeMap<String, ClientStatistics>) {
        let mut purposes: BTreeMap<&'static str, (f64, u64)> = BTreeMap::new();
        for (name, now) in &clients {
            let client = [now.purpose];
            let before = self.reported.get(name);
            let since =
                |count: fn(&ClientStatistics) -> u64| count(now).saturating_sub(before.map_or(0, count));
            metrics.kafka_sent.with_label_values(&client).inc_by(since(|c| c.sent_messages));
            metrics.kafka_sent_bytes.with_label_values(&client).inc_by(since(|c| c.sent_bytes));
            metrics.kafka_received.with_label_values(&client).inc_by(since(|c| c.received_messages));
            let (rate, queued) = purposes.entry(now.purpose).or_default();
            *rate += now.sent_per_second;
            *queued = queued.saturating_add(now.queued_messages);
            brokers(metrics, now, before);
        }
        for (purpose, (rate, queued)) in purposes {
            metrics.kafka_send_rate.with_label_values(&[purpose]).set(rate);
            metrics.kafka_queued.with_label_values(&[purpose]).set(i64::try_from(queued).unwrap_or(i64::MAX));
        }
        self.reported = clients;
    }
}

fn brokers(metrics: &Metrics, now: &ClientStatistics, before: Option<&ClientStatistics>) {
    for broker in now.brokers.iter().filter(|broker| !broker.name.is_empty()) {
        let name = broker.name.as_str();
        let earlier = before.and_then(|before| before.brokers.iter().find(|b| b.name == broker.name));
        for (quantile, seconds) in [
            ("0.5", broker.request_p50),
            ("0.95", broker.request_p95),
            ("0.99", broker.request_p99),
            ("max", broker.request_max),
        ] {
            metrics.kafka_request_seconds.with_label_values(&[now.purpose, name, quantile]).set(seconds);
        }
        if !now.is_producer {
            metrics.kafka_fetch_seconds.with_label_values(&[now.purpose, name]).set(broker.request_mean);
        }
        for (kind, count, counted) in [
            ("transmit", broker.transmit_errors, earlier.map_or(0, |b| b.transmit_errors)),
            ("receive", broker.receive_errors, earlier.map_or(0, |b| b.receive_errors)),
            ("timeout", broker.timeouts, earlier.map_or(0, |b| b.timeouts)),
        ] {
            metrics
                .kafka_request_errors
                .with_label_values(&[now.purpose, name, kind])
                .inc_by(count.saturating_sub(counted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_grow_by_what_each_client_counted_since() {
        let metrics = Metrics::new().expect("the constants register");
        let mut report = KafkaMetrics::default();
        let client = |sent| ClientStatistics {
            purpose: "appender",
            is_producer: true,
            sent_messages: sent,
            ..ClientStatistics::default()
        };
        report.report_to(&metrics, BTreeMap::from([("a".into(), client(5)), ("b".into(), client(2))]));
        report.report_to(&metrics, BTreeMap::from([("a".into(), client(9))]));
        assert_eq!(metrics.kafka_sent.with_label_values(&["appender"]).get(), 11);
    }
}
