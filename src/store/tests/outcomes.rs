use rocksdb::IteratorMode;

use super::fixtures::{PARTITION, fresh, reopen, sku, stores};
use crate::codec::command::CommandHash;
use crate::codec::result::{Outcome, Verdict};
use crate::store::options::OUTCOMES;
use crate::store::{Changes, StoreWriter};
use crate::types::{NextOffset, Offset, Position, Timestamp, Version};

fn outcome(id: &str, offset: u64) -> Outcome {
    Outcome {
        sku: sku("S"),
        command_source: "/test".into(),
        command_id: id.into(),
        command_type: "t".into(),
        command_hash: CommandHash([1; 32]),
        command_position: Position { partition: PARTITION, offset: Offset(offset) },
        version: Version(1),
        verdict: Verdict::Accepted { event_ids: Vec::new() },
    }
}

fn write(store: &mut StoreWriter, next: u64, put: &[(&str, i64)], before: i64) {
    let mut progress = store.progress().clone();
    progress.next_results = NextOffset(next);
    let mut changes = Changes::new(progress);
    for (id, time) in put {
        changes.put_outcome(&outcome(id, next), Timestamp(*time));
    }
    changes.drop_outcomes_before(Timestamp(before));
    store.commit(&changes).expect("written");
}

/// The time of an outcome's result, and the offset of its command.
fn known(store: &StoreWriter, id: &str) -> Option<(i64, u64)> {
    let reader = store.reader();
    let found = reader.outcome(&sku("S"), "/test", id).expect("readable");
    assert_eq!(found, store.outcome(&sku("S"), "/test", id).expect("readable"));
    found.map(|kept| (kept.time.0, kept.outcome.command_position.offset.0))
}

/// How many keys there are.
fn keys(store: &StoreWriter) -> usize {
    let family = store.database.family(OUTCOMES).expect("there");
    store.database.db.iterator_cf(family, IteratorMode::Start).count()
}

#[test]
fn outcomes_go_in_with_their_positions_and_the_oldest_go_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let mut store = fresh(&stores);
    // Before 1970 too: times are ordered as numbers.
    write(&mut store, 3, &[("old", -5), ("again", 10), ("new", 30)], -100);
    let mut store = reopen(&stores, store);
    assert_eq!(store.progress().next_results, NextOffset(3));
    assert_eq!([known(&store, "old"), known(&store, "again")], [Some((-5, 3)), Some((10, 3))]);
    assert_eq!(store.reader().outcome(&sku("S"), "/other", "new").expect("readable"), None);

    // A name that was let go of and is used again is not dropped with its older self.
    write(&mut store, 4, &[("again", 40)], -100);
    write(&mut store, 5, &[], 20);
    assert_eq!(
        [known(&store, "old"), known(&store, "again"), known(&store, "new")],
        [None, Some((40, 4)), Some((30, 3))]
    );
    write(&mut store, 6, &[], i64::MAX);
    assert_eq!([known(&store, "again"), known(&store, "new")], [None, None]);
    assert_eq!(keys(&store), 0);

    let mut back = Changes::new(store.progress().clone());
    back.progress.next_results = NextOffset(5);
    store.commit(&back).expect_err("results are not folded backwards");
}

#[test]
fn an_outcome_that_takes_the_place_of_one_that_goes_with_the_same_write_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = fresh(&stores(&directory, 1));
    write(&mut store, 1, &[("again", 10)], 0);
    write(&mut store, 2, &[("again", 5000)], 20);
    assert_eq!(known(&store, "again"), Some((5000, 2)));
    write(&mut store, 3, &[], 5001);
    assert_eq!((known(&store, "again"), keys(&store)), (None, 0));
}

#[test]
fn what_a_write_has_of_one_second_is_dated_once_and_no_earlier_than_its_newest() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = fresh(&stores(&directory, 1));
    let put = [("a", 1000), ("b", 1999), ("c", 1500), ("d", 2000), ("e", 2001)];
    write(&mut store, 1, &put, 0);
    assert_eq!(keys(&store), 5 + 2);
    write(&mut store, 2, &[], 1999);
    assert_eq!(["a", "b", "c", "d", "e"].map(|id| known(&store, id).is_some()), [true; 5]);
    write(&mut store, 3, &[], 2000);
    let there = ["a", "b", "c", "d", "e"].map(|id| known(&store, id).is_some());
    assert_eq!(there, [false, false, false, true, true]);
    write(&mut store, 4, &[], 2002);
    assert_eq!(keys(&store), 0);
}

/// As every store was written once.
#[test]
fn outcomes_that_are_dated_one_by_one_are_dropped_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = fresh(&stores(&directory, 1));
    write(&mut store, 1, &[("old", 1000), ("new", 1001)], 0);
    let family = store.database.family(OUTCOMES).expect("there");
    let dates: Vec<_> =
        store.database.db.iterator_cf(family, IteratorMode::Start).map(Result::unwrap).collect();
    let (named, dated): (Vec<_>, Vec<_>) = dates.into_iter().partition(|(key, _)| key[0] == 1);
    for (key, _) in dated {
        store.database.db.delete_cf(family, key).expect("deleted");
    }
    for (key, value) in named {
        // 0x02, the time with its sign flipped, the outcome's key; no value.
        let mut dated = vec![2, value[0] ^ 0x80];
        dated.extend_from_slice(&value[1..8]);
        dated.extend_from_slice(&key[1..]);
        store.database.db.put_cf(family, dated, []).expect("put");
    }
    write(&mut store, 2, &[], 1001);
    assert_eq!([known(&store, "old"), known(&store, "new")], [None, Some((1001, 1))]);
    write(&mut store, 3, &[], 1002);
    assert_eq!(keys(&store), 0);
}
