//! A disk that is full.

use inventory_store::snapshots::Work;
use inventory_store::snapshots::archive::ArchiveError;

use super::{archive, files, noise, write};
use crate::support::small_disk::SmallDisk;

#[test]
fn a_full_disk_is_named_and_leaves_the_bases_that_were_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(small) = SmallDisk::mount("an archive on a full disk", directory.path(), 3 << 20) else {
        return;
    };
    let archive = archive(directory.path());
    let first = write(&archive, 1, &noise(8, 64 << 10)).expect("there is room").base().id;
    let before = files(directory.path());
    for (next, rows) in [(2, noise(60, 64 << 10)), (3, noise(400, 64 << 10))] {
        let error = write(&archive, next, &rows).map(|_| ()).expect_err("there is no room");
        assert!(matches!(error, ArchiveError::DiskFull { .. }), "{error:?}");
        assert!(error.to_string().contains(directory.path().to_str().expect("UTF-8")), "{error}");
        assert_eq!(files(directory.path()), before, "what was written is gone again");
    }
    archive.verify(first, &Work::default()).expect("is sound");
    write(&archive, 4, &noise(8, 64 << 10)).expect("there is room again");
    drop(small);
}
