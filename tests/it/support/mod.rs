//! What several subjects need, a file per idea.

pub mod broker;
pub mod child;
pub mod http_server;
#[cfg(feature = "failpoints")]
pub mod killed;
pub mod lanes;
pub mod left_out;
pub mod model;
pub mod pass_on;
pub mod process;
pub mod raw_http;
mod seed;
pub mod service;
pub mod small_disk;
pub mod stack;
pub mod topics;

pub use seed::seed;
