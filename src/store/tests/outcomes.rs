use super::fixtures::{PARTITION, fresh, reopen, sku, stores};
use crate::codec::command::CommandHash;
use crate::codec::result::{Outcome, Verdict};
use crate::store::Changes;
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

#[test]
fn outcomes_go_in_with_their_positions_and_the_oldest_go_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let mut store = fresh(&stores);
    let write = |store: &mut crate::store::StoreWriter, next: u64, put: &[(&str, i64)], before: i64| {
        let mut progress = store.progress().clone();
        progress.next_results = NextOffset(next);
        let mut changes = Changes::new(progress);
        for (id, time) in put {
            changes.put_outcome(&outcome(id, next), Timestamp(*time));
        }
        changes.drop_outcomes_before(Timestamp(before));
        store.commit(&changes).expect("written");
    };
    // Before 1970 too: times are ordered as numbers.
    write(&mut store, 3, &[("old", -5), ("again", 10), ("new", 30)], -100);
    let mut store = reopen(&stores, store);
    assert_eq!(store.progress().next_results, NextOffset(3));
    let known = |store: &crate::store::StoreWriter, id: &str| {
        let reader = store.reader();
        let found = reader.outcome(&sku("S"), "/test", id).expect("readable");
        assert_eq!(found, store.outcome(&sku("S"), "/test", id).expect("readable"));
        found.map(|kept| (kept.time.0, kept.outcome.command_position.offset.0))
    };
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

    let mut back = Changes::new(store.progress().clone());
    back.progress.next_results = NextOffset(5);
    store.commit(&back).expect_err("results are not folded backwards");
}
