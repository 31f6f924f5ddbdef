//! The time of appending: the one place of the log that reads a clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::types::Timestamp;

#[expect(clippy::disallowed_methods, reason = "a record without a timestamp gets the time of its appending")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
