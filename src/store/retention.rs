//! Which history is kept: by log time, in hours, without a clock. "Now" is the greatest timestamp read.

use crate::codec::rows::meta::Meta;
use crate::types::{Offset, Timestamp};

const HOUR: i64 = 3_600_000;

/// The hour of log time, counted from 1970.
pub(super) fn hour_of(millis: i64) -> i64 {
    millis.div_euclid(HOUR)
}

/// Notes the items written (log time and offset) and lets go what is older than `hours`. `meta.progress` is
/// already that after the write.
pub(super) fn advance(meta: &mut Meta, items: &[(i64, Offset)], hours: u32) {
    if hours == 0 {
        begin_at(meta);
        return;
    }
    let newest = meta.history_hours.last().map(|(hour, _)| *hour);
    if items.iter().any(|(time, _)| newest.is_none_or(|newest| hour_of(*time) > newest)) {
        let mut items = items.to_vec();
        items.sort_unstable_by_key(|(_, offset)| *offset);
        for (time, offset) in items {
            let hour = hour_of(time);
            if meta.history_hours.last().is_none_or(|(newest, _)| hour > *newest) {
                meta.history_hours.push((hour, offset));
            }
        }
    }
    let Some(now) = meta.progress.log_time else { return };
    let oldest = hour_of(now.0).saturating_sub(i64::from(hours));
    let gone = meta.history_hours.partition_point(|(hour, _)| *hour < oldest);
    if gone > 0 {
        meta.history_hours.drain(..gone);
        // Log time never falls, so what lies below the first hour kept is all older.
        let first = meta.history_hours.first().map(|(_, offset)| crate::types::NextOffset(offset.0));
        meta.history_begins = meta.history_begins.max(first.unwrap_or(meta.progress.next));
        meta.history_from = Some(Timestamp(oldest.saturating_mul(HOUR).saturating_sub(1)));
    }
}

/// History begins with the next event: there is none of what was just written.
pub(super) fn begin_at(meta: &mut Meta) {
    meta.history_begins = meta.progress.next;
    meta.history_from = meta.progress.log_time;
    meta.history_hours.clear();
}
