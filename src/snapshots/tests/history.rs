//! Snapshot and tail are the full replay, byte for byte, whatever happened in between.

use proptest::prelude::*;

use super::*;
use crate::snapshots::restore::from_archive;

#[derive(Debug, Clone)]
enum Act {
    Happen {
        events: usize,
    },
    /// A cycle, cut off after so many chunks if it has more; events go on between its chunks.
    Publish {
        chunks: usize,
        between: usize,
    },
    Compact,
    /// Killed in the middle of a cycle, after so many chunks are in the topic; after the checkpoint too, where it
    /// had no more: then what was under way is found complete, or cut off, at the next start.
    Kill {
        chunks: usize,
    },
    /// A base of the archive.
    Keep,
    /// The store is lost; another owner restores the newest base of the archive.
    RestoreKept,
    /// An owner that kept a store goes on with it after others have published since.
    Return,
    /// Stopped and started again where it was.
    Reopen,
    /// The store is lost; another owner restores it.
    Restore,
    /// A bulk catch-up: its next cycle is a baseline.
    Bulk {
        events: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..60_usize).prop_map(|events| Act::Happen { events }),
        5 => (prop_oneof![0..4_usize, Just(1000)], 0..20_usize)
            .prop_map(|(chunks, between)| Act::Publish { chunks, between }),
        2 => Just(Act::Compact),
        3 => prop_oneof![0..4_usize, Just(1000)].prop_map(|chunks| Act::Kill { chunks }),
        1 => Just(Act::Keep),
        1 => Just(Act::RestoreKept),
        1 => Just(Act::Return),
        1 => Just(Act::Reopen),
        2 => Just(Act::Restore),
        1 => (1..40_usize).prop_map(|events| Act::Bulk { events }),
    ];
    prop::collection::vec(act, 1..14)
}

/// Runs the acts, and in the end a last owner's restore.
fn run(seed: u64, acts: &[Act]) {
    let mut stage = Stage::new(seed);
    let mut stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    stores.activate(P, owner.store().generation()).expect("active");
    let mut has_base = false;
    let archive = stage.archive();
    let mut kept = false;
    // What an earlier owner left behind.
    let mut left: Vec<PartitionStores> = Vec::new();
    for act in acts {
        match *act {
            Act::Happen { events } => {
                stage.happen(events);
                stage.fold(&mut owner, usize::MAX);
            }
            Act::Publish { chunks, between } => {
                has_base |= stage.publish(&mut owner, chunks, |stage, owner| {
                    stage.happen(between);
                    stage.fold(owner, between / 2);
                });
            }
            Act::Compact => stage.compact(),
            Act::Kill { chunks } => {
                let complete = stage.kill_publishing(&mut owner, chunks);
                has_base |= complete;
                drop(owner);
                let mut store = stores.open_live(P).expect("opens").expect("is served");
                let under_way = store.meta().under_way.expect("noted before its first chunk");
                // The group's position says which, at a start.
                if complete {
                    store.finish_cycle(under_way.cycle).expect("finishes");
                } else {
                    store.cut_cycle().expect("cut");
                }
                owner = projector(store);
            }
            Act::Keep => {
                kept = true;
                stage.keep(&archive, owner.store());
            }
            Act::RestoreKept if kept => {
                drop(owner);
                left.push(std::mem::replace(&mut stores, stage.stores()));
                let (base, _) = archive.newest(P, None, None).expect("is asked");
                let base = base.expect("one was kept");
                let restored = from_archive(&archive, &base, &stores, &stage.wanted(), &Work::default());
                let restored = restored.expect("restored");
                stores.activate(P, restored.store.generation()).expect("active");
                owner = projector(restored.store);
                stage.fold(&mut owner, usize::MAX);
            }
            Act::RestoreKept => {}
            Act::Return => {
                if let Some(earlier) = left.pop() {
                    drop(owner);
                    left.push(std::mem::replace(&mut stores, earlier));
                    let mut store = stores.open_live(P).expect("opens").expect("is served");
                    // Its rows are right and its marks are not: others have published since.
                    store.require_baseline().expect("noted");
                    owner = projector(store);
                    stage.fold(&mut owner, usize::MAX);
                }
            }
            Act::Reopen => {
                drop(owner);
                owner = projector(stores.open_live(P).expect("opens").expect("is served"));
            }
            Act::Restore if has_base => {
                drop(owner);
                left.push(std::mem::replace(&mut stores, stage.stores()));
                let restored = stage.restore(&stores).expect("restored");
                stores.activate(P, restored.store.generation()).expect("active");
                owner = projector(restored.store);
                stage.fold(&mut owner, usize::MAX);
            }
            Act::Restore => {}
            Act::Bulk { events } => {
                owner.set_mode(Mode::Bulk).expect("bulk");
                stage.happen(events);
                stage.fold(&mut owner, usize::MAX);
                owner.set_mode(Mode::Live).expect("live");
            }
        }
    }
    stage.fold(&mut owner, usize::MAX);
    let expected = stage.replayed();
    assert_eq!(content(owner.store()), expected);
    if has_base {
        let stores = stage.stores();
        let restored = stage.restore(&stores).expect("restored");
        let mut last = projector(restored.store);
        stage.fold(&mut last, usize::MAX);
        assert_eq!(content(last.store()), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Invariant 5, and 2 across a restore: for any history, any snapshot points, any cut, any compaction.
    #[test]
    fn snapshot_and_tail_are_the_full_replay((seed, acts) in (any::<u64>(), acts())) {
        run(seed, &acts);
    }
}

/// The one that the hash before exists for: the checkpoint is checked though a cycle cut off after it has
/// replaced some of its records for good.
#[test]
fn a_checkpoint_is_checked_though_a_cycle_cut_off_has_replaced_records() {
    run(
        3,
        &[
            Act::Happen { events: 200 },
            Act::Publish { chunks: 1000, between: 0 },
            Act::Happen { events: 100 },
            Act::Publish { chunks: 2, between: 5 },
            Act::Compact,
            Act::Restore,
            Act::Happen { events: 20 },
            Act::Publish { chunks: 1, between: 3 },
            Act::Compact,
            Act::Restore,
            Act::Publish { chunks: 1000, between: 3 },
            Act::Compact,
        ],
    );
}

#[test]
fn a_baseline_over_an_older_topic_ends_rows_that_are_no_more() {
    run(
        9,
        &[
            Act::Happen { events: 300 },
            Act::Publish { chunks: 1000, between: 0 },
            Act::Bulk { events: 300 },
            Act::Publish { chunks: 3, between: 0 },
            Act::Bulk { events: 10 },
            Act::Publish { chunks: 1000, between: 10 },
            Act::Compact,
        ],
    );
}
