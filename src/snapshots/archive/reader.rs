//! Reading a base, row after row, each checked before it is given.

use std::sync::Arc;

use bytes::Bytes;

use super::file::FileReader;
use super::place::{Pending, Place};
use super::writer::sha256;
use super::{ArchiveError, Base};
use crate::store::{Digest, RowHash};

/// A row: its key and its value.
pub type KeyAndValue<'a> = (&'a [u8], &'a [u8]);
/// A row: its key, its value, their hash.
pub type Hashed<'a> = (&'a [u8], &'a [u8], RowHash);

/// What of a base was given before: its first files, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub files: usize,
    pub rows: u64,
    pub digest: Digest,
    /// The key of the last row.
    pub last: Vec<u8>,
}

impl Default for Given {
    fn default() -> Self {
        Self { files: 0, rows: 0, digest: Digest::EMPTY, last: Vec::new() }
    }
}

/// The rows of a base, in the order of their keys. Nothing read is good before the end was reached: only there
/// is it known that rows and digest are those of the manifest.
pub struct RowReader {
    place: Arc<Place>,
    base: Base,
    /// The file being read, counted from 0; the next one is on its way.
    next: usize,
    coming: Option<Pending<Bytes>>,
    file: FileReader,
    last: Vec<u8>,
    rows: u64,
    digest: Digest,
    /// Each file's sha256 is checked too.
    hashed: bool,
}

impl RowReader {
    pub(super) fn new(place: Arc<Place>, base: Base, hashed: bool) -> Result<Self, ArchiveError> {
        Self::behind(place, base, hashed, Given::default())
    }

    /// A reader of what comes behind what was given before.
    pub(super) fn behind(
        place: Arc<Place>,
        base: Base,
        hashed: bool,
        given: Given,
    ) -> Result<Self, ArchiveError> {
        let file = FileReader::new()
            .map_err(|error| ArchiveError::Failed { url: place.url().into(), detail: error.to_string() })?;
        let mut reader = Self {
            place,
            base,
            next: given.files,
            coming: None,
            file,
            last: given.last,
            rows: given.rows,
            digest: given.digest,
            hashed,
        };
        reader.coming = reader.begin();
        Ok(reader)
    }

    /// What is being read.
    #[must_use]
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// Rows given so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The next row's key and value; nothing at the end, when everything was as the manifest says.
    ///
    /// # Errors
    /// Every kind of damage; those of the archive's store.
    #[expect(clippy::should_implement_trait, reason = "a row is lent until the next one is asked for")]
    pub fn next(&mut self) -> Result<Option<KeyAndValue<'_>>, ArchiveError> {
        Ok(self.next_hashed()?.map(|(key, value, _)| (key, value)))
    }

    /// The same, with the row's hash.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn next_hashed(&mut self) -> Result<Option<Hashed<'_>>, ArchiveError> {
        if !self.has_row()? {
            return self.end().map(|()| None);
        }
        let (key, value, hash) = self.file.row()?;
        if self.rows > 0 && key <= self.last.as_slice() {
            let file = self.base.file_name(self.next.saturating_sub(1));
            return Err(ArchiveError::corrupt(
                &file,
                format!("the row {} comes out of order", key.escape_ascii()),
            ));
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        self.rows += 1;
        self.digest = self.digest.replace(None, Some(hash));
        Ok(Some((key, value, hash)))
    }

    /// How many files were given whole, told once when the next row is the first of another.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn whole_files(&mut self) -> Result<Option<usize>, ArchiveError> {
        let before = self.next;
        let there = self.has_row()?;
        Ok((there && before > 0 && self.next > before).then(|| self.next - 1))
    }

    /// Whether there is a row left, turning to the next file where need be.
    fn has_row(&mut self) -> Result<bool, ArchiveError> {
        while !self.file.has_row()? {
            if !self.next_file()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&self) -> Option<Pending<Bytes>> {
        self.base.manifest.files.get(self.next)?;
        Some(self.place.begin_get(&self.base.file_name(self.next)))
    }

    fn next_file(&mut self) -> Result<bool, ArchiveError> {
        let Some(coming) = self.coming.take() else { return Ok(false) };
        let Some(entry) = self.base.manifest.files.get(self.next) else { return Ok(false) };
        let name = self.base.file_name(self.next);
        let Some(bytes) = self.place.end_get(coming)? else {
            return Err(ArchiveError::Missing { file: name });
        };
        let found = bytes.len() as u64;
        if found < entry.bytes {
            let detail = format!("it has {found} of {} bytes", entry.bytes);
            return Err(ArchiveError::Truncated { file: name, detail });
        }
        // Whose it is and what is wrong inside says more than that its sum is another, so that comes first.
        self.file.open(&name, bytes.clone(), self.base.id, u32::try_from(self.next).unwrap_or(u32::MAX))?;
        if found > entry.bytes {
            return Err(ArchiveError::corrupt(
                &name,
                format!("it has {found} bytes, expected {}", entry.bytes),
            ));
        }
        if self.hashed && sha256(&bytes) != entry.sha256 {
            return Err(ArchiveError::corrupt(&name, "its sha256 is not the manifest's"));
        }
        self.next += 1;
        self.coming = self.begin();
        Ok(true)
    }

    fn end(&self) -> Result<(), ArchiveError> {
        let Base { manifest, .. } = &self.base;
        if (self.rows, self.digest) == (manifest.rows, manifest.digest()) {
            return Ok(());
        }
        let detail = format!(
            "its files hold {} rows with digest {}, it says {} with {}",
            self.rows,
            self.digest,
            manifest.rows,
            manifest.digest()
        );
        Err(ArchiveError::corrupt(&self.base.manifest_name(), detail))
    }
}
