//! The archive as processes meet it: killed, on a full disk, through the command line.

mod disk_full;
mod killed;
mod resumed;
mod verbs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use inventory_store::codec::rows::meta::{Identity, Meta, Versions};
use inventory_store::config::ArchiveConfig;
use inventory_store::snapshots::archive::{Archive, ArchiveError, BaseWriter, Origin, Published};
use inventory_store::store::{Digest, RowHash};
use inventory_store::types::{NextOffset, Partition, UtcTime};

pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

pub fn archive(directory: &Path) -> Archive {
    let url = directory.to_str().expect("UTF-8").to_owned();
    Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens")
}

/// Rows whose values no compression makes smaller.
pub fn noise(count: u64, bytes: usize) -> Rows {
    let mut random = fastrand::Rng::with_seed(count);
    (0..count)
        .map(|n| {
            let value = std::iter::repeat_with(|| random.u8(..)).take(bytes).collect();
            (format!("SKU-{n:08}").into_bytes(), value)
        })
        .collect()
}

/// A base of partition 0 at `next`, begun, with all rows put.
pub fn filled(archive: &Archive, next: u64, rows: &Rows) -> Result<BaseWriter, ArchiveError> {
    let mut meta = Meta::new(Identity {
        partition: Partition(0),
        partition_count: 1,
        cluster_id: "a-cluster".into(),
        versions: Versions::CURRENT,
        begins: NextOffset(0),
    });
    meta.progress.next = NextOffset(next);
    meta.rows = rows.len() as u64;
    let digest = rows
        .iter()
        .fold(Digest::EMPTY, |digest, (key, value)| digest.replace(None, Some(RowHash::of(key, value))));
    meta.digest = digest.0;
    let created_at: UtcTime = "2026-11-24T10:00:00Z".parse().expect("a time");
    let mut writer = archive.begin(meta, Origin { created_at, created_from: "a test".into() })?;
    for (key, value) in rows {
        writer.put(key, value)?;
    }
    Ok(writer)
}

pub fn write(archive: &Archive, next: u64, rows: &Rows) -> Result<Published, ArchiveError> {
    filled(archive, next, rows)?.publish()
}

/// Every file below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Sweeps as if everything had been lying there for long.
pub fn sweep(archive: &Archive) -> usize {
    let late: UtcTime = "9999-01-01T00:00:00Z".parse().expect("a time");
    archive.sweep(Duration::from_secs(1), late).expect("sweeps")
}
