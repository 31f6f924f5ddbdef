//! Tests that need more than one part of the codec.

mod agreement;
mod arbitrary;
mod golden;
mod http;
mod reasons;
mod round_trip;
