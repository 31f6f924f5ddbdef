use super::*;

const NOON: &str = "2026-11-24T12:00:00Z";

/// One base a day before noon of the 24th: at `next` n, n days old.
fn days(archive: &Archive, partition: u16, ages: impl IntoIterator<Item = u64>) -> Vec<BaseId> {
    ages.into_iter()
        .map(|age| {
            let created = format!("2026-11-{:02}T12:00:00Z", 24 - age);
            write(archive, partition, 100 - age, &rows(3), &created).base().id
        })
        .collect()
}

fn keep(newest: usize, days: u32) -> Keeping {
    Keeping { newest, within: DAY * days }
}

fn removed(pruned: &Pruned) -> Vec<BaseId> {
    let mut ids: Vec<BaseId> = pruned.removed.iter().map(|base| base.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_base_goes_when_count_and_age_both_say_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let ids = days(&archive, 1, [20, 10, 5, 1]);
    let other = days(&archive, 2, [20]);

    let shown = archive.prune(keep(1, 7), time(NOON), true, &Work::default()).expect("prunes");
    assert_eq!(removed(&shown), ids[..2]);
    assert_eq!(archive.list(None).expect("lists").bases.len(), 5, "only shown");

    let pruned = archive.prune(keep(3, 7), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!(removed(&pruned), ids[..1]);
    let pruned = archive.prune(keep(1, 0), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!(removed(&pruned), ids[1..3]);
    assert_eq!(pruned.kept, [ids[3], other[0]], "the last of a partition stays, however old");
    assert_eq!(files(directory.path()).len(), 4, "nothing else is left");
}

#[test]
fn the_last_sound_base_stays_though_newer_ones_are_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let ids = days(&archive, 1, [20, 10]);
    let rows_file = files(directory.path())
        .into_iter()
        .find(|name| name.starts_with(&ids[1].folder()) && name.ends_with(".rows"))
        .expect("is there");
    std::fs::write(directory.path().join(rows_file), "damaged").expect("writes");

    let pruned = archive.prune(keep(1, 0), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!((removed(&pruned), pruned.held_back.as_slice()), (vec![], &[Partition(1)][..]));
    assert_eq!(pruned.unsound[0].id, ids[1]);
    verify(&archive, ids[0]).expect("is still there");

    // Once a sound one is there, the old ones may go.
    let newest = days(&archive, 1, [1]);
    let pruned = archive.prune(keep(1, 0), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!((removed(&pruned), pruned.kept), (ids, newest));
}

#[test]
fn a_superseded_base_counts_for_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let ids = days(&archive, 1, [3, 2, 1]);
    archive.supersede(ids[2], "a repair").expect("marks");
    let pruned = archive.prune(keep(1, 0), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!(removed(&pruned), [ids[0], ids[2]]);
    archive.supersede(ids[1], "a repair").expect("marks");
    let pruned = archive.prune(keep(1, 0), time(NOON), false, &Work::default()).expect("prunes");
    assert_eq!((removed(&pruned), pruned.kept), (vec![], vec![ids[1]]), "no sound one is there");
}

/// What a killed writer leaves is no base, and goes once it is old enough not to be one at work.
#[test]
fn files_of_no_base_are_swept() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let id = write(&archive, 1, 9, &rows(3), "2026-11-24T10:00:00Z").base().id;
    archive.supersede(id, "a repair").expect("marks");
    let before = files(directory.path());
    let lay = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("makes");
        std::fs::write(path, "half a base").expect("writes");
    };
    lay(&format!("{}/rows-0000000000000001-00000.rows", id.folder()));
    lay("002/00000000000000000042-9f86d081884c7d65/rows-0000000000000001-00000.rows");
    lay("002/00000000000000000042-9f86d081884c7d65/rows-0000000000000001-00001.rows#1");
    lay("README.md");

    assert_eq!(archive.list(None).expect("lists").bases.len(), 1);
    // The files' own times are the machine's: 1970 and the year 9999 stand for just now and long ago.
    assert_eq!(archive.sweep(DAY, time("1970-01-02T00:00:00Z")).expect("sweeps"), 0);
    assert_eq!(archive.sweep(DAY, time("9999-01-01T00:00:00Z")).expect("sweeps"), 3);
    let mut left = before;
    left.push("README.md".into());
    left.sort();
    assert_eq!(files(directory.path()), left);
    verify(&archive, id).expect("is sound");
}
