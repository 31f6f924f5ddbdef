//! The clock, as an edge reads it.

use crate::types::UtcTime;

#[expect(clippy::disallowed_methods, reason = "the command line is an edge")]
pub fn now() -> UtcTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    // A clock beyond the year 9999 is taken for its end.
    UtcTime::new(seconds, since.subsec_nanos()).unwrap_or(UtcTime::MAX)
}
