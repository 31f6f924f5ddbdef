//! Every integration test, in one binary: one module per subject.

// Clippy takes only the bodies of `#[test]` functions for tests, not what they share.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on says so and ends"
)]

mod architecture;
mod archive;
mod cli;
mod commands;
mod conformance;
mod docs;
mod embedded;
mod example_config;
mod http;
mod interop;
mod kafka;
mod kill;
mod million;
mod model_run;
mod recovery;
mod start_checks;
mod store;
mod support;
