use std::time::Instant;

use crate::log::{Appender, LogError};
use crate::metrics::metrics;
use crate::types::{NewRecord, Position};

/// An appender whose time and records are counted.
pub struct Measured {
    pub inner: Box<dyn Appender>,
    /// `embedded` or `kafka`.
    pub log: &'static str,
}

impl Appender for Measured {
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        let topics: Vec<_> = records.iter().map(|record| record.topic).collect();
        let began = Instant::now();
        let outcomes = self.inner.append(records);
        metrics().append_seconds.with_label_values(&[self.log]).observe(began.elapsed().as_secs_f64());
        for (topic, _) in topics.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            metrics().appended.with_label_values(&[topic.default_name()]).inc();
        }
        outcomes
    }
}
