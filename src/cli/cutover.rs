//! Serving a generation that was made anew, in a stopped service's data directory: checked first.

use serde_json::json;

use super::exit::{Failure, Status};
use super::job_lines;
use super::output::Output;
use super::rebuilding::Made;
use crate::jobs::{Difference, JobError, Sample, compare, shown, supersede};
use crate::snapshots::archive::Archive;
use crate::store::PartitionStores;

/// How a cutover is checked.
pub struct Cutover<'a> {
    pub stores: &'a PartitionStores,
    pub archive: &'a Archive,
    /// So many rows may differ, over all partitions; nothing = none, a plain one.
    pub accept: Option<u64>,
}

/// Holds each new generation against the served one at the same position, and serves it. All or none: nothing
/// is changed unless every partition passes. The old generations stay until they are pruned.
pub fn run(cutover: &Cutover<'_>, made: Vec<Made>, out: &mut Output, json: bool) -> Result<Status, Failure> {
    let mut differences = 0;
    let mut missing = 0;
    let mut repaired = Vec::new();
    for (store, rebuilt) in &made {
        let partition = rebuilt.partition;
        let Some(live) = cutover.stores.open_live(partition)? else { continue };
        let at = live.meta().progress.next;
        if at != rebuilt.next {
            let text = format!(
                "partition {partition}: the served store is at offset {at}, the new one at {}: they can only be compared at one position. Start the service once so that it reads to the end, stop it, and do the same again",
                rebuilt.next
            );
            return Err(Failure::text(Status::Refused, text));
        }
        let mut failed = None;
        let compared =
            compare(&live.reader(), &store.reader(), Sample::ALL, &mut |difference: Difference| {
                // A SKU that is served and would be gone blocks every cutover.
                missing += u64::from(difference.is_missing_sku());
                let row = shown::difference(partition, &difference);
                let text = if json { row.to_string() } else { job_lines::difference(&row) };
                if failed.is_none() {
                    failed = out.line(text).err();
                }
            })?;
        if let Some(error) = failed {
            return Err(error);
        }
        differences += compared.differences;
        if compared.differences > 0 {
            repaired.push((partition, rebuilt.covers_from, rebuilt.next));
        }
    }
    out.flush()?;
    if missing > 0 {
        return Err(JobError::Missing { skus: missing }.into());
    }
    if differences != cutover.accept.unwrap_or(0) {
        return Err(JobError::Differs { differences, accepted: cutover.accept }.into());
    }
    for (partition, covers_from, next) in repaired {
        supersede(cutover.archive, partition, covers_from, Some(next))?;
    }
    for (mut store, rebuilt) in made {
        let generation = store.generation();
        if let Some(live) = cutover.stores.open_live(rebuilt.partition)? {
            // By the checkpoint the service knows that what it finds here is newer than the topic.
            store.succeed(&live.reader())?;
        }
        store.close()?;
        cutover.stores.activate(rebuilt.partition, generation)?;
        if json {
            let line = json!({"partition": rebuilt.partition, "serves": generation.to_string()});
            out.line(line.to_string())?;
        } else {
            out.line(format!(
                "partition {}: {generation} is served from the next start on",
                rebuilt.partition
            ))?;
        }
    }
    out.flush()?;
    Ok(Status::Done)
}
