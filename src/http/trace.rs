use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use xxhash_rust::xxh3::xxh3_128;

/// Carried from a request to its answer, its log lines, and the events it appends.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest correlation id that is taken over from a request, in bytes; a longer one is replaced.
const MAX_CORRELATION_ID: usize = 128;

/// Under which names a request is found again in logs.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The trace id of `traceparent`, else the correlation id.
    pub trace_id: String,
    /// `X-Correlation-ID` as it came, else the trace id: echoed in the answer.
    pub correlation_id: HeaderValue,
}

impl Trace {
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let traceparent =
            headers.get(TRACEPARENT).and_then(|v| v.to_str().ok()).filter(|v| trace_id(v).is_some());
        let given = headers.get(CORRELATION_ID).and_then(|v| v.to_str().ok()).filter(|v| usable(v));
        let trace_id = traceparent
            .and_then(trace_id)
            .map(str::to_owned)
            .or_else(|| given.map(str::to_owned))
            .unwrap_or_else(fresh);
        let correlation = given.unwrap_or(&trace_id);
        // Both are visible ASCII, so it is a valid header value.
        let correlation_id =
            HeaderValue::from_str(correlation).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
        Self { correlation_id, trace_id }
    }
}

/// Visible ASCII of a sane length: it goes into log lines and headers as it stands.
fn usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CORRELATION_ID && id.bytes().all(|b| b.is_ascii_graphic())
}

/// The trace id of a `traceparent`: `version-traceid-parentid-flags` in lower-case hex, not all zero.
fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = traceparent.splitn(4, '-');
    let (version, trace, parent, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = if version == "00" { rest } else { rest.get(..2)? };
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (sound && trace.bytes().any(|b| b != b'0') && parent.bytes().any(|b| b != b'0')).then_some(trace)
}

/// A new trace id: unique in this process by its counter, among processes by start time and process id.
fn fresh() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut seed = Vec::with_capacity(32);
    seed.extend_from_slice(&super::now_nanos().to_le_bytes());
    seed.extend_from_slice(&std::process::id().to_le_bytes());
    seed.extend_from_slice(&count.to_le_bytes());
    format!("{:032x}", xxh3_128(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().expect("value"))).collect()
    }

    #[test]
    fn traceparent_first_then_correlation_id_then_a_fresh_one() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let both = Trace::of(&headers(&[("traceparent", parent), ("x-correlation-id", "order-7")]));
        assert_eq!(both.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(both.correlation_id, "order-7");
        let one = Trace::of(&headers(&[("x-correlation-id", "order-7")]));
        assert_eq!(one.trace_id, "order-7");
        let (first, second) = (Trace::of(&HeaderMap::new()), Trace::of(&HeaderMap::new()));
        assert_eq!(first.trace_id.len(), 32);
        assert_ne!(first.trace_id, second.trace_id);
    }

    #[test]
    fn unusable_ones_are_replaced() {
        for bad in ["", "a b", &"x".repeat(129)] {
            assert_ne!(Trace::of(&headers(&[("x-correlation-id", bad)])).correlation_id, *bad, "{bad:?}");
        }
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
        assert!(trace_id("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }
}
