//! Rebuilds on the embedded log.

use std::time::Duration;

use super::*;
use crate::config::ArchiveConfig;
use crate::domain::Rules;
use crate::log::Log;
use crate::projector::ProjectorSettings;
use crate::snapshots::Work;
use crate::snapshots::archive::{Archive, Origin, Published};
use crate::snapshots::tests::{P, Stage, content, projector};
use crate::store::{PartitionStores, StoreReader};
use crate::types::{NextOffset, Topic, UtcTime};

fn archive(stage: &Stage) -> Archive {
    let url = stage.directory.path().join("archive").display().to_string();
    Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens")
}

fn rebuild<'a>(
    stage: &'a Stage,
    stores: &'a PartitionStores,
    archive: &'a Archive,
    plan: Plan,
) -> Rebuild<'a> {
    Rebuild {
        log: stage.log.as_ref() as &dyn Log,
        stores,
        archive,
        projector: ProjectorSettings {
            rules: Rules { own_source: "inventory-store".into() },
            max_record_bytes: 1 << 20,
            dedupe_window_ms: 86_400_000,
        },
        memory: 1 << 20,
        read_memory: 4000,
        patience: Duration::from_millis(500),
        plan,
        history_from: std::collections::BTreeMap::new(),
        keep: false,
    }
}

fn beginning(stop: Stop) -> Plan {
    Plan { begin: Begin::Beginning, stop, partial: false }
}

fn at(next: u64) -> std::collections::BTreeMap<crate::types::Partition, NextOffset> {
    [(P, NextOffset(next))].into()
}

/// Makes a base of the archive of the store.
fn keep(archive: &Archive, store: &StoreReader) {
    store.freeze(|frozen| {
        let origin = Origin {
            created_at: UtcTime::new(1_793_536_496, 7).expect("a time"),
            created_from: "a test".into(),
        };
        let mut writer = archive.begin(frozen.meta().expect("meta"), origin).expect("begins");
        let mut rows = frozen.rows().expect("rows");
        while let Some((key, value)) = rows.advance().expect("reads") {
            writer.put(key, value).expect("put");
        }
        assert!(matches!(writer.publish().expect("published"), Published::New(_)));
    });
}

#[test]
fn stops_at_the_very_position_and_goes_on_after_an_interruption() {
    let mut stage = Stage::new(4);
    stage.happen(300);
    let stores = stage.stores();
    let archive = archive(&stage);
    let job = rebuild(&stage, &stores, &archive, beginning(Stop::At(at(123))));
    let work = Work::default();
    let started = job.start(P, &work).expect("starts");
    drop(started);
    work.stop();
    assert!(matches!(job.run(P, &work).err(), Some(JobError::Interrupted)));
    let (store, rebuilt) = job.run(P, &Work::default()).expect("goes on");
    assert_eq!((rebuilt.next, rebuilt.events), (NextOffset(123), 123));
    assert_eq!(stores.generations(P).expect("reads").len(), 1, "in the generation it had begun");
    assert_eq!(store.recount().expect("recounts").digest.0, store.meta().digest);

    let whole = stage.stores();
    let job = rebuild(&stage, &whole, &archive, beginning(Stop::End));
    let (store, _) = job.run(P, &Work::default()).expect("rebuilt");
    let content_now = content(&store);
    drop(store);
    assert_eq!(content_now, stage.replayed());
    let job = rebuild(&stage, &whole, &archive, beginning(Stop::At(at(9999))));
    assert!(matches!(job.run(P, &Work::default()).err(), Some(JobError::BeyondEnd { .. })));
}

#[test]
fn begins_at_the_newest_base_before_and_refuses_without_one_unless_partial() {
    let mut stage = Stage::new(4);
    let stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    let archive = archive(&stage);
    stage.happen(100);
    stage.fold(&mut owner, usize::MAX);
    keep(&archive, &owner.store().reader());
    stage.happen(100);
    stage.fold(&mut owner, usize::MAX);
    assert!(stage.publish(&mut owner, usize::MAX, |_, _| {}));
    stage.happen(50);
    let expected = stage.replayed();
    let from = |next| Plan { begin: Begin::At(at(next)), stop: Stop::End, partial: false };
    for (next, base, covers) in [(220, "checkpoint", 200), (150, "base", 100), (50, "beginning", 0)] {
        let scratch = stage.stores();
        let (store, rebuilt) =
            rebuild(&stage, &scratch, &archive, from(next)).run(P, &Work::default()).expect("rebuilt");
        assert!(rebuilt.base.contains(base), "{next}: {}", rebuilt.base);
        assert_eq!(rebuilt.covers_from, NextOffset(covers));
        assert_eq!(content(&store), expected);
    }

    // The log forgets: now the oldest base it still reaches is the beginning.
    stage.log.truncate(Topic::Events, P, NextOffset(60)).expect("truncated");
    let scratch = stage.stores();
    let (store, rebuilt) =
        rebuild(&stage, &scratch, &archive, beginning(Stop::End)).run(P, &Work::default()).expect("rebuilt");
    assert_eq!(rebuilt.covers_from, NextOffset(100));
    assert_eq!(content(&store), expected);
    let scratch = stage.stores();
    let refused = rebuild(&stage, &scratch, &archive, from(80)).run(P, &Work::default()).err();
    assert!(matches!(refused, Some(JobError::NoBase { .. })));
    let partial = Plan { partial: true, ..from(80) };
    let (store, rebuilt) =
        rebuild(&stage, &scratch, &archive, partial).run(P, &Work::default()).expect("rebuilt");
    assert!(rebuilt.partial && store.meta().partial && rebuilt.events == 170);
}

/// Rows spoiled on purpose are found, row by row.
#[test]
fn a_comparison_names_every_row_that_differs() {
    let mut stage = Stage::new(4);
    stage.happen(200);
    let archive = archive(&stage);
    let (good, spoiled) = (stage.stores(), stage.stores());
    let build = |stores: &PartitionStores| {
        rebuild(&stage, stores, &archive, beginning(Stop::End)).run(P, &Work::default()).expect("rebuilt").0
    };
    let good = build(&good);
    let mut bad = build(&spoiled);
    let mut same = 0;
    let compared = compare(&bad.reader(), &good.reader(), Sample::ALL, &mut |_| same += 1).expect("compares");
    assert_eq!((compared.differences, same), (0, 0));
    assert_eq!(compared.rows, good.meta().rows);

    let (sku, mut row) = bad.reader().scan(None, 1).expect("reads").remove(0);
    let loaded = bad.load_stock(sku.as_str()).expect("reads").expect("a row");
    row.on_hand = crate::types::Quantity::new(987_654).expect("a quantity");
    let mut progress = bad.progress().clone();
    progress.next = progress.next.max(NextOffset(1));
    let mut changes = crate::store::Changes::new(progress);
    changes.put_stock(sku.as_str(), &row, Some(loaded.hash));
    bad.commit(&changes).expect("spoils");
    let mut found = Vec::new();
    let compared =
        compare(&bad.reader(), &good.reader(), Sample::ALL, &mut |difference| found.push(difference))
            .expect("compares");
    assert_eq!(compared.differences, 1);
    assert_eq!(found[0].key, sku.as_str().as_bytes());
    let some = compare(&bad.reader(), &good.reader(), Sample(30), &mut |_| {}).expect("compares");
    assert!(some.rows < compared.rows);
}
