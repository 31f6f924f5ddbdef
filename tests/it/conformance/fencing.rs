use inventory_store::log::{CommitError, Consumed, LogError};
use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{Owner, eventually, read, record, texts};

const GROUP: &str = "lanes";

fn consumed(next: u64) -> Consumed {
    Consumed { partition: Partition(0), next: NextOffset(next), metadata: String::new() }
}

pub fn a_newer_writer_of_the_same_id_fences_the_older(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut older = log.transactor("lane-0").expect("a transactor");
    older.stage(&[record(Topic::Events, 0, "older")]).expect("stages");
    let mut newer = log.transactor("lane-0").expect("a transactor");
    let mut other = log.transactor("lane-1").expect("a transactor");
    let error = older.commit(&[consumed(1)], &owner.generation()).expect_err("fenced");
    assert!(
        matches!(error, CommitError::Fenced { .. } | CommitError::Fatal(LogError::Fenced { .. })),
        "{error}"
    );
    newer.stage(&[record(Topic::Events, 0, "newer")]).expect("stages");
    newer.commit(&[consumed(2)], &owner.generation()).expect("commits");
    other.stage(&[record(Topic::Events, 0, "other")]).expect("stages");
    other.commit(&[consumed(3)], &owner.generation()).expect("another id is not fenced");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["newer", "other"]);
    let again = older.stage(&[record(Topic::Events, 0, "again")]);
    assert!(again.is_err() || older.commit(&[consumed(4)], &owner.generation()).is_err(), "fenced for good");
    assert_eq!(read(&*log, Topic::Events, 0).len(), 2);
    assert_eq!(log.committed(GROUP, &[Partition(0)]).expect("committed"), [Some(consumed(3))]);
}

pub fn a_stale_generation_commits_nothing(harness: &mut dyn Harness) {
    let log = harness.log();
    let mut owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let stale = owner.generation();
    let mut transactor = log.transactor("t").expect("a transactor");
    let mut newcomer = Owner::join(&*log, GROUP, "newcomer");
    eventually("the newcomer owns a partition", || {
        owner.serve();
        newcomer.serve();
        !newcomer.owned.is_empty()
    });
    transactor.stage(&[record(Topic::Events, 0, "stale")]).expect("stages");
    let error = transactor.commit(&[consumed(1)], &stale).expect_err("fenced");
    assert!(matches!(error, CommitError::Fenced { .. }), "{error}");
    assert!(read(&*log, Topic::Events, 0).is_empty());
    assert_eq!(log.committed(GROUP, &[Partition(0)]).expect("committed"), [None]);
    let mut transactor = log.transactor("t").expect("a transactor");
    transactor.stage(&[record(Topic::Events, 0, "current")]).expect("stages");
    transactor.commit(&[consumed(2)], &newcomer.generation()).expect("commits");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["current"]);
}
