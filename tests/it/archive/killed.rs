//! Killed at any moment, a writer leaves no base, or a whole one.

use std::path::Path;

use inventory_store::snapshots::Work;

use super::{archive, files, filled, noise, sweep, write};
use crate::support::child::{self, tell};
use crate::support::seed;

/// The child: base after base, each at the next position, until it is killed.
fn make_for_ever(directory: &Path) {
    let archive = archive(directory);
    let mut next = archive.list(None).expect("lists").bases.len() as u64;
    loop {
        next += 1;
        write(&archive, next, &noise(200 + next, 900)).expect("writes");
        tell("made", next);
    }
}

#[test]
fn a_writer_killed_anywhere_leaves_no_half_base() {
    if let Some(directory) = child::role() {
        make_for_ever(Path::new(&directory));
    }
    let mut random = fastrand::Rng::with_seed(seed());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    for _ in 0..6 {
        let name = "archive::killed::a_writer_killed_anywhere_leaves_no_half_base";
        let mut process = child::again(name, path);
        let mut said = 0;
        for _ in 0..random.u64(1..=12) {
            said = process.line("made ").expect("it goes on").parse().expect("a number");
        }
        // Anywhere within the next.
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..4000)));
        process.kill();

        let archive = archive(directory.path());
        let listing = archive.list(None).expect("lists");
        assert!(listing.bases.len() as u64 >= said, "{said} were made");
        assert_eq!(listing.unsound.len(), 0);
        for base in &listing.bases {
            archive.verify(base.id, &Work::default()).expect("what is a base is whole");
        }
        sweep(&archive);
        let of_bases: usize = listing.bases.iter().map(|base| 1 + base.manifest.files.len()).sum();
        assert_eq!(files(directory.path()).len(), of_bases, "nothing else is left");
    }
}

/// The child: all files but the last, no manifest, and then nothing.
fn stop_before_the_manifest(directory: &Path) {
    let writer = filled(&archive(directory), 7, &noise(280, 64 << 10)).expect("files");
    tell("files", files(directory).len() as u64);
    std::thread::park();
    drop(writer);
}

#[test]
fn files_without_a_manifest_are_no_base_and_are_swept() {
    if let Some(directory) = child::role() {
        stop_before_the_manifest(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    let mut process =
        child::again("archive::killed::files_without_a_manifest_are_no_base_and_are_swept", path);
    let said: u64 = process.line("files ").expect("it says so").parse().expect("a number");
    process.kill();
    assert!(said > 0, "at least the first file stands");

    let archive = archive(directory.path());
    let listing = archive.list(None).expect("lists");
    assert_eq!((listing.bases.len(), listing.unsound.len()), (0, 0));
    // The same base is made all the same, beside what lies there.
    write(&archive, 7, &noise(280, 64 << 10)).expect("writes");
    assert!(sweep(&archive) > 0);
    let listing = archive.list(None).expect("lists");
    let base = &listing.bases[0];
    archive.verify(base.id, &Work::default()).expect("is sound");
    assert_eq!(files(directory.path()).len(), 1 + base.manifest.files.len());
}
