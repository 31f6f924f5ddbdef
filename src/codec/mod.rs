//! Bytes ⇄ domain: CloudEvents and JSON on the topics, rows in the store.
//!
//! [`event`], [`command`] and [`result`] read and write what the other services see; [`rows`] and [`snapshot`]
//! what only we see.

pub mod command;
pub mod event;
pub mod result;
pub mod rows;
pub mod snapshot;
