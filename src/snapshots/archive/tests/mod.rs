mod damage;
mod keeping;
mod publishing;
mod stores;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::codec::rows::meta::{Identity, Meta, Versions};
use crate::config::ArchiveConfig;
use crate::snapshots::{BaseError, Work};
use crate::store::{Digest, RowHash};
use crate::types::{NextOffset, Partition, Timestamp, UtcTime};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// An archive in a directory.
fn archive(directory: &Path) -> Archive {
    let url = directory.to_str().expect("UTF-8").to_owned();
    Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens")
}

/// Rows as small as most are, in order.
fn rows(count: u64) -> Rows {
    (0..count)
        .map(|n| {
            (
                format!("SKU-{n:08}").into_bytes(),
                format!("on hand {} allocated {}", n % 97, n % 13).into_bytes(),
            )
        })
        .collect()
}

/// The meta of a store that holds these rows at `next`.
fn meta(partition: u16, next: u64, rows: &Rows) -> Meta {
    let mut meta = Meta::new(Identity {
        partition: Partition(partition),
        partition_count: 12,
        cluster_id: "a-cluster".into(),
        versions: Versions::CURRENT,
        begins: NextOffset(0),
    });
    meta.progress.next = NextOffset(next);
    meta.progress.log_time = Some(Timestamp(i64::try_from(next).expect("small") * 1000));
    meta.progress.counters.applied = next;
    meta.rows = rows.len() as u64;
    meta.digest = rows
        .iter()
        .fold(Digest::EMPTY, |digest, (key, value)| digest.replace(None, Some(RowHash::of(key, value))))
        .0;
    meta
}

fn verify(archive: &Archive, id: BaseId) -> Result<Verified, ArchiveError> {
    archive.verify(id, &Work::default()).map_err(|error| match error {
        BaseError::Archive(error) => error,
        other => panic!("{other}"),
    })
}

fn time(text: &str) -> UtcTime {
    text.parse().expect("a time")
}

fn origin(created_at: &str) -> Origin {
    Origin { created_at: time(created_at), created_from: "a test".into() }
}

fn write(archive: &Archive, partition: u16, next: u64, rows: &Rows, created_at: &str) -> Published {
    let mut writer = archive.begin(meta(partition, next, rows), origin(created_at)).expect("begins");
    for (key, value) in rows {
        writer.put(key, value).expect("puts");
    }
    writer.publish().expect("publishes")
}

fn read(archive: &Archive, base: &Base) -> Result<Rows, ArchiveError> {
    let mut reader = archive.read(base)?;
    let mut rows = Rows::new();
    while let Some((key, value)) = reader.next()? {
        rows.push((key.to_vec(), value.to_vec()));
    }
    Ok(rows)
}

/// Every file below a directory, by its path within.
fn files(directory: &Path) -> Vec<String> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).expect("within").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found);
    found.sort();
    found
}

const DAY: Duration = Duration::from_secs(86_400);
