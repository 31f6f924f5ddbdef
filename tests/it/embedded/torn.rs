//! The newest log file, cut at every record boundary and inside records: what is acknowledged is there, or
//! the log says that it is not.

use std::path::Path;

use super::disk::{Moment, Outcome, boundaries, moments, newest_wal, open};

/// Every boundary, and places just behind it, in the middle and just before the next.
fn cuts(wal: &[u8]) -> Vec<usize> {
    let boundaries = boundaries(wal);
    let mut cuts = boundaries.clone();
    for pair in boundaries.windows(2) {
        cuts.extend([pair[0] + 1, pair[0] + 7, pair[0].midpoint(pair[1]), pair[1] - 1]);
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[test]
fn a_cut_below_what_was_acknowledged_is_an_error_that_changes_nothing() {
    let Moment { files, acknowledged } = moments(9).pop().expect("a moment");
    let wal = newest_wal(&files);
    let cuts = cuts(&files[&wal]);
    assert!(cuts.len() > 40, "{}", cuts.len());
    for cut in cuts {
        let mut torn = files.clone();
        torn.get_mut(&wal).expect("is there").truncate(cut);
        match open(&torn) {
            Outcome::Events(events) => {
                assert_eq!(
                    cut,
                    files[&wal].len(),
                    "opened without its last {} bytes",
                    files[&wal].len() - cut
                );
                assert_eq!(events, acknowledged);
            }
            Outcome::Corrupt(reason) => {
                assert!(cut < files[&wal].len(), "whole, but {reason}");
            }
        }
    }
}

/// The mark as it was some writes ago stands for a process that died before it acknowledged those.
#[test]
fn a_tail_beyond_what_was_acknowledged_is_cut() {
    let moments = moments(9);
    let (last, first) = (moments.last().expect("a moment"), &moments[5]);
    let wal = newest_wal(&last.files);
    assert_eq!(wal, newest_wal(&first.files), "both in one file");
    let acknowledged_to = first.files[&wal].len();
    let mut files = last.files.clone();
    files.insert("MARK".into(), first.files[Path::new("MARK")].clone());
    let mut seen = 0;
    for cut in cuts(&files[&wal]) {
        let mut torn = files.clone();
        torn.get_mut(&wal).expect("is there").truncate(cut);
        match open(&torn) {
            Outcome::Events(events) => {
                assert!(cut >= acknowledged_to, "opened at {cut}, acknowledged to {acknowledged_to}");
                assert!(first.acknowledged.iter().all(|a| events.contains(a)), "all acknowledged at {cut}");
                assert!(events.iter().all(|e| last.acknowledged.contains(e)), "nothing else at {cut}");
                let whole = moments.iter().any(|m| m.acknowledged == events);
                assert!(whole, "a write is there whole or not at all: {} events at {cut}", events.len());
                seen += 1;
            }
            Outcome::Corrupt(reason) => assert!(cut < acknowledged_to, "{cut}: {reason}"),
        }
    }
    assert!(seen > 5, "{seen}");

    // Pages beyond the last sync may reach the disk out of order: a hole, then good bytes.
    let mut holed = files.clone();
    let bytes = holed.get_mut(&wal).expect("is there");
    bytes[acknowledged_to..acknowledged_to + 20].fill(0);
    let Outcome::Events(events) = open(&holed) else { panic!("a hole in what nobody was told of") };
    assert_eq!(events, first.acknowledged);
}
