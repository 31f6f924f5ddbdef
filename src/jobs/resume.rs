//! What a rebuild remembers of itself beside a partition's generations: by it the same job, run again, goes
//! on in the generation it had begun, to the position it had found.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::JobError;
use crate::store::Generation;
use crate::types::NextOffset;

pub(super) struct Resume {
    path: PathBuf,
}

/// A job under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub generation: Generation,
    pub stop: NextOffset,
    /// Everything from here on was folded; below, it is the base's.
    pub covers_from: NextOffset,
    /// What it was begun from, for people.
    pub base: String,
}

impl Resume {
    pub(super) fn of(scratch: &Path) -> Self {
        Self { path: scratch.join("rebuild") }
    }

    /// The job under way, where it is this plan's.
    pub(super) fn find(&self, plan: &str) -> Option<UnderWay> {
        let text = fs::read_to_string(&self.path).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(plan) {
            return None;
        }
        let generation = lines.next()?.parse().ok()?;
        let stop = NextOffset(lines.next()?.parse().ok()?);
        let covers_from = NextOffset(lines.next()?.parse().ok()?);
        Some(UnderWay { generation, stop, covers_from, base: lines.next()?.to_owned() })
    }

    /// Of whatever plan.
    pub(super) fn any(&self) -> Option<Generation> {
        fs::read_to_string(&self.path).ok()?.lines().nth(1)?.parse().ok()
    }

    pub(super) fn save(&self, plan: &str, job: &UnderWay) -> Result<(), JobError> {
        let UnderWay { generation, stop, covers_from, base } = job;
        let text = format!("{plan}\n{generation}\n{stop}\n{covers_from}\n{base}\n");
        let write = || {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            let fresh = self.path.with_extension("new");
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)
        };
        write().map_err(|source| JobError::State { path: self.path.clone(), source })
    }

    /// The job is done.
    pub(super) fn forget(&self) {
        // Met again, it names a generation that is complete.
        let _ = fs::remove_file(&self.path);
    }
}
