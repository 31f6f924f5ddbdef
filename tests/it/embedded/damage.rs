//! Flipped bits and files gone: all acknowledged records, or [`LogError::Corrupt`]; never a panic, never
//! fewer records in silence.

use std::path::PathBuf;

use inventory_store::log::embedded::EmbeddedLog;

use crate::conformance::embedded::config;

use super::disk::{Files, Moment, Outcome, boundaries, files, lay_out, moments, newest_wal, open};

fn flip(files: &Files, path: &PathBuf, at: usize, bit: u8) -> Files {
    let mut flipped = files.clone();
    flipped.get_mut(path).expect("is there")[at] ^= 1 << bit;
    flipped
}

#[test]
fn a_flipped_bit_in_the_newest_log_file_is_noticed() {
    let Moment { files, .. } = moments(9).pop().expect("a moment");
    let wal = newest_wal(&files);
    for pair in boundaries(&files[&wal]).windows(2) {
        // Checksum, both bytes of the length, type, payload.
        for (i, at) in [pair[0], pair[0] + 4, pair[0] + 5, pair[0] + 6, pair[0] + 12, pair[1] - 1]
            .into_iter()
            .enumerate()
        {
            let bit = ((pair[0] + i) % 8) as u8;
            match open(&flip(&files, &wal, at, bit)) {
                Outcome::Corrupt(_) => {}
                Outcome::Events(events) => panic!("byte {at} bit {bit}: opened with {} events", events.len()),
            }
        }
    }
}

/// The same once the records have gone from the log file to tables.
#[test]
fn a_flipped_bit_in_any_other_file_is_noticed_or_does_no_harm() {
    let Moment { files: left, acknowledged } = moments(9).pop().expect("a moment");
    let directory = lay_out(&left);
    // Opening after a crash writes what was replayed into a table.
    drop(EmbeddedLog::open(directory.path(), &config()).expect("opens"));
    let files = files(directory.path());
    assert!(files.keys().any(|path| path.extension().is_some_and(|e| e == "sst")), "{:?}", files.keys());
    let mut noticed = 0;
    for (path, bytes) in &files {
        let step = (bytes.len() / 12).max(1);
        for at in (0..bytes.len()).step_by(step) {
            match open(&flip(&files, path, at, (at % 8) as u8)) {
                Outcome::Corrupt(_) => noticed += 1,
                Outcome::Events(events) => assert_eq!(events, acknowledged, "{} byte {at}", path.display()),
            }
        }
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn a_file_that_is_gone_or_cut_is_noticed() {
    let Moment { files, acknowledged } = moments(5).pop().expect("a moment");
    for path in files.keys() {
        let mut gone = files.clone();
        let bytes = gone.remove(path).expect("is there");
        let mut half = gone.clone();
        half.insert(path.clone(), bytes[..bytes.len() / 2].to_vec());
        for (what, files) in [("gone", gone), ("cut to its half", half)] {
            if files == self::files(lay_out(&files).path()) && bytes.is_empty() {
                continue;
            }
            if let Outcome::Events(events) = open(&files) {
                assert_eq!(events, acknowledged, "{} {what}", path.display());
                let name = path.to_string_lossy().into_owned();
                assert!(
                    !name.ends_with("MARK") && !name.ends_with("CURRENT"),
                    "{name} {what}, and nothing said"
                );
            }
        }
    }
    let only_mark: Files = files.into_iter().filter(|(path, _)| path.ends_with("MARK")).collect();
    assert!(matches!(open(&only_mark), Outcome::Corrupt(_)), "the whole database is gone");
}
