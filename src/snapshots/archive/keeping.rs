//! Which bases are kept, and what is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::base::{MANIFEST, SUPERSEDED};
use super::{Archive, ArchiveError, Base, BaseId, Unsound};
use crate::config::ArchiveConfig;
use crate::snapshots::base::BaseError;
use crate::snapshots::work::Work;
use crate::types::{Partition, UtcTime};

/// How long bases are kept. One goes only when both say so, and only while a newer one of its partition was
/// read and found sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// So many of the newest of each partition, superseded ones not counted.
    pub newest: usize,
    /// Those made within this time.
    pub within: Duration,
}

impl Keeping {
    #[must_use]
    pub fn new(config: &ArchiveConfig) -> Self {
        Self {
            newest: usize::try_from(config.keep.max(1)).unwrap_or(usize::MAX),
            within: Duration::from_secs(u64::from(config.keep_days) * 86_400),
        }
    }
}

/// What pruning came to.
#[derive(Debug, Default)]
pub struct Pruned {
    pub removed: Vec<Base>,
    pub kept: Vec<BaseId>,
    /// Found unsound on the way: left where they are, for somebody to look at.
    pub unsound: Vec<Unsound>,
    /// Partitions of which nothing was removed, because no base to be kept is sound.
    pub held_back: Vec<Partition>,
}

impl Archive {
    /// Removes the bases that are no longer to be kept. Superseded ones go once a sound one is there. Nothing
    /// of a partition goes before one of those that stay was read as a whole and found sound. `only_show`
    /// removes nothing.
    ///
    /// # Errors
    /// Those of the archive's store; what was removed by then is gone.
    pub fn prune(
        &self,
        keeping: Keeping,
        now: UtcTime,
        only_show: bool,
        work: &Work,
    ) -> Result<Pruned, BaseError> {
        self.prune_of(None, keeping, now, only_show, work)
    }

    /// The same of one partition, for good.
    ///
    /// # Errors
    /// As [`Self::prune`].
    pub fn prune_partition(
        &self,
        partition: Partition,
        keeping: Keeping,
        now: UtcTime,
        work: &Work,
    ) -> Result<Pruned, BaseError> {
        self.prune_of(Some(partition), keeping, now, false, work)
    }

    fn prune_of(
        &self,
        only: Option<Partition>,
        keeping: Keeping,
        now: UtcTime,
        only_show: bool,
        work: &Work,
    ) -> Result<Pruned, BaseError> {
        let listing = self.list(only)?;
        let mut pruned = Pruned { unsound: listing.unsound, ..Pruned::default() };
        let mut partitions: BTreeMap<Partition, Vec<Base>> = BTreeMap::new();
        for base in listing.bases {
            partitions.entry(base.id.partition).or_default().push(base);
        }
        for (partition, mut bases) in partitions {
            // The newest first; of two at one position the one made last.
            bases.sort_by_key(|base| std::cmp::Reverse((base.id.next, base.manifest.created_at)));
            let (mut stay, mut go) = (Vec::new(), Vec::new());
            for base in bases {
                let wanted = base.superseded.is_none()
                    && (stay.len() < keeping.newest || is_within(&base, keeping.within, now));
                if wanted { stay.push(base) } else { go.push(base) }
            }
            if !go.is_empty() && !self.any_sound(&stay, &mut pruned, work)? {
                pruned.held_back.push(partition);
                stay.append(&mut go);
            }
            pruned.kept.extend(stay.iter().map(|base| base.id));
            for base in go {
                if !only_show {
                    self.remove(&base)?;
                }
                pruned.removed.push(base);
            }
        }
        Ok(pruned)
    }

    /// Removes files that belong to no base: of writers that were killed, and of a removal that was. Those
    /// younger than `age` may be of a writer at work, and stay. Gives how many went.
    ///
    /// # Errors
    /// Those of the archive's store.
    pub fn sweep(&self, age: Duration, now: UtcTime) -> Result<usize, ArchiveError> {
        Ok(self.sweep_of(None, age, now)? + self.sweep_directory(age, now))
    }

    /// The same of one partition, but for half-put objects in a directory.
    ///
    /// # Errors
    /// Those of the archive's store.
    pub fn sweep_partition(
        &self,
        partition: Partition,
        age: Duration,
        now: UtcTime,
    ) -> Result<usize, ArchiveError> {
        self.sweep_of(Some(partition), age, now)
    }

    fn sweep_of(&self, only: Option<Partition>, age: Duration, now: UtcTime) -> Result<usize, ArchiveError> {
        let mut swept = 0;
        for (id, objects) in self.folders(only)? {
            let is_old = |modified: UtcTime| seconds_since(modified, now) >= age.as_secs_f64();
            if !objects.iter().any(|object| is_old(object.modified)) {
                continue;
            }
            let named: Vec<String> = match Base::load(&self.place, id) {
                Ok(base) => (0..base.manifest.files.len()).map(|index| base.file_name(index)).collect(),
                Err(ArchiveError::NoBase { .. }) => Vec::new(),
                // Whose files they are is not known.
                Err(error) if error.is_damage() => continue,
                Err(error) => return Err(error),
            };
            for object in objects.iter().filter(|object| is_old(object.modified)) {
                let mark = object.name.ends_with(SUPERSEDED) || object.name.ends_with(MANIFEST);
                if !mark && !named.contains(&object.name) {
                    self.place.delete(&object.name)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    fn any_sound(&self, bases: &[Base], pruned: &mut Pruned, work: &Work) -> Result<bool, BaseError> {
        for base in bases {
            match self.read_through(base.clone(), work) {
                Ok(_) => return Ok(true),
                Err(BaseError::Archive(error)) if error.is_damage() => {
                    pruned.unsound.push(Unsound { id: base.id, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The manifest first: from then on it is no base.
    fn remove(&self, base: &Base) -> Result<(), ArchiveError> {
        self.place.delete(&base.manifest_name())?;
        for index in 0..base.manifest.files.len() {
            self.place.delete(&base.file_name(index))?;
        }
        if base.superseded.is_some() {
            self.place.delete(&format!("{}/{SUPERSEDED}", base.id.folder()))?;
        }
        if let Some(root) = self.place.directory() {
            // Fails where something else lies in it, as it should.
            let _ = std::fs::remove_dir(root.join(base.id.folder()));
        }
        Ok(())
    }

    /// In a directory: half-put objects of killed processes, which no listing shows (`NAME#NUMBER`), and
    /// folders that are empty.
    fn sweep_directory(&self, age: Duration, now: UtcTime) -> usize {
        let Some(root) = self.place.directory() else { return 0 };
        let entries = |path: &std::path::Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut swept = 0;
        for folder in entries(root).flat_map(|partition| entries(&partition.path())) {
            for file in entries(&folder.path()) {
                let name = file.file_name().to_string_lossy().into_owned();
                let half = name.rsplit_once('#').is_some_and(|(_, number)| {
                    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                });
                let modified = file.metadata().ok().and_then(|found| found.modified().ok());
                let seconds = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
                let is_old =
                    seconds.is_some_and(|at| now.seconds() as f64 - at.as_secs_f64() >= age.as_secs_f64());
                if half && is_old && std::fs::remove_file(file.path()).is_ok() {
                    swept += 1;
                }
            }
            // Fails where anything lies in it.
            let _ = std::fs::remove_dir(folder.path());
        }
        swept
    }
}

fn is_within(base: &Base, within: Duration, now: UtcTime) -> bool {
    seconds_since(base.manifest.created_at, now) < within.as_secs_f64()
}

fn seconds_since(then: UtcTime, now: UtcTime) -> f64 {
    (now.seconds() - then.seconds()) as f64 + (f64::from(now.nanos()) - f64::from(then.nanos())) / 1e9
}
