//! Between real stores and the archive.

use super::*;
use crate::snapshots::Wanted;
use crate::snapshots::restore::{Restored, from_archive};
use crate::snapshots::tests::{P, Stage, content, projector, stores};
use crate::store::{PartitionStores, StoreWriter};

fn made(archive: &Archive, store: &StoreWriter) -> BaseId {
    let published = archive.create(&store.reader(), origin("2026-11-24T10:00:00Z"), &Work::default());
    published.expect("made").base().id
}

fn restore(
    archive: &Archive,
    id: BaseId,
    stores: &PartitionStores,
    wanted: &Wanted,
) -> Result<Restored, BaseError> {
    let base = archive.base(id)?;
    from_archive(archive, &base, stores, wanted, &Work::default())
}

#[test]
fn a_base_brings_back_what_it_was_made_of_and_the_tail_the_rest() {
    let mut stage = Stage::new(2);
    let stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    stage.happen(300);
    stage.fold(&mut owner, usize::MAX);
    let archive = archive(&stage.directory.path().join("archive"));
    let id = made(&archive, owner.store());
    assert_eq!(made(&archive, owner.store()), id, "the same state is the same base");

    stage.happen(50);
    let other = stage.stores();
    let restored = restore(&archive, id, &other, &stage.wanted()).expect("restored");
    assert_eq!(content(&restored.store), content(owner.store()));
    assert!(restored.store.meta().baseline, "the topic may hold anything");
    let mut next = projector(restored.store);
    stage.fold(&mut next, usize::MAX);
    assert_eq!(content(next.store()), stage.replayed());
}

/// Nothing of a base that is not sound to its last row is ever taken for a generation.
#[test]
fn a_damaged_base_leaves_no_generation() {
    let mut stage = Stage::new(3);
    let stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    stage.happen(200);
    stage.fold(&mut owner, usize::MAX);
    let root = stage.directory.path().join("archive");
    let archive = archive(&root);
    let id = made(&archive, owner.store());
    let file = root.join(archive.base(id).expect("is there").file_name(0));
    let mut bytes = std::fs::read(&file).expect("reads");
    // In the digest of the file's totals: every row is read and put before it shows.
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).expect("writes");

    let other = stage.stores();
    match restore(&archive, id, &other, &stage.wanted()).map(|_| ()) {
        Err(BaseError::Archive(ArchiveError::Corrupt { file, .. })) => {
            assert!(file.ends_with(".rows"), "{file}")
        }
        other => panic!("expected damage, got {other:?}"),
    }
    assert_eq!(other.generations(P).expect("looks"), []);

    let stopped = Work::default();
    stopped.stop();
    let refused = archive.create(&owner.store().reader(), origin("2026-11-24T11:00:00Z"), &stopped);
    assert!(refused.is_ok(), "fewer rows than there are between two looks");
}

#[test]
fn another_clusters_base_is_refused() {
    let mut stage = Stage::new(4);
    let stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    stage.happen(20);
    stage.fold(&mut owner, usize::MAX);
    let archive = archive(&stage.directory.path().join("archive"));
    let id = made(&archive, owner.store());
    let mut wanted = stage.wanted();
    wanted.cluster_id = "another".into();
    let other: PartitionStores = stage.stores();
    let refused = restore(&archive, id, &other, &wanted).map(|_| ()).expect_err("foreign");
    assert!(matches!(refused, BaseError::Foreign { what: "cluster", .. }), "{refused}");
    assert_eq!(other.generations(P).expect("looks"), []);
}

/// The archive in the repository's `snapshots` folder, made by format 1, stays readable for ever: its rows,
/// byte for byte, its digest and its position, as they were written out when it was made.
#[test]
fn the_golden_archive_is_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/golden");
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/archive/content.txt");
    if std::env::var_os("INVENTORY_STORE_WRITE_GOLDEN").is_some() && !root.exists() {
        let mut stage = Stage::new(1);
        let stores = stage.stores();
        let mut owner = projector(stores.create(stage.identity()).expect("a store"));
        stage.happen(200);
        stage.fold(&mut owner, usize::MAX);
        made(&archive(&root), owner.store());
        std::fs::create_dir_all(content.parent().expect("a directory")).expect("makes");
        std::fs::write(&content, written_out(&crate::snapshots::tests::content(owner.store())))
            .expect("writes");
    }
    let archive = archive(&root);
    let listing = archive.list(None).expect("lists");
    let [base] = &listing.bases[..] else { panic!("there is one, not {listing:?}") };
    let id = base.id;
    verify(&archive, id).expect("is sound");
    let meta = base.manifest.meta();

    let stage = Stage::new(1);
    let stores = stores(stage.directory.path());
    let mut wanted = stage.wanted();
    wanted.cluster_id.clone_from(&meta.identity.cluster_id);
    wanted.bounds.high_watermark = NextOffset(200);
    let restored = restore(&archive, id, &stores, &wanted).expect("restored");
    let found = written_out(&crate::snapshots::tests::content(&restored.store));
    assert_eq!(found, std::fs::read_to_string(&content).expect("reads"));
    let skus = restored.store.reader().scan(None, 1000).expect("rows that can be read");
    assert_eq!(skus.len() as u64, meta.progress.counters.skus);
}

/// Position and digest, then a line per row: key and value in hexadecimal.
fn written_out(content: &crate::snapshots::tests::Content) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text = format!("next {}\ndigest {}\n", content.next, Digest(content.digest));
    for (key, value) in &content.rows {
        text.push_str(&format!("{} {}\n", hexadecimal(key), hexadecimal(value)));
    }
    text
}
