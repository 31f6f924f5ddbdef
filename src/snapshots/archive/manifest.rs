//! What a base is: its name, its position, its files.
//!
//! A manifest is a JSON object, a member a line, the last of which is the crc32c of all bytes before it, so
//! that people can read it and no bit of it can change unseen.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::ArchiveError;
use crate::codec::rows::meta::{CheckpointMark, Counters, Fingerprint, Identity, Meta, Progress, Versions};
use crate::store::Digest;
use crate::types::{NextOffset, Offset, Partition, Timestamp, UtcTime};

/// The version of the manifest.
pub(super) const FORMAT: u32 = 1;

/// The name of a base: `007-42-9f86d081884c7d65`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseId {
    pub partition: Partition,
    /// Everything below is in it.
    pub next: NextOffset,
    /// A hash of what it is of: other content is never under one name.
    pub tag: u64,
}

impl BaseId {
    /// The name of the base of a store with this meta.
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let Identity { partition, partition_count, cluster_id, versions, begins } = &meta.identity;
        let mut hash = Xxh3::new();
        hash.update(&partition_count.to_le_bytes());
        hash.update(&begins.0.to_le_bytes());
        for version in [versions.format, versions.decoder, versions.evolve] {
            hash.update(&version.to_le_bytes());
        }
        hash.update(&meta.rows.to_le_bytes());
        hash.update(&meta.digest.to_le_bytes());
        hash.update(cluster_id.as_bytes());
        Self { partition: *partition, next: meta.progress.next, tag: hash.digest() }
    }

    /// Where it stands below the root.
    pub(super) fn folder(self) -> String {
        format!("{:03}/{:020}-{:016x}", self.partition.0, self.next.0, self.tag)
    }

    /// The base that a folder is of.
    pub(super) fn of_folder(partition: &str, name: &str) -> Option<Self> {
        let (next, tag) = name.split_once('-')?;
        let id = Self {
            partition: Partition(partition.parse().ok()?),
            next: NextOffset(next.parse().ok()?),
            tag: u64::from_str_radix(tag, 16).ok()?,
        };
        (id.folder() == format!("{partition}/{name}")).then_some(id)
    }
}

impl fmt::Display for BaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{}-{:016x}", self.partition.0, self.next, self.tag)
    }
}

impl FromStr for BaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('-').and_then(|(partition, rest)| {
            let (next, tag) = rest.split_once('-')?;
            Some(Self {
                partition: Partition(partition.parse().ok()?),
                next: NextOffset(next.parse().ok()?),
                tag: u64::from_str_radix(tag, 16).ok()?,
            })
        });
        parsed.ok_or_else(|| {
            format!("{text:?} is no base; `archive list` shows names such as 007-42-9f86d081884c7d65")
        })
    }
}

/// What stands in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    base: String,
    pub partition: u16,
    pub partition_count: u16,
    pub cluster_id: String,
    /// Where the log began for the store that this is of.
    pub begins: u64,
    /// The next event to read after it; likewise of results and commands.
    pub next: u64,
    pub next_results: u64,
    pub next_commands: u64,
    pub rows: u64,
    /// Σ of the rows' hashes modulo 2^128, 32 hexadecimal digits.
    pub digest: String,
    /// The last event record in it.
    fingerprint: Option<StoredFingerprint>,
    dead_letter_mark: u64,
    /// The greatest timestamp of the event records in it: milliseconds since 1970.
    pub event_time_ms: Option<i64>,
    pub versions: StoredVersions,
    /// The checkpoint of the snapshot topic that it is of, or that the store had last.
    checkpoint: Option<(u64, u64)>,
    /// What happened to the records below `next`, by name.
    counters: BTreeMap<String, u64>,
    malformed: BTreeMap<String, u64>,
    pub created_at: UtcTime,
    /// Of what it was made, for people.
    pub created_from: String,
    /// Bytes of all rows before compression, 8 per row included.
    pub raw_bytes: u64,
    pub files: Vec<FileEntry>,
}

/// One file of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub name: String,
    /// As stored.
    pub bytes: u64,
    pub rows: u64,
    /// Of the file's bytes, hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFingerprint {
    offset: u64,
    timestamp_ms: i64,
    crc32c: u32,
}

/// The versions of what made the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredVersions {
    pub format: u32,
    pub decoder: u32,
    pub evolve: u32,
}

impl Manifest {
    pub(super) fn new(
        id: BaseId,
        meta: &Meta,
        created_at: UtcTime,
        created_from: String,
        raw_bytes: u64,
        files: Vec<FileEntry>,
    ) -> Self {
        let Identity { partition, partition_count, cluster_id, versions, begins } = &meta.identity;
        let progress = &meta.progress;
        Self {
            format: FORMAT,
            base: id.to_string(),
            partition: partition.0,
            partition_count: *partition_count,
            cluster_id: cluster_id.clone(),
            begins: begins.0,
            next: progress.next.0,
            next_results: progress.next_results.0,
            next_commands: progress.next_commands.0,
            rows: meta.rows,
            digest: Digest(meta.digest).to_string(),
            fingerprint: progress.fingerprint.map(|f| StoredFingerprint {
                offset: f.offset.0,
                timestamp_ms: f.timestamp.0,
                crc32c: f.crc32c,
            }),
            dead_letter_mark: progress.dead_letter_mark.0,
            event_time_ms: progress.log_time.map(|time| time.0),
            versions: StoredVersions {
                format: versions.format,
                decoder: versions.decoder,
                evolve: versions.evolve,
            },
            checkpoint: meta.last_checkpoint.map(|mark| (mark.cycle, mark.next.0)),
            counters: named(&progress.counters)
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            malformed: progress.counters.malformed.clone(),
            created_at,
            created_from,
            raw_bytes,
            files,
        }
    }

    /// The meta of a store that is filled from this base: no dirty marks, no history yet.
    #[must_use]
    pub fn meta(&self) -> Meta {
        let count = |name: &str| self.counters.get(name).copied().unwrap_or_default();
        let mut meta = Meta::new(Identity {
            partition: Partition(self.partition),
            partition_count: self.partition_count,
            cluster_id: self.cluster_id.clone(),
            versions: Versions {
                format: self.versions.format,
                decoder: self.versions.decoder,
                evolve: self.versions.evolve,
            },
            begins: NextOffset(self.begins),
        });
        meta.progress = Progress {
            next: NextOffset(self.next),
            next_results: NextOffset(self.next_results),
            next_commands: NextOffset(self.next_commands),
            fingerprint: self.fingerprint.map(|f| Fingerprint {
                offset: Offset(f.offset),
                timestamp: Timestamp(f.timestamp_ms),
                crc32c: f.crc32c,
            }),
            log_time: self.event_time_ms.map(Timestamp),
            dead_letter_mark: NextOffset(self.dead_letter_mark),
            counters: Counters {
                skus: count("skus"),
                applied: count("applied"),
                duplicates: count("duplicates"),
                conflicts: count("conflicts"),
                anomalies: count("anomalies"),
                gaps: count("gaps"),
                unknown_types: count("unknown_types"),
                stale_expiries: count("stale_expiries"),
                malformed: self.malformed.clone(),
            },
        };
        meta.digest = self.digest().0;
        meta.rows = self.rows;
        meta.baseline = true;
        meta.last_checkpoint =
            self.checkpoint.map(|(cycle, next)| CheckpointMark { cycle, next: NextOffset(next) });
        meta.history_begins = NextOffset(self.next);
        meta.history_from = meta.progress.log_time;
        meta
    }

    /// No event in it is later.
    #[must_use]
    pub fn event_time(&self) -> Option<UtcTime> {
        self.event_time_ms.map(|time| Timestamp(time).to_nearest_utc())
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        // `parse` held it to hexadecimal digits.
        Digest(u128::from_str_radix(&self.digest, 16).unwrap_or_default())
    }

    /// Bytes of its files as stored.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        // The closing brace and the line before it make room for the checksum.
        bytes.truncate(bytes.len().saturating_sub(2));
        bytes.extend_from_slice(b",\n");
        let end = checksum(&bytes);
        bytes.extend_from_slice(end.as_bytes());
        Ok(bytes)
    }

    /// Reads the manifest in `file`, which must be the one of `id`.
    pub(super) fn parse(file: &str, bytes: &[u8], id: BaseId) -> Result<Self, ArchiveError> {
        let body = bytes.len().checked_sub(CHECKSUM_BYTES).and_then(|body| bytes.split_at_checked(body));
        let Some((body, end)) = body else {
            return Err(ArchiveError::Truncated {
                file: file.to_owned(),
                detail: "it has no checksum".into(),
            });
        };
        if end != checksum(body).as_bytes() {
            let whole = bytes.ends_with(b"\"\n}\n");
            let detail =
                if whole { "its checksum does not fit" } else { "it does not end with its checksum" };
            return Err(match whole {
                true => ArchiveError::corrupt(file, detail),
                false => ArchiveError::Truncated { file: file.to_owned(), detail: detail.into() },
            });
        }
        let mut value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| ArchiveError::corrupt(file, error.to_string()))?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if found > u64::from(FORMAT) {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            return Err(ArchiveError::Newer { file: file.to_owned(), what: "format", found, known: FORMAT });
        }
        if let Some(object) = value.as_object_mut() {
            object.remove("crc32c");
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|error| ArchiveError::corrupt(file, error.to_string()))?;
        manifest.check(file, id)?;
        Ok(manifest)
    }

    fn check(&self, file: &str, id: BaseId) -> Result<(), ArchiveError> {
        let known = Versions::CURRENT;
        for (what, found, known) in [
            ("row format", self.versions.format, known.format),
            ("decoder version", self.versions.decoder, known.decoder),
            ("evolve version", self.versions.evolve, known.evolve),
        ] {
            if found > known {
                return Err(ArchiveError::Newer { file: file.to_owned(), what, found, known });
            }
        }
        let hexadecimal = self.digest.len() == 32 && u128::from_str_radix(&self.digest, 16).is_ok();
        if !hexadecimal {
            return Err(ArchiveError::corrupt(file, "its digest is no digest"));
        }
        let found = BaseId::of(&self.meta());
        if found != id || self.base != id.to_string() {
            let detail = format!("it is the manifest of base {found}");
            return Err(ArchiveError::Foreign { file: file.to_owned(), detail });
        }
        let rows = self.files.iter().fold(0_u64, |rows, file| rows.saturating_add(file.rows));
        if rows != self.rows {
            return Err(ArchiveError::corrupt(
                file,
                format!("its files have {rows} rows, the base {}", self.rows),
            ));
        }
        Ok(())
    }
}

fn named(counters: &Counters) -> [(&'static str, u64); 8] {
    [
        ("skus", counters.skus),
        ("applied", counters.applied),
        ("duplicates", counters.duplicates),
        ("conflicts", counters.conflicts),
        ("anomalies", counters.anomalies),
        ("gaps", counters.gaps),
        ("unknown_types", counters.unknown_types),
        ("stale_expiries", counters.stale_expiries),
    ]
}

/// The length of what [`checksum`] gives.
const CHECKSUM_BYTES: usize = 25;

/// The last member, and the end of the object.
fn checksum(body: &[u8]) -> String {
    format!("  \"crc32c\": \"{:08x}\"\n}}\n", crc32c::crc32c(body))
}
