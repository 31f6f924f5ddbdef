//! The archive: which bases there are, and which of them may be used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::place::{Object, Place};
use super::{ArchiveError, BaseId, BaseWriter, Given, Manifest, Origin, RowReader};
use crate::codec::rows::meta::Meta;
use crate::config::ArchiveConfig;
use crate::types::{NextOffset, Partition, Timestamp};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUPERSEDED: &str = "superseded.json";

/// The bases under one root. Cheap to clone; share it between threads.
#[derive(Clone)]
pub struct Archive {
    pub(super) place: Arc<Place>,
}

/// A base whose manifest was read and is sound; its files are checked when they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub id: BaseId,
    pub manifest: Manifest,
    /// Why it is never restored, where it was marked so.
    pub superseded: Option<String>,
}

/// A base whose manifest cannot be used.
#[derive(Debug)]
pub struct Unsound {
    pub id: BaseId,
    pub error: ArchiveError,
}

/// What there is, by partition and position.
#[derive(Debug, Default)]
pub struct Listing {
    pub bases: Vec<Base>,
    pub unsound: Vec<Unsound>,
}

impl Archive {
    /// Uses the place that the settings name. Nothing is read or made yet.
    ///
    /// # Errors
    /// [`ArchiveError::Misconfigured`].
    pub fn open(config: &ArchiveConfig) -> Result<Self, ArchiveError> {
        Ok(Self { place: Arc::new(Place::open(config)?) })
    }

    /// The root, as errors name it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.place.url()
    }

    /// Begins a base of the state that `meta` speaks of. Its rows are then put in the order of their keys.
    ///
    /// # Errors
    /// [`ArchiveError::Failed`].
    pub fn begin(&self, meta: Meta, origin: Origin) -> Result<BaseWriter, ArchiveError> {
        BaseWriter::begin(Arc::clone(&self.place), meta, origin)
    }

    /// Every base; of one partition where it is given.
    ///
    /// # Errors
    /// Those of the archive's store. A base whose manifest cannot be used is not one: it is listed as unsound.
    pub fn list(&self, partition: Option<Partition>) -> Result<Listing, ArchiveError> {
        let mut listing = Listing::default();
        for (id, objects) in self.folders(partition)? {
            if !objects.iter().any(|object| object.name.ends_with(MANIFEST)) {
                continue;
            }
            match Base::load(&self.place, id) {
                Ok(base) => listing.bases.push(base),
                // Pruned since.
                Err(ArchiveError::NoBase { .. }) => {}
                Err(error) if error.is_damage() => listing.unsound.push(Unsound { id, error }),
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }

    /// The base of that name.
    ///
    /// # Errors
    /// [`ArchiveError::NoBase`], and every damage of its manifest.
    pub fn base(&self, id: BaseId) -> Result<Base, ArchiveError> {
        Base::load(&self.place, id)
    }

    /// The newest base of a partition that may be restored, whose events' times are not above `at`, and whose
    /// `next` is not above `below`, where they are given. Unsound ones on the way are given too, the newest
    /// first: whoever falls back says so.
    ///
    /// # Errors
    /// Those of the archive's store.
    pub fn newest(
        &self,
        partition: Partition,
        at: Option<Timestamp>,
        below: Option<NextOffset>,
    ) -> Result<(Option<Base>, Vec<Unsound>), ArchiveError> {
        let mut passed = Vec::new();
        for (id, _) in self.folders(Some(partition))?.into_iter().rev() {
            if below.is_some_and(|below| id.next > below) {
                continue;
            }
            match Base::load(&self.place, id) {
                Ok(base) if base.superseded.is_none() && base.is_at_or_before(at) => {
                    return Ok((Some(base), passed));
                }
                Ok(_) | Err(ArchiveError::NoBase { .. }) => {}
                Err(error) if error.is_damage() => passed.push(Unsound { id, error }),
                Err(error) => return Err(error),
            }
        }
        Ok((None, passed))
    }

    /// Reads the rows of a base.
    ///
    /// # Errors
    /// [`ArchiveError::Superseded`].
    pub fn read(&self, base: &Base) -> Result<RowReader, ArchiveError> {
        self.read_behind(base, Given::default())
    }

    /// Reads the rows of a base behind what was given before. At the end count and digest of all of them are
    /// checked.
    ///
    /// # Errors
    /// [`ArchiveError::Superseded`].
    pub fn read_behind(&self, base: &Base, given: Given) -> Result<RowReader, ArchiveError> {
        if let Some(reason) = &base.superseded {
            return Err(ArchiveError::Superseded { base: base.id, reason: reason.clone() });
        }
        RowReader::behind(Arc::clone(&self.place), base.clone(), false, given)
    }

    /// Marks a base as never to be restored: it was made of state that was found wrong. Again changes nothing.
    ///
    /// # Errors
    /// Those of the archive's store.
    pub fn supersede(&self, id: BaseId, reason: &str) -> Result<(), ArchiveError> {
        let body = serde_json::json!({ "base": id.to_string(), "reason": reason });
        let name = format!("{}/{SUPERSEDED}", id.folder());
        self.place.put(&name, format!("{body}\n").into()).map(drop)
    }

    /// Every folder that is of a base, or is to become one, in order.
    pub(super) fn folders(
        &self,
        partition: Option<Partition>,
    ) -> Result<BTreeMap<BaseId, Vec<Object>>, ArchiveError> {
        let below = partition.map_or(String::new(), |partition| format!("{:03}", partition.0));
        let mut folders: BTreeMap<BaseId, Vec<Object>> = BTreeMap::new();
        for object in self.place.list(&below)? {
            let mut parts = object.name.split('/');
            let (Some(partition), Some(name), Some(_), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if let Some(id) = BaseId::of_folder(partition, name) {
                folders.entry(id).or_default().push(object);
            }
        }
        Ok(folders)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Base {
    pub(super) fn load(place: &Place, id: BaseId) -> Result<Self, ArchiveError> {
        let name = format!("{}/{MANIFEST}", id.folder());
        let Some(bytes) = place.get(&name)? else {
            return Err(ArchiveError::NoBase { url: place.url().into(), wanted: id.to_string() });
        };
        let manifest = Manifest::parse(&name, &bytes, id)?;
        let superseded = place.get(&format!("{}/{SUPERSEDED}", id.folder()))?.map(|bytes| {
            // That the mark is there is what counts; what it says is for people.
            let mark: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
            let reason = mark.as_ref().and_then(|mark| mark.get("reason")?.as_str());
            reason.unwrap_or("for a reason that cannot be read").to_owned()
        });
        Ok(Self { id, manifest, superseded })
    }

    /// No event in it has a timestamp above `at`.
    fn is_at_or_before(&self, at: Option<Timestamp>) -> bool {
        match (at, self.manifest.event_time_ms) {
            (Some(at), Some(newest)) => newest <= at.0,
            _ => true,
        }
    }

    /// Tells its files from those of another that was made of the same state: they may be cut elsewhere.
    #[must_use]
    pub fn key(&self) -> String {
        let names: Vec<&str> = self.manifest.files.iter().map(|file| file.name.as_str()).collect();
        format!("{}-{:016x}", self.id, xxhash_rust::xxh3::xxh3_64(names.join("\n").as_bytes()))
    }

    pub(super) fn manifest_name(&self) -> String {
        format!("{}/{MANIFEST}", self.id.folder())
    }

    /// The object of a file, by its index.
    pub(super) fn file_name(&self, index: usize) -> String {
        let name = self.manifest.files.get(index).map_or("", |file| file.name.as_str());
        format!("{}/{name}", self.id.folder())
    }
}
