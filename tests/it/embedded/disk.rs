//! A log's files as they are at one moment, and RocksDB's write-ahead log taken apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::{Consumed, Log, LogError};
use inventory_store::types::{NextOffset, Partition, Topic};

use crate::conformance::embedded::config;
use crate::conformance::observe::{Owner, Seen, append, read, record};

/// Every file but `LOCK`, by its path within the log's directory. The same as a process killed now leaves.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

pub fn files(directory: &Path) -> Files {
    let mut files = Files::new();
    for at in [directory.to_owned(), directory.join("db")] {
        for entry in fs::read_dir(&at).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_file() && name != "LOCK" && !name.starts_with("LOG") {
                let within = path.strip_prefix(directory).expect("within").to_owned();
                files.insert(within, fs::read(&path).expect("reads"));
            }
        }
    }
    files
}

/// Lays the files out in a fresh directory.
pub fn lay_out(files: &Files) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("db")).expect("made");
    for (path, bytes) in files {
        fs::write(directory.path().join(path), bytes).expect("written");
    }
    directory
}

/// The newest write-ahead log that holds anything.
pub fn newest_wal(files: &Files) -> PathBuf {
    let wals = files
        .iter()
        .filter(|(path, bytes)| path.extension().is_some_and(|e| e == "log") && !bytes.is_empty());
    wals.map(|(path, _)| path.clone()).max().expect("a write-ahead log")
}

/// Where the physical records of a write-ahead log begin, and where the last one ends. Blocks of 32 KiB;
/// each record: crc u32, length u16, type u8 (5 and above: also the log's number, u32), payload.
pub fn boundaries(wal: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 << 10;
    let mut at = 0;
    let mut boundaries = Vec::new();
    while at + 7 <= wal.len() {
        if BLOCK - at % BLOCK < 7 {
            at += BLOCK - at % BLOCK;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([wal[at + 4], wal[at + 5]]));
        let kind = wal[at + 6];
        assert!(kind != 0, "no record at {at} of {}", wal.len());
        boundaries.push(at);
        at += length + if (5..=8).contains(&kind) { 11 } else { 7 };
    }
    assert_eq!(at, wal.len(), "the records fill the file");
    boundaries.push(at);
    boundaries
}

/// The log at one moment: its files and what was acknowledged until then.
pub struct Moment {
    pub files: Files,
    pub acknowledged: Vec<Seen>,
}

/// Writes single records, transactions and one record that spans blocks; gives the moment after each.
pub fn moments(count: u64) -> Vec<Moment> {
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(directory.path(), &config()).expect("opens");
    let owner = Owner::of_all(&*log, "g", 3);
    let mut transactor = log.transactor("t").expect("a transactor");
    let mut moments = Vec::new();
    for i in 0..count {
        let text = if i == count / 2 { "y".repeat(40 << 10) } else { format!("record {i}") };
        if i % 3 == 2 {
            transactor.stage(&[0, 1, 2].map(|p| record(Topic::Events, p, &text))).expect("stages");
            let (partition, next, metadata) = (Partition(0), NextOffset(i), String::new());
            transactor
                .commit(&[Consumed { partition, next, metadata }], &owner.generation())
                .expect("commits");
        } else {
            append(&*log, vec![record(Topic::Events, u16::try_from(i % 3).expect("small"), &text)]);
        }
        moments.push(Moment { files: files(directory.path()), acknowledged: events(&*log) });
    }
    moments
}

/// Every committed event.
pub fn events(log: &dyn Log) -> Vec<Seen> {
    (0..3).flat_map(|partition| read(log, Topic::Events, partition)).collect()
}

/// What opening and reading a log with these files gives: its events, or why not.
pub enum Outcome {
    Events(Vec<Seen>),
    Corrupt(String),
}

/// Opens, reads everything, appends, opens again. A refusal must be [`LogError::Corrupt`] and leave every
/// file as it was.
pub fn open(files: &Files) -> Outcome {
    let directory = lay_out(files);
    let log = match EmbeddedLog::open(directory.path(), &config()) {
        Ok(log) => log,
        Err(LogError::Corrupt { reason, .. }) => {
            assert!(&self::files(directory.path()) == files, "a refused log was changed ({reason})");
            return Outcome::Corrupt(reason);
        }
        Err(e) => panic!("not a typed error for damage: {e}"),
    };
    let events = match try_events(&*log) {
        Ok(events) => events,
        Err(LogError::Corrupt { reason, .. }) => return Outcome::Corrupt(reason),
        Err(e) => panic!("not a typed error for damage: {e}"),
    };
    let position = append(&*log, vec![record(Topic::Events, 0, "after")])[0];
    drop(log);
    let log = EmbeddedLog::open(directory.path(), &config()).expect("opens again");
    let mut wanted = events.clone();
    let mut now = self::events(&*log);
    let after =
        now.iter().position(|seen| seen.position == position && seen.text() == "after").expect("is there");
    now.remove(after);
    wanted.sort_by_key(|seen| seen.position);
    now.sort_by_key(|seen| seen.position);
    assert!(now == wanted, "what was read once stays");
    Outcome::Events(events)
}

fn try_events(log: &dyn Log) -> Result<Vec<Seen>, LogError> {
    use inventory_store::log::Purpose;
    use std::time::Duration;
    let mut all = Vec::new();
    for partition in 0..3 {
        let bounds = log.bounds(Topic::Events, Partition(partition))?;
        let from = crate::conformance::observe::assignment(Topic::Events, partition, bounds.start.0);
        let mut reader = log.reader(Purpose::Bulk, &[from])?;
        let mut at_end = false;
        while !at_end {
            let batch = reader.poll(1000, Duration::from_secs(5))?;
            all.extend((0..batch.records.len()).map(|i| Seen::of(batch.records.get(i))));
            assert!(!batch.records.is_empty() || !batch.ends.is_empty(), "neither records nor the end");
            at_end = !batch.ends.is_empty();
        }
    }
    Ok(all)
}
