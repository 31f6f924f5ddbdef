//! What is kept of a job: a small JSON file each, so that a restart still knows what was done and what was cut
//! off.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::Request;
use super::{Class, JobError};
use crate::types::UtcTime;

/// Jobs that are remembered; older ones are forgotten.
const KEPT: usize = 100;

/// The number of a job: `job-0007` is 7.
pub type JobNumber = u32;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Running,
    Done,
    /// It found what it must not do: differences, no base, a position that is not there.
    Refused,
    /// Something was out of reach or damaged.
    Failed,
    /// Cancelled, or the service stopped: the same again goes on where it was.
    Interrupted,
}

/// Why a job is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub class: Class,
    pub detail: String,
}

/// A job, as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub request: Request,
    pub state: JobState,
    pub started_at: UtcTime,
    pub ended_at: Option<UtcTime>,
    /// What it came to; members by kind.
    pub summary: Value,
    pub error: Option<Trouble>,
}

impl Record {
    pub(super) fn fail(&mut self, error: &JobError) {
        let class = error.class();
        self.state = match class {
            Class::Interrupted => JobState::Interrupted,
            Class::Refused => JobState::Refused,
            Class::Unreachable | Class::Data => JobState::Failed,
        };
        self.error = Some(Trouble { class, detail: error.to_string() });
    }
}

/// The files of all jobs.
pub(super) struct Records {
    directory: PathBuf,
}

impl Records {
    /// Every job known, the oldest first. One that ran when the process ended was interrupted.
    pub(super) fn open(
        directory: PathBuf,
        now: UtcTime,
    ) -> Result<(Self, Vec<(JobNumber, Record)>), JobError> {
        let records = Self { directory };
        fs::create_dir_all(&records.directory)
            .map_err(|source| records.failed(&records.directory, source))?;
        let entries =
            fs::read_dir(&records.directory).map_err(|source| records.failed(&records.directory, source))?;
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(number) = name.strip_suffix(".json").and_then(number_of) else { continue };
            // A file that cannot be read is of a job that nobody can be told of; its number stays taken.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            match serde_json::from_str::<Record>(&text) {
                Ok(record) => found.push((number, record)),
                Err(error) => tracing::warn!(job = name, %error, "what is kept of a job cannot be read"),
            }
        }
        found.sort_by_key(|(number, _)| *number);
        for (number, record) in &mut found {
            if record.state == JobState::Running {
                record.fail(&JobError::Interrupted);
                record.ended_at = Some(now);
                records.save(*number, record);
            }
        }
        Ok((records, found))
    }

    /// Keeps it, replacing what was kept. A job is not stopped by a disk that takes no note of it.
    pub(super) fn save(&self, number: JobNumber, record: &Record) {
        let path = self.path(number);
        let write = || {
            let fresh = path.with_extension("new");
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        if let Err(error) = write() {
            tracing::warn!(job = record.id, path = %path.display(), %error, "no note can be taken of a job");
        }
    }

    /// Forgets the oldest beyond those that are kept.
    pub(super) fn trim(&self, known: &mut Vec<(JobNumber, Record)>) {
        while known.len() > KEPT {
            let (number, _) = known.remove(0);
            // Met again at the next start.
            let _ = fs::remove_file(self.path(number));
        }
    }

    fn path(&self, number: JobNumber) -> PathBuf {
        self.directory.join(format!("{}.json", id_of(number)))
    }

    fn failed(&self, path: &Path, source: std::io::Error) -> JobError {
        JobError::State { path: path.to_path_buf(), source }
    }
}

/// `job-0007`
pub(super) fn id_of(number: JobNumber) -> String {
    format!("job-{number:04}")
}

pub(super) fn number_of(id: &str) -> Option<JobNumber> {
    id.strip_prefix("job-")?.parse().ok()
}
