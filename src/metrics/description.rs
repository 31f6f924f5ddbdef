//! What a metric's constant says of it, and the page that is made of all.

use super::ALL;

/// What kind of instrument a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric: all that a reader of a dashboard needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    pub name: &'static str,
    pub kind: Kind,
    /// The unit of a value; `1` where it only counts.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    /// Upper bounds of a histogram's buckets; empty for the other kinds.
    pub buckets: &'static [f64],
}

pub(super) const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Description {
    Description { name, kind: Kind::Counter, unit, labels, help, buckets: &[] }
}

pub(super) const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Description {
    Description { name, kind: Kind::Gauge, unit, labels, help, buckets: &[] }
}

pub(super) const fn histogram(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    buckets: &'static [f64],
    help: &'static str,
) -> Description {
    Description { name, kind: Kind::Histogram, unit, labels, help, buckets }
}

/// `docs/metrics.md` as these constants say it.
#[must_use]
pub fn documentation() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in Prometheus's text format. This page is written from the constants in\n\
         `src/metrics/mod.rs`; a test holds the two together (`INVENTORY_STORE_WRITE_DOCS=1` rewrites it).\n\n\
         | name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = metric.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        page.push_str(&format!(
            "| `{}` | {kind} | {} | {labels} | {} |\n",
            metric.name, metric.unit, metric.help
        ));
    }
    page
}
