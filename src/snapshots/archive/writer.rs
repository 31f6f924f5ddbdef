//! Writing a base: files first, the manifest last.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::file::FileWriter;
use super::place::{Pending, Place, Put};
use super::{ArchiveError, Base, BaseId, FileEntry, Manifest};
use crate::codec::rows::meta::Meta;
use crate::store::Digest;
use crate::types::UtcTime;

/// Who makes a base, when, and of what.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The clock of whoever asks for it, to the nanosecond: it tells one attempt from another.
    pub created_at: UtcTime,
    /// For people, for example `live store gen-0003 in ./data`.
    pub created_from: String,
}

/// What publishing a base came to.
#[derive(Debug)]
pub enum Published {
    New(Base),
    /// Somebody had made the same base already; theirs is kept.
    Already(Base),
}

impl Published {
    #[must_use]
    pub const fn base(&self) -> &Base {
        match self {
            Self::New(base) | Self::Already(base) => base,
        }
    }
}

/// Takes the rows of one partition at one position. Dropped before [`Self::publish`], it leaves files that
/// belong to no base, which are swept.
pub struct BaseWriter {
    place: Arc<Place>,
    id: BaseId,
    meta: Meta,
    origin: Origin,
    attempt: u64,
    file: FileWriter,
    put: Option<(String, Pending<()>, Bytes)>,
    files: Vec<FileEntry>,
    rows: u64,
    raw_bytes: u64,
    digest: Digest,
    last: Vec<u8>,
}

impl BaseWriter {
    /// A writer of the base of a store with this `meta`.
    pub(super) fn begin(place: Arc<Place>, meta: Meta, origin: Origin) -> Result<Self, ArchiveError> {
        let id = BaseId::of(&meta);
        let attempt =
            format!("{} {} {:?}", origin.created_at, std::process::id(), std::thread::current().id());
        let file = FileWriter::new(id, 0).map_err(|error| failed(&place, &error))?;
        Ok(Self {
            place,
            id,
            meta,
            origin,
            attempt: xxh3_64(attempt.as_bytes()),
            file,
            put: None,
            files: Vec::new(),
            rows: 0,
            raw_bytes: 0,
            digest: Digest::EMPTY,
            last: Vec::new(),
        })
    }

    #[must_use]
    pub const fn id(&self) -> BaseId {
        self.id
    }

    /// Rows put so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row; keys strictly rising.
    ///
    /// # Errors
    /// [`ArchiveError::UnsoundSource`] where the key does not rise; those of the archive's store.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        if self.rows > 0 && key <= self.last.as_slice() {
            return Err(self.unsound(format!("the row {} comes out of order", key.escape_ascii())));
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        let added = self.file.add(key, value).map_err(|error| failed(&self.place, &error))?;
        let hash = added
            .ok_or_else(|| self.unsound(format!("the row {} is longer than 4 GiB", key.escape_ascii())))?;
        self.rows += 1;
        self.digest = self.digest.replace(None, Some(hash));
        if self.file.is_full() {
            self.end_file()?;
        }
        Ok(())
    }

    /// Makes the base one, by its manifest, once every file stands; checks first that the rows are those that
    /// meta speaks of.
    ///
    /// # Errors
    /// [`ArchiveError::UnsoundSource`]; those of the archive's store. Then no new base is there, and what was
    /// written is removed as far as possible.
    pub fn publish(mut self) -> Result<Published, ArchiveError> {
        let published = self.try_publish();
        match &published {
            Ok(Published::New(_)) => {}
            Ok(Published::Already(_)) | Err(_) => self.discard(),
        }
        published
    }

    /// Removes what was written, as far as possible; what stays is swept.
    pub fn discard(&mut self) {
        if let Some((name, put, bytes)) = self.put.take() {
            let _ = self.place.end_put(&name, put, &bytes);
        }
        for file in std::mem::take(&mut self.files) {
            let _ = self.place.delete(&format!("{}/{}", self.id.folder(), file.name));
        }
    }

    fn try_publish(&mut self) -> Result<Published, ArchiveError> {
        if (self.rows, self.digest) != (self.meta.rows, Digest(self.meta.digest)) {
            let detail = format!(
                "{} rows with digest {}, its meta says {} with {}",
                self.rows,
                self.digest,
                self.meta.rows,
                Digest(self.meta.digest)
            );
            return Err(self.unsound(detail));
        }
        if self.rows > 0 && self.files.iter().map(|file| file.rows).sum::<u64>() < self.rows {
            self.end_file()?;
        }
        self.finish_put()?;
        // Who takes longer than the time after which files are swept must not publish what is gone.
        for file in &self.files {
            let name = format!("{}/{}", self.id.folder(), file.name);
            if self.place.length(&name)? != Some(file.bytes) {
                return Err(ArchiveError::Missing { file: name });
            }
        }
        let manifest = Manifest::new(
            self.id,
            &self.meta,
            self.origin.created_at,
            self.origin.created_from.clone(),
            self.raw_bytes,
            self.files.clone(),
        );
        let bytes = manifest.to_bytes().map_err(|error| ArchiveError::Failed {
            url: self.place.url().into(),
            detail: error.to_string(),
        })?;
        let base = Base { id: self.id, manifest, superseded: None };
        match self.place.put(&base.manifest_name(), bytes.into())? {
            Put::Done => Ok(Published::New(base)),
            Put::Taken => Base::load(&self.place, self.id).map(Published::Already),
        }
    }

    fn end_file(&mut self) -> Result<(), ArchiveError> {
        let index = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let (bytes, totals) = self
            .file
            .finish(self.id, index.saturating_add(1))
            .map_err(|error| failed(&self.place, &error))?;
        let name = format!("rows-{:016x}-{index:05}.rows", self.attempt);
        let bytes = Bytes::from(bytes);
        self.raw_bytes += totals.raw_bytes;
        self.files.push(FileEntry {
            name: name.clone(),
            bytes: bytes.len() as u64,
            rows: totals.rows,
            sha256: sha256(&bytes),
        });
        // One is on its way while the next is filled.
        self.finish_put()?;
        let name = format!("{}/{name}", self.id.folder());
        let put = self.place.begin_put(&name, bytes.clone());
        self.put = Some((name, put, bytes));
        Ok(())
    }

    fn finish_put(&mut self) -> Result<(), ArchiveError> {
        let Some((name, put, bytes)) = self.put.take() else { return Ok(()) };
        match self.place.end_put(&name, put, &bytes)? {
            Put::Done => Ok(()),
            Put::Taken => {
                let detail = format!("{name} is there already, with other bytes; do the same again");
                Err(ArchiveError::Failed { url: self.place.url().into(), detail })
            }
        }
    }

    fn unsound(&self, detail: String) -> ArchiveError {
        ArchiveError::UnsoundSource { partition: self.id.partition, next: self.id.next, detail }
    }
}

/// Hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(place: &Place, error: &std::io::Error) -> ArchiveError {
    ArchiveError::Failed { url: place.url().into(), detail: format!("compression: {error}") }
}
