//! What may be asked of a running service, as it travels: the body of `POST /jobs`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::compare::Sample;
use super::plan::{Begin, FromBase, Plan, Stop};
use crate::store::Generation;
use crate::types::{Partition, Sku};

/// A job, as it is asked for. Texts are those of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    Replay(Replay),
    Restore(Restore),
    Verify(Verify),
    /// Publishes a snapshot cycle of live partitions now.
    Snapshot(Only),
    /// Makes a base of the archive of live partitions.
    Archive(Only),
    /// Lists the generations on the service's disk.
    Generations(Only),
    /// Removes those that are not served.
    Prune(Only),
    /// Serves one of them, if it gives the very rows that are served.
    Activate(Activate),
}

/// Which partitions; none = all that are here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    pub partitions: Vec<u16>,
}

/// Which generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    pub partition: u16,
    /// For example `gen-0001`.
    pub generation: String,
}

/// Makes stores anew from a base and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    /// `beginning`, `offset P:O` or `timestamp TIME`.
    pub from: String,
    /// `end`, `P:O,…` or a time.
    pub to: String,
    /// Only these; none = all.
    pub partitions: Vec<u16>,
    /// Serve what was made, once it was checked.
    pub cutover: bool,
    /// So many rows may differ.
    pub accept_changes: Option<u64>,
    /// Where to make the stores, on the service's machine.
    pub into: Option<PathBuf>,
    /// Give this SKU, as it was there.
    pub sku: Option<Sku>,
    /// Where there is no base, begin without what came before.
    pub partial: bool,
}

/// Brings stores back from a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// `latest`, the name of a base of the archive, or a time.
    pub from: String,
    pub partitions: Vec<u16>,
    pub cutover: bool,
    pub into: Option<PathBuf>,
}

/// Holds what is there against what a rebuild gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    pub against: Against,
    /// Percent of the SKUs, 1 to 100.
    pub sample: u8,
    pub partitions: Vec<u16>,
}

/// What is held against the rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    #[default]
    Live,
    Snapshot,
    Archive,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            from: "beginning".into(),
            to: "end".into(),
            partitions: Vec::new(),
            cutover: false,
            accept_changes: None,
            into: None,
            sku: None,
            partial: false,
        }
    }
}

impl Default for Restore {
    fn default() -> Self {
        Self { from: "latest".into(), partitions: Vec::new(), cutover: false, into: None }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Self { against: Against::Live, sample: 100, partitions: Vec::new() }
    }
}

/// What becomes of what is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Cutover { accept: Option<u64> },
    Into(PathBuf),
    Show(Sku),
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    Make { plan: Plan, purpose: Purpose, only: Vec<Partition> },
    Verify { against: Against, sample: Sample, only: Vec<Partition> },
    Snapshot { only: Vec<Partition> },
    Archive { only: Vec<Partition> },
    Generations { only: Vec<Partition> },
    Prune { only: Vec<Partition> },
    Activate { partition: Partition, generation: Generation },
}

impl Request {
    /// A stable name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Restore(_) => "restore",
            Self::Verify(_) => "verify",
            Self::Snapshot(_) => "snapshot",
            Self::Archive(_) => "archive",
            Self::Generations(_) => "generations",
            Self::Prune(_) => "prune",
            Self::Activate(_) => "activate",
        }
    }

    /// # Errors
    /// What is wrong, naming the field.
    pub(super) fn understood(&self, partitions: u16) -> Result<Task, String> {
        match self {
            Self::Replay(replay) => replay.understood(partitions),
            Self::Restore(restore) => restore.understood(partitions),
            Self::Verify(Verify { against, sample, partitions: only }) => {
                if !(1..=100).contains(sample) {
                    return Err(format!("sample: {sample} is not between 1 and 100 percent"));
                }
                let only = chosen(only, partitions)?;
                Ok(Task::Verify { against: *against, sample: Sample(*sample), only })
            }
            Self::Snapshot(Only { partitions: only }) => {
                Ok(Task::Snapshot { only: chosen(only, partitions)? })
            }
            Self::Archive(Only { partitions: only }) => Ok(Task::Archive { only: chosen(only, partitions)? }),
            Self::Generations(Only { partitions: only }) => {
                Ok(Task::Generations { only: chosen(only, partitions)? })
            }
            Self::Prune(Only { partitions: only }) => Ok(Task::Prune { only: chosen(only, partitions)? }),
            Self::Activate(Activate { partition, generation }) => {
                chosen(&[*partition], partitions)?;
                let generation = generation.parse().map_err(|()| {
                    format!("generation: {generation:?} is none; they are named as gen-0001 is")
                })?;
                Ok(Task::Activate { partition: Partition(*partition), generation })
            }
        }
    }
}

impl Replay {
    fn understood(&self, partitions: u16) -> Result<Task, String> {
        let begin: Begin = self.from.parse().map_err(|error| format!("from: {error}"))?;
        let stop: Stop = self.to.parse().map_err(|error| format!("to: {error}"))?;
        let plan = Plan { begin, stop, partial: self.partial };
        if self.accept_changes.is_some() && !self.cutover {
            return Err("accept_changes goes with cutover alone".into());
        }
        if self.cutover && (plan.stop != Stop::End || plan.partial) {
            return Err(
                "cutover serves whole partitions up to the end: it goes with neither to nor partial".into()
            );
        }
        let purpose = match (self.cutover, &self.into, &self.sku) {
            (true, None, None) => Purpose::Cutover { accept: self.accept_changes },
            (false, Some(into), None) => Purpose::Into(absolute(into)?),
            (false, None, Some(sku)) => Purpose::Show(sku.clone()),
            _ => return Err("say what for: exactly one of cutover, into and sku".into()),
        };
        Ok(Task::Make { plan, purpose, only: chosen(&self.partitions, partitions)? })
    }
}

impl Restore {
    fn understood(&self, partitions: u16) -> Result<Task, String> {
        let from: FromBase = self.from.parse().map_err(|error| format!("from: {error}"))?;
        let purpose = match (self.cutover, &self.into) {
            (true, None) => Purpose::Cutover { accept: None },
            (false, Some(into)) => Purpose::Into(absolute(into)?),
            _ => return Err("say what for: exactly one of cutover and into".into()),
        };
        let mut only = chosen(&self.partitions, partitions)?;
        if let FromBase::Id(id) = from {
            only = chosen(&[id.partition.0], partitions)?;
        }
        // A copy stands at the base; what is to be served goes on to the end.
        let plan = Plan { begin: Begin::Base(from), stop: Stop::End, partial: false };
        Ok(Task::Make { plan, purpose, only })
    }
}

fn chosen(only: &[u16], partitions: u16) -> Result<Vec<Partition>, String> {
    if let Some(odd) = only.iter().find(|number| **number >= partitions) {
        return Err(format!(
            "partitions: there is no partition {odd}; the events have {partitions} partitions"
        ));
    }
    Ok(only.iter().copied().map(Partition).collect())
}

fn absolute(into: &std::path::Path) -> Result<PathBuf, String> {
    if into.is_absolute() {
        return Ok(into.to_path_buf());
    }
    Err(format!("into: {} must be an absolute path on the service's machine", into.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(body: &str) -> Result<Task, String> {
        let request: Request = serde_json::from_str(body).map_err(|error| error.to_string())?;
        request.understood(3)
    }

    #[test]
    fn a_request_is_understood_or_says_what_is_wrong() {
        for good in [
            r#"{"kind":"replay","cutover":true}"#,
            r#"{"kind":"replay","cutover":true,"accept_changes":3,"from":"offset 1:7"}"#,
            r#"{"kind":"replay","to":"1:7","sku":"S"}"#,
            r#"{"kind":"replay","from":"timestamp 2026-11-01T12:00:00Z","into":"/tmp/x","partial":true}"#,
            r#"{"kind":"restore","cutover":true}"#,
            r#"{"kind":"restore","from":"2026-11-01T12:00:00Z","into":"/tmp/x","partitions":[2]}"#,
            r#"{"kind":"verify"}"#,
            r#"{"kind":"verify","against":"archive","sample":10}"#,
            r#"{"kind":"snapshot"}"#,
            r#"{"kind":"archive","partitions":[0,2]}"#,
            r#"{"kind":"generations"}"#,
            r#"{"kind":"prune","partitions":[1]}"#,
            r#"{"kind":"activate","partition":1,"generation":"gen-0001"}"#,
        ] {
            assert!(understood(good).is_ok(), "{good}: {:?}", understood(good));
        }
        for (bad, part) in [
            (r#"{"kind":"replay"}"#, "exactly one of"),
            (r#"{"kind":"replay","cutover":true,"sku":"S"}"#, "exactly one of"),
            (r#"{"kind":"replay","cutover":true,"to":"1:7"}"#, "neither to nor partial"),
            (r#"{"kind":"replay","cutover":true,"partial":true}"#, "neither to nor partial"),
            (r#"{"kind":"replay","sku":"S","accept_changes":1}"#, "accept_changes"),
            (r#"{"kind":"replay","into":"here"}"#, "absolute"),
            (r#"{"kind":"replay","sku":"S","from":"soon"}"#, "from:"),
            (r#"{"kind":"replay","sku":"S","to":"soon"}"#, "to:"),
            (r#"{"kind":"replay","cutover":true,"partitions":[3]}"#, "no partition 3"),
            (r#"{"kind":"restore","cutover":true,"from":"soon"}"#, "from:"),
            (r#"{"kind":"restore","cutover":true,"accept_changes":1}"#, "unknown field"),
            (r#"{"kind":"verify","sample":0}"#, "sample"),
            (r#"{"kind":"verify","against":"nothing"}"#, "unknown variant"),
            (r#"{"kind":"forget"}"#, "unknown variant"),
            (r#"{"kind":"snapshot","partitions":[3]}"#, "no partition 3"),
            (r#"{"kind":"activate","partition":1,"generation":"old"}"#, "generation:"),
            (r#"{"kind":"activate","partition":1}"#, "generation"),
            (r#"{"cutover":true}"#, "kind"),
        ] {
            let error = understood(bad).expect_err(bad);
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
