//! A generation made whole from a stream of sorted rows.
//!
//! Rows, marks and meta are written as sorted files beside the generation's directory, in bounded memory; only
//! once whoever fills it is content are they moved into a fresh RocksDB, meta with the rows, and only then does
//! its directory take its name. So a process killed anywhere leaves no generation, or a whole one. A build with a
//! key ([`PartitionStores::build_resumable`]) leaves its sorted files too, and goes on from them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rocksdb::{IngestExternalFileOptions, Options, SstFileWriter};

use super::database::{Database, META_KEY};
use super::options::{DIRTY, ROWS};
use super::staging::{Kept, Staging};
use super::{Digest, Generation, PartitionStores, RowHash, StoreError, StoreWriter};
use crate::codec::rows::meta::{Meta, encode_meta};
use crate::failpoint;
use crate::types::Partition;

/// A sorted file is closed beyond this many bytes, and the next begun.
const FILE_BYTES: u64 = 64 << 20;

impl PartitionStores {
    /// Makes a generation, not yet served and numbered above every other. `fill` puts its rows and marks, and
    /// gives its meta, of which rows and digest are set here. Where `fill` fails nothing is left.
    ///
    /// # Errors
    /// What `fill` gives; [`StoreError::DiskFull`] and others of the store.
    pub fn build<E: From<StoreError>>(
        &self,
        partition: Partition,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<Meta, E>,
    ) -> Result<StoreWriter, E> {
        let (generation, place) = self.begin_building(partition)?;
        let built = self.build_in(partition, generation, &place, None, fill);
        if built.is_err() {
            place.give_up();
        }
        built
    }

    /// The same of a source that comes in parts, always the same for the same `key`. Where the process is
    /// killed, or `fill` ends with an error of which `is_passing`, the same call goes on where it was:
    /// [`Filling::resumed`] tells where that is.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_resumable<E: From<StoreError>>(
        &self,
        partition: Partition,
        key: &str,
        is_passing: impl FnOnce(&E) -> bool,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<Meta, E>,
    ) -> Result<StoreWriter, E> {
        let staging = Staging::take(&self.scratch(partition), key)?;
        let (generation, place) = self.begin_building(partition)?;
        let built = self.build_in(partition, generation, &place, staging.as_ref(), fill);
        if built.is_err() {
            place.give_up();
        }
        if built.as_ref().err().is_none_or(|error| !is_passing(error))
            && let Some(staging) = staging
        {
            staging.discard();
        }
        built
    }

    fn build_in<E: From<StoreError>>(
        &self,
        partition: Partition,
        generation: Generation,
        place: &Place,
        staging: Option<&Staging>,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<Meta, E>,
    ) -> Result<StoreWriter, E> {
        let options = self.shared().rows();
        let marks = self.shared().marks();
        let directory = staging.map_or(place.files.as_path(), Staging::directory);
        let mut filling = Filling {
            rows: SortedFiles::new("rows", directory, &options),
            marks: SortedFiles::new("marks", &place.files, &marks),
            count: 0,
            digest: Digest::EMPTY,
            bytes: 0,
            staging,
        };
        filling.go_on();
        let mut meta = fill(&mut filling)?;
        meta.rows = filling.count;
        meta.digest = filling.digest.0;
        let mut bytes = Vec::new();
        encode_meta(&meta, &mut bytes);
        // Before every row, and in a file of its own, since it is known last.
        let mut first = SortedFiles::new("meta", &place.files, &options);
        first.put(META_KEY, &bytes)?;
        let mut rows = filling.rows.finish()?;
        rows.extend(first.finish()?);
        let marks = filling.marks.finish()?;
        failpoint::hit(failpoint::RESTORE_BEFORE_INGEST);

        let database = Database::open(self.shared(), &place.unfinished, partition, generation, true)?;
        ingest(&database, DIRTY, &marks)?;
        ingest(&database, ROWS, &rows)?;
        failpoint::hit(failpoint::RESTORE_AFTER_INGEST);
        drop(database);
        failpoint::hit(failpoint::RESTORE_BEFORE_NAME);

        fs::rename(&place.unfinished, &place.directory)
            .and_then(|()| File::open(&place.home)?.sync_all())
            .map_err(|error| StoreError::io(&place.directory, error))?;
        failpoint::hit(failpoint::RESTORE_AFTER_NAME);
        place.clear();
        Ok(self.open_generation(partition, generation)?)
    }
}

/// Where a generation is made.
pub(super) struct Place {
    pub home: PathBuf,
    /// Where it stands once whole.
    pub directory: PathBuf,
    /// Where its RocksDB is made.
    pub unfinished: PathBuf,
    /// Where its sorted files are written.
    pub files: PathBuf,
}

impl Place {
    /// Removes what is not the whole generation. What cannot be removed takes room and harms nothing.
    pub(super) fn clear(&self) {
        let _ = fs::remove_dir_all(&self.files);
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

impl Place {
    /// Removes the generation too: it may have its name already and could not be opened. Nobody knows of it.
    fn give_up(&self) {
        self.clear();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Takes the rows and marks of a generation that is being made.
pub struct Filling<'a> {
    rows: SortedFiles<'a>,
    marks: SortedFiles<'a>,
    count: u64,
    digest: Digest,
    bytes: u64,
    staging: Option<&'a Staging>,
}

impl Filling<'_> {
    /// What an earlier build of the same key, which was killed, has put already.
    #[must_use]
    pub fn resumed(&self) -> Option<&Kept> {
        self.staging?.kept.as_ref()
    }

    fn go_on(&mut self) {
        let Some((staging, kept)) = self.staging.and_then(|it| Some((it, it.kept.as_ref()?))) else { return };
        (self.count, self.bytes, self.digest) = (kept.rows, kept.bytes, kept.digest);
        self.rows.last.clone_from(&kept.last);
        self.rows.written = kept.files.iter().map(|(name, _)| staging.directory().join(name)).collect();
    }

    /// Everything of the first `parts` parts of the source is put: worth keeping now and then. `own` is given
    /// back to whoever goes on.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and others of the disk.
    pub fn keep(&mut self, parts: u64, own: u64) -> Result<(), StoreError> {
        let Some(staging) = self.staging.filter(|_| Staging::is_worth(self.rows.open_bytes())) else {
            return Ok(());
        };
        self.rows.end_file()?;
        let of = |path: &PathBuf| {
            let length = fs::metadata(path).map_err(|e| StoreError::io(path, e))?.len();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            Ok((name.unwrap_or_default(), length))
        };
        let files = self.rows.written.iter().map(of).collect::<Result<Vec<_>, StoreError>>()?;
        let (rows, bytes, digest, last) = (self.count, self.bytes, self.digest, self.rows.last.clone());
        staging.save(&Kept { parts, own, rows, bytes, digest, last, files })?;
        failpoint::hit(failpoint::RESTORE_KEPT);
        Ok(())
    }

    /// Adds a row; keys strictly rising. Gives its hash.
    ///
    /// # Errors
    /// [`StoreError::RepeatedRow`] where the key does not rise; [`StoreError::DiskFull`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<RowHash, StoreError> {
        let hash = RowHash::of(key, value);
        self.put_hashed(key, value, hash)?;
        Ok(hash)
    }

    /// The same where the row's hash is known already.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_hashed(&mut self, key: &[u8], value: &[u8], hash: RowHash) -> Result<(), StoreError> {
        self.rows.put(key, value)?;
        failpoint::hit(failpoint::RESTORE_WITHIN_ROWS);
        self.count += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.digest = self.digest.replace(None, Some(hash));
        Ok(())
    }

    /// Marks a row, there or not, as to be carried by the next snapshot, under the number `cycle`; row keys
    /// strictly rising, `cycle` always the same. `before` is its hash at the last checkpoint.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn mark(&mut self, cycle: u64, key: &[u8], before: Option<RowHash>) -> Result<(), StoreError> {
        let mut mark = cycle.to_be_bytes().to_vec();
        mark.extend_from_slice(key);
        match before {
            Some(hash) => self.marks.put(&mark, &hash.0.to_le_bytes()),
            None => self.marks.put(&mark, &[]),
        }
    }

    /// Rows put so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.count
    }

    /// Bytes of keys and values put so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Sorted files of one column family, one after another.
struct SortedFiles<'a> {
    name: &'static str,
    directory: &'a Path,
    options: &'a Options,
    open: Option<(SstFileWriter<'a>, PathBuf)>,
    written: Vec<PathBuf>,
    last: Vec<u8>,
}

impl<'a> SortedFiles<'a> {
    fn new(name: &'static str, directory: &'a Path, options: &'a Options) -> Self {
        Self { name, directory, options, open: None, written: Vec::new(), last: Vec::new() }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key <= self.last.as_slice() {
            return Err(StoreError::RepeatedRow { key: key.escape_ascii().to_string() });
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        if self.open_bytes() >= FILE_BYTES {
            self.end_file()?;
        }
        let file = match &mut self.open {
            Some((file, _)) => file,
            None => {
                let path = self.directory.join(format!("{}-{:05}.sst", self.name, self.written.len()));
                let (file, _) = self.open.insert((new_file(self.options, &path)?, path));
                file
            }
        };
        file.put(key, value).map_err(|error| StoreError::rocksdb(self.directory, &error))
    }

    /// Of the file being written.
    fn open_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |(file, _)| file.file_size())
    }

    fn finish(mut self) -> Result<Vec<PathBuf>, StoreError> {
        self.end_file()?;
        Ok(self.written)
    }

    /// Ends the file being written; it is on the disk then.
    fn end_file(&mut self) -> Result<(), StoreError> {
        if let Some((mut file, path)) = self.open.take() {
            // Synced before it is ingested.
            file.finish().map_err(|error| StoreError::rocksdb(self.directory, &error))?;
            self.written.push(path);
        }
        Ok(())
    }
}

fn new_file<'a>(options: &'a Options, path: &Path) -> Result<SstFileWriter<'a>, StoreError> {
    let file = SstFileWriter::create(options);
    file.open(path).map_err(|error| StoreError::rocksdb(path, &error))?;
    Ok(file)
}

fn ingest(database: &Database, family: &'static str, files: &[PathBuf]) -> Result<(), StoreError> {
    if files.is_empty() {
        return Ok(());
    }
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    database
        .db
        .ingest_external_file_cf_opts(database.family(family)?, &options, files.to_vec())
        .map_err(|error| database.error(&error))
}
