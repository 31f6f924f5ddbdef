use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::build::Place;
use super::database::Database;
use super::options::{MemoryInUse, Shared};
use super::{StoreError, StoreWriter};
use crate::codec::rows::meta::Identity;
use crate::config::store::{StoreConfig, StoreMemory};
use crate::types::Partition;

const LIVE: &str = "LIVE";
/// What is to be served next.
const NEXT_LIVE: &str = "LIVE.new";
/// What the directory of a generation that is being made ends in.
const UNFINISHED: &str = ".building";
/// What the directory of its sorted files ends in.
const FILES: &str = ".files";

/// The number of one rebuilding of a partition: `gen-0003` is 3. Rises, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gen-{:04}", self.0)
    }
}

impl FromStr for Generation {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let number = name.strip_prefix("gen-").ok_or(())?;
        number.parse().map(Self).map_err(|_| ())
    }
}

/// The stores of one process: `data/partitions/NNN/gen-XXXX`, with one block cache and one bound on write
/// buffers for all. Cheap to clone; share it between threads.
#[derive(Clone)]
pub struct PartitionStores {
    directory: PathBuf,
    config: Arc<StoreConfig>,
    shared: Shared,
}

impl PartitionStores {
    /// Uses `data_dir`, which the process must have locked ([`super::DirectoryLock`]).
    ///
    /// # Errors
    /// [`StoreError::Io`] where the directory cannot be made.
    pub fn open(data_dir: &Path, config: &StoreConfig, memory: &StoreMemory) -> Result<Self, StoreError> {
        let directory = data_dir.join("partitions");
        fs::create_dir_all(&directory).map_err(|e| StoreError::io(&directory, e))?;
        let stores = Self { directory, config: Arc::new(config.clone()), shared: Shared::new(memory) };
        stores.sweep();
        Ok(stores)
    }

    /// The stores in another directory, which must be locked too: with this one's block cache and bound on
    /// write buffers.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn elsewhere(&self, data_dir: &Path) -> Result<Self, StoreError> {
        let directory = data_dir.join("partitions");
        fs::create_dir_all(&directory).map_err(|e| StoreError::io(&directory, e))?;
        let stores = Self { directory, config: Arc::clone(&self.config), shared: self.shared.clone() };
        stores.sweep();
        Ok(stores)
    }

    /// Removes what a killed process left of generations it was making. What cannot be removed takes room and
    /// harms nothing.
    fn sweep(&self) {
        for partition in self.homes().unwrap_or_default() {
            let home = self.partition(partition);
            for name in names(&home).unwrap_or_default() {
                if name.ends_with(UNFINISHED) || name.ends_with(FILES) {
                    let _ = fs::remove_dir_all(home.join(name));
                }
            }
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A place for a new generation, numbered above every other, those being made included.
    pub(super) fn begin_building(&self, partition: Partition) -> Result<(Generation, Place), StoreError> {
        let home = self.partition(partition);
        fs::create_dir_all(&home).map_err(|e| StoreError::io(&home, e))?;
        let generation = self.next_generation(partition)?;
        let named = |ending: &str| home.join(format!("{generation}{ending}"));
        let place = Place {
            directory: self.generation(partition, generation),
            unfinished: named(UNFINISHED),
            files: named(FILES),
            home: home.clone(),
        };
        // Holds the number too: whoever makes another generation now takes the next one.
        fs::create_dir(&place.files).map_err(|e| StoreError::io(&place.files, e))?;
        Ok((generation, place))
    }

    fn next_generation(&self, partition: Partition) -> Result<Generation, StoreError> {
        let number = |name: &String| {
            let name = name.strip_suffix(UNFINISHED).or(name.strip_suffix(FILES)).unwrap_or(name);
            name.parse::<Generation>().ok().map(|generation| generation.0)
        };
        let newest = names(&self.partition(partition))?.iter().filter_map(number).max().unwrap_or(0);
        Ok(Generation(newest.saturating_add(1)))
    }

    /// A place beside the partition's generations for what a long piece of work keeps until it is done.
    #[must_use]
    pub fn scratch(&self, partition: Partition) -> PathBuf {
        self.partition(partition).join("scratch")
    }

    /// Bytes that RocksDB holds now, over all stores.
    #[must_use]
    pub fn memory(&self) -> MemoryInUse {
        self.shared.memory_in_use()
    }

    /// Partitions that have a live generation here, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`], or [`StoreError::Damaged`] where a `LIVE` file names nothing.
    pub fn partitions(&self) -> Result<Vec<Partition>, StoreError> {
        let mut found = Vec::new();
        for partition in self.homes()? {
            if self.live(partition)?.is_some() {
                found.push(partition);
            }
        }
        Ok(found)
    }

    /// Partitions that have a directory here, whatever it holds, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn homes(&self) -> Result<Vec<Partition>, StoreError> {
        let mut found: Vec<Partition> =
            names(&self.directory)?.iter().filter_map(|name| name.parse().ok().map(Partition)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The generation being served.
    ///
    /// # Errors
    /// As [`Self::partitions`].
    pub fn live(&self, partition: Partition) -> Result<Option<Generation>, StoreError> {
        let path = self.partition(partition).join(LIVE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound => return Ok(None),
                std::io::ErrorKind::PermissionDenied => return Err(StoreError::io(&path, error)),
                _ => {
                    let detail = format!("its LIVE file cannot be read: {error}");
                    return Err(StoreError::Damaged { directory: self.partition(partition), detail });
                }
            },
        };
        let generation: Generation = text.trim_end().parse().map_err(|()| StoreError::Damaged {
            directory: self.partition(partition),
            detail: format!("its LIVE file names no generation: {text:?}"),
        })?;
        let directory = self.generation(partition, generation);
        if directory.is_dir() {
            Ok(Some(generation))
        } else {
            let detail = format!("its LIVE file names {generation}, which is not there");
            Err(StoreError::Damaged { directory: self.partition(partition), detail })
        }
    }

    /// Every generation that stands on disk, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn generations(&self, partition: Partition) -> Result<Vec<Generation>, StoreError> {
        let mut found: Vec<Generation> =
            names(&self.partition(partition))?.iter().filter_map(|name| name.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Opens the generation being served; nothing where there is none.
    ///
    /// # Errors
    /// Damaged, newer, of another partition, or no access.
    pub fn open_live(&self, partition: Partition) -> Result<Option<StoreWriter>, StoreError> {
        self.live(partition)?.map(|generation| self.open_generation(partition, generation)).transpose()
    }

    /// Opens a generation, served or not.
    ///
    /// # Errors
    /// As [`Self::open_live`].
    pub fn open_generation(
        &self,
        partition: Partition,
        generation: Generation,
    ) -> Result<StoreWriter, StoreError> {
        let directory = self.generation(partition, generation);
        let database = Database::open(&self.shared, &directory, partition, generation, false)?;
        StoreWriter::open(database, self.shared.clone(), &self.config)
    }

    /// Makes an empty generation, not yet served, numbered above every other.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::DiskFull`].
    pub fn create(&self, identity: Identity) -> Result<StoreWriter, StoreError> {
        let partition = identity.partition;
        let home = self.partition(partition);
        fs::create_dir_all(&home).map_err(|e| StoreError::io(&home, e))?;
        let generation = self.next_generation(partition)?;
        let directory = self.generation(partition, generation);
        let database = Database::open(&self.shared, &directory, partition, generation, true)?;
        StoreWriter::create(database, self.shared.clone(), &self.config, identity)
    }

    /// Serves `generation` from now on, durably.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Inconsistent`] where there is no such generation.
    pub fn activate(&self, partition: Partition, generation: Generation) -> Result<(), StoreError> {
        self.prepare(partition, generation)?;
        self.change_over(partition)?;
        self.settle(partition)
    }

    /// Makes everything ready for `generation` to be served, durably: [`Self::change_over`] then is one short
    /// step.
    ///
    /// # Errors
    /// As [`Self::activate`].
    pub fn prepare(&self, partition: Partition, generation: Generation) -> Result<(), StoreError> {
        let home = self.partition(partition);
        if !self.generation(partition, generation).is_dir() {
            return Err(StoreError::Inconsistent {
                directory: home,
                detail: format!("there is no {generation}"),
            });
        }
        let fresh = home.join(NEXT_LIVE);
        let write = || {
            let mut file = File::create(&fresh)?;
            writeln!(file, "{generation}")?;
            file.sync_all()
        };
        write().map_err(|e| StoreError::io(&fresh, e))
    }

    /// Serves the generation that was prepared last: whole at once for every process that looks, and durable
    /// with [`Self::settle`].
    ///
    /// # Errors
    /// [`StoreError::Io`]; the one before is served on.
    pub fn change_over(&self, partition: Partition) -> Result<(), StoreError> {
        let home = self.partition(partition);
        let path = home.join(LIVE);
        fs::rename(home.join(NEXT_LIVE), &path).map_err(|e| StoreError::io(&path, e))
    }

    /// After a power cut too what was changed over to is served, once this returns.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn settle(&self, partition: Partition) -> Result<(), StoreError> {
        let home = self.partition(partition);
        File::open(&home).and_then(|home| home.sync_all()).map_err(|e| StoreError::io(&home, e))
    }

    /// Deletes a generation that is neither open nor served.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Inconsistent`] where it is being served.
    pub fn remove(&self, partition: Partition, generation: Generation) -> Result<(), StoreError> {
        let directory = self.generation(partition, generation);
        if self.live(partition)? == Some(generation) {
            let detail = "it is being served, so it is not deleted".into();
            return Err(StoreError::Inconsistent { directory, detail });
        }
        fs::remove_dir_all(&directory).map_err(|e| StoreError::io(&directory, e))
    }

    /// Bytes in write buffers now, over all stores of the process.
    #[must_use]
    pub fn write_buffer_bytes(&self) -> usize {
        self.shared.write_buffer_usage()
    }

    /// Where a generation's files are.
    #[must_use]
    pub fn directory_of(&self, partition: Partition, generation: Generation) -> PathBuf {
        self.generation(partition, generation)
    }

    fn partition(&self, partition: Partition) -> PathBuf {
        self.directory.join(format!("{:03}", partition.0))
    }

    fn generation(&self, partition: Partition, generation: Generation) -> PathBuf {
        self.partition(partition).join(generation.to_string())
    }
}

impl fmt::Debug for PartitionStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionStores").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The names in a directory; none where it is not there.
fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(directory, error)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(|e| StoreError::io(directory, e))
}
