//! Places where a test lets the process die. Nothing at all without the feature `failpoints`, which a release
//! build refuses.
//!
//! `FAILPOINTS="commands::after_send=2*off->1*return"` kills the process, as `kill -9` does, the third time it
//! comes there: the configuration is the crate `fail`'s. What was hit is told on stderr, so that a test can
//! hold that it was.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests: a release build must not have it");

/// The boundaries of a transaction of commands, in the order they are passed.
pub const BEFORE_SEND: &str = "commands::before_send";
pub const AFTER_SEND: &str = "commands::after_send";
pub const BEFORE_OFFSETS: &str = "commands::before_offsets";
pub const BEFORE_COMMIT: &str = "commands::before_commit";
pub const AFTER_COMMIT: &str = "commands::after_commit";
pub const BEFORE_APPLY: &str = "commands::before_apply";

/// The boundaries of a transaction of snapshot records.
pub const SNAPSHOT_BEFORE_COMMIT: &str = "snapshots::before_commit";
pub const SNAPSHOT_AFTER_COMMIT: &str = "snapshots::after_commit";

/// What a restore from the archive has written so far is noted.
pub const RESTORE_KEPT: &str = "snapshots::restore_kept";

/// Before and after a partition changes over to another generation.
pub const CUTOVER_BEFORE_SWITCH: &str = "cutover::before_switch";
pub const CUTOVER_AFTER_SWITCH: &str = "cutover::after_switch";

/// Where a test lets events be lost, as a faulty decoder would lose them.
pub const LOSE_EVENT: &str = "projector::lose_event";

/// The same of a cycle's last transaction, which carries the checkpoint.
pub const CHECKPOINT_BEFORE_COMMIT: &str = "snapshots::before_checkpoint";
pub const CHECKPOINT_AFTER_COMMIT: &str = "snapshots::after_checkpoint";

/// While a generation is made from a base, in the order they are passed: a run of what was read is written, a row
/// is put, the sorted files stand, they are ingested, the generation is whole without its name, it has its name.
pub const RESTORE_AFTER_RUN: &str = "restore::after_run";
pub const RESTORE_WITHIN_ROWS: &str = "restore::within_rows";
pub const RESTORE_BEFORE_INGEST: &str = "restore::before_ingest";
pub const RESTORE_AFTER_INGEST: &str = "restore::after_ingest";
pub const RESTORE_BEFORE_NAME: &str = "restore::before_name";
pub const RESTORE_AFTER_NAME: &str = "restore::after_name";

/// While a bulk replay moves a sorted file into a store: the file stands, it is in.
pub const INGEST_BEFORE: &str = "ingest::before";
pub const INGEST_AFTER: &str = "ingest::after";

/// Every failpoint of commands.
pub const ALL: [&str; 6] =
    [BEFORE_SEND, AFTER_SEND, BEFORE_OFFSETS, BEFORE_COMMIT, AFTER_COMMIT, BEFORE_APPLY];

/// Every failpoint of publishing.
pub const ALL_OF_PUBLISHING: [&str; 4] =
    [SNAPSHOT_BEFORE_COMMIT, SNAPSHOT_AFTER_COMMIT, CHECKPOINT_BEFORE_COMMIT, CHECKPOINT_AFTER_COMMIT];

/// Every failpoint of restoring.
pub const ALL_OF_RESTORING: [&str; 6] = [
    RESTORE_AFTER_RUN,
    RESTORE_WITHIN_ROWS,
    RESTORE_BEFORE_INGEST,
    RESTORE_AFTER_INGEST,
    RESTORE_BEFORE_NAME,
    RESTORE_AFTER_NAME,
];

/// Every failpoint of sorted files in a bulk replay.
pub const ALL_OF_INGESTING: [&str; 2] = [INGEST_BEFORE, INGEST_AFTER];

/// Dies here where a test said so.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    fail::fail_point!(name, |_| die(name));
}

/// Whether a test said that something goes wrong here.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn is_set(name: &str) -> bool {
    fail::fail_point!(name, |_| true);
    false
}

/// No, in a build that is not for such tests.
#[cfg(not(feature = "failpoints"))]
#[must_use]
pub const fn is_set(_name: &str) -> bool {
    false
}

/// Heeds `FAILPOINTS` for as long as the process lives.
#[cfg(feature = "failpoints")]
pub fn heed() {
    std::mem::forget(fail::FailScenario::setup());
}

/// Nothing, in a build that is not for such tests.
#[cfg(not(feature = "failpoints"))]
pub const fn heed() {}

/// Nothing, in a build that is not for such tests.
#[cfg(not(feature = "failpoints"))]
pub const fn hit(_name: &str) {}

#[cfg(feature = "failpoints")]
#[expect(clippy::print_stderr, reason = "for the test that waits for it")]
fn die(name: &str) {
    eprintln!("failpoint {name} hit");
    let me = std::process::id().to_string();
    // No destructor, no flush: as the machine's power button does to this process.
    if let Err(error) = std::process::Command::new("kill").args(["-9", &me]).status() {
        eprintln!("kill -9 {me}: {error}");
    }
    loop {
        std::thread::park();
    }
}
