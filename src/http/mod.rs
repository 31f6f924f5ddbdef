//! HTTP: the contract's routes over what the lanes serve.
//!
//! [`routes`] is the table: every path, its method, the role it wants. [`server`] accepts connections and
//! bounds them; [`gate`] is what every request passes: trace id, limits, panics, problem bodies, metrics.
//! The handlers ([`levels`], [`events`], [`commands`], [`dead_letters`], [`operations`]) read parameters, ask `query` and say in status codes
//! what came of it.
//!
//! Where reads run: a read of one SKU is a row and a few short ranges, microseconds from the block cache and
//! one disk read at worst, so it runs on the runtime's worker: handing it to another thread and back would
//! cost more than it does. Pages (facets, history, the list of SKUs) and appends may take milliseconds, so
//! they go to tokio's blocking threads, few at a time.

mod app;
mod authorize;
mod commands;
mod dead_letters;
mod events;
mod gate;
mod jobs;
mod levels;
mod operations;
mod parameters;
mod problem;
mod receive;
mod routes;
mod server;
mod stall;
mod tokens;
mod trace;

pub use app::{CommandsLog, EventsLog, Handles};
pub use problem::Code;
pub use routes::ROUTES;
pub use server::{HttpError, Server};
pub use tokens::{Role, Tokens, TokensError};

use crate::types::UtcTime;

/// Nanoseconds since 1970. HTTP is an edge: it may read the clock.
#[expect(clippy::disallowed_methods, reason = "an edge: trace ids and the timestamp of a problem")]
fn now_nanos() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// The time, as problems show it.
fn now() -> UtcTime {
    let millis = now_nanos() / 1_000_000;
    // A clock outside the years 1 to 9999 shows as 1970.
    i64::try_from(millis)
        .ok()
        .and_then(|millis| crate::types::Timestamp(millis).to_utc())
        .or_else(|| UtcTime::new(0, 0))
        .unwrap_or_else(|| unreachable!("1970 is a year"))
}
