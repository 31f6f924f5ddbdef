//! Many clients at once, over HTTP and over the log, and beside them a second producer of events; afterwards an
//! independent reader holds the topics to the contract.
//!
//! [`clients`] sends: new commands, repeats, reused ids, version conflicts, batches out of order, a hot SKU, and
//! on the log also what nobody can read. [`stock`] is the contract written a second time, small and slow, over
//! plain JSON: how an event changes a SKU, and what a command on it must come to. [`verify`] reads events,
//! results, commands and dead letters from the log and compares. Nothing of the store's own code decides there.
//! [`disturbed`] is the same while [`processes`] that share the partitions come, go, are killed and stand still.

mod clients;
mod disturbed;
mod processes;
mod run;
mod stock;
mod verify;
