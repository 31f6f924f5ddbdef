//! The embedded log beyond the conformance suite: what its files promise.

mod damage;
mod disk;
mod fsync;
mod lifecycle;
mod torn;
