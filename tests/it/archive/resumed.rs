//! A restore from the archive that is killed or interrupted goes on where it was.

use std::path::Path;
use std::sync::Arc;

use inventory_store::log::Bounds;
use inventory_store::snapshots::archive::Base;
use inventory_store::snapshots::restore::{Restored, from_archive};
use inventory_store::snapshots::{BaseError, Wanted, Work};
use inventory_store::types::{NextOffset, Partition};

use super::{Rows, archive, noise, write};
use crate::support::child::{self, tell};
use crate::support::lanes::stores;
use crate::support::seed;

const P: Partition = Partition(0);

/// Four files' worth.
fn rows() -> Rows {
    noise(500, 64 << 10)
}

fn restore(directory: &Path, work: &Work) -> Result<Restored, BaseError> {
    let archive = archive(&directory.join("archive"));
    let base: Base = archive.list(Some(P)).expect("lists").bases.pop().expect("a base");
    let ends = NextOffset(100);
    let wanted = Wanted {
        partition: P,
        partition_count: 1,
        cluster_id: "a-cluster".into(),
        bounds: Bounds { start: NextOffset(0), last_stable: ends, high_watermark: ends },
        at_most: None,
    };
    from_archive(&archive, &base, &stores(&directory.join("data")), &wanted, work)
}

/// The rows of the base, all of them, and nothing left of earlier attempts. Gives how many were written now.
fn ends_well(directory: &Path, all: &Rows) -> u64 {
    let work = Work::default();
    let restored = restore(directory, &work).expect("restored");
    let (recount, meta) = (restored.store.recount().expect("recounts"), restored.store.meta());
    assert_eq!((recount.rows, recount.digest.0), (meta.rows, meta.digest));
    assert_eq!((restored.rows, meta.rows), (all.len() as u64, all.len() as u64));
    drop(restored);
    let home = directory.join("data/partitions/000");
    let names = |path: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert!(names(&home).iter().all(|name| !name.contains('.')), "{:?}", names(&home));
    assert_eq!(names(&home.join("scratch")), Vec::<String>::new());
    work.done().rows
}

fn place(all: &Rows) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write(&archive(&directory.path().join("archive")), 7, all).expect("a base");
    directory
}

#[test]
fn an_interrupted_restore_goes_on_where_it_was() {
    let all = rows();
    let directory = place(&all);
    let work = Arc::new(Work::default());
    std::thread::scope(|scope| {
        let watched = Arc::clone(&work);
        scope.spawn(move || {
            while watched.done().rows < 300 {
                std::thread::yield_now();
            }
            watched.stop();
        });
        match restore(directory.path(), &work) {
            Err(BaseError::Interrupted) => {}
            Ok(_) => panic!("it was not interrupted"),
            Err(error) => panic!("{error}"),
        }
    });
    let written = ends_well(directory.path(), &all);
    assert!(written < all.len() as u64, "{written} rows were written again");
}

/// kill -9 wherever it hits: rows noted are not written again, and nothing is doubled or lost.
#[test]
fn a_restore_killed_anywhere_goes_on_where_it_was() {
    if let Some(directory) = child::role() {
        let work = Arc::new(Work::default());
        let watched = Arc::clone(&work);
        std::thread::spawn(move || {
            let mut told = 0;
            loop {
                let rows = watched.done().done;
                if rows > told {
                    told = rows;
                    tell("row", told);
                }
            }
        });
        let _ = restore(Path::new(&directory), &work);
        tell("row", u64::MAX);
        std::thread::park();
    }
    let mut random = fastrand::Rng::with_seed(seed());
    let all = rows();
    let directory = place(&all);
    let path = directory.path().to_str().expect("UTF-8");
    for _ in 0..4 {
        let name = "archive::resumed::a_restore_killed_anywhere_goes_on_where_it_was";
        let mut process = child::again(name, path);
        let until = random.u64(1..all.len() as u64);
        while process.line("row ").expect("it goes on").parse::<u64>().expect("a number") < until {}
        process.kill();
    }
    ends_well(directory.path(), &all);
}

#[cfg(feature = "failpoints")]
#[test]
fn what_was_noted_before_a_kill_is_not_written_again() {
    use inventory_store::failpoint::RESTORE_KEPT;
    if let Some(directory) = child::role() {
        fail::cfg(RESTORE_KEPT, "1*off->return").expect("a failpoint");
        let _ = restore(Path::new(&directory), &Work::default());
        panic!("it dies at its second note");
    }
    let all = rows();
    let directory = place(&all);
    let path = directory.path().to_str().expect("UTF-8");
    let name = "archive::resumed::what_was_noted_before_a_kill_is_not_written_again";
    let mut process = child::again(name, path);
    assert_eq!(process.line("nothing more"), None, "it is gone");
    process.kill();
    let written = ends_well(directory.path(), &all);
    assert!(
        written < all.len() as u64 * 3 / 5,
        "two of four files were noted, and {written} rows written again"
    );
}
