//! Where a partition's commands are taken up once it is level.

use super::owned::Owned;
use super::settings::Shared;
use crate::log::LogError;
use crate::types::{NextOffset, Partition, Position, Topic};

/// Where to go on: the group's position; where it was lost, what the results say; for a first start the
/// beginning. Never a guess: anything else needs a word from whoever runs this.
///
/// The text of the inner error says what happened and what to do.
pub(super) fn first_command(shared: &Shared, owned: &Owned) -> Result<Result<NextOffset, String>, LogError> {
    let partition = owned.partition;
    let bounds = shared.log.bounds(Topic::Commands, partition)?;
    let is_there = |next: NextOffset| next >= bounds.start && next <= bounds.high_watermark;
    let told = told(shared, partition);
    let lost = |what: String| match told {
        Some(next) if is_there(next) => {
            tracing::warn!(%partition, %next, reason = what, "commands are taken up where --commands-from says");
            Ok(next)
        }
        _ => Err(format!(
            "partition {partition}: {what}; the commands topic holds {} up to (not including) {}. Say where to go on with `--commands-from {partition}:OFFSET` (several: separated by commas): commands before it that were not decided are never decided, decided ones behind it are answered again as long as dedupe.window remembers them",
            bounds.start, bounds.high_watermark
        )),
    };
    if let Some(committed) = &owned.commands.committed {
        if is_there(committed.next) {
            return Ok(Ok(committed.next));
        }
        return Ok(lost(format!("the group's next command, {}, is not in the log", committed.next)));
    }
    let store = owned.projector.store();
    let folded = store.progress().next_commands;
    if folded > NextOffset::ZERO {
        if is_there(folded) {
            tracing::warn!(%partition, next = %folded, "the group has lost its position on the commands; the results say where it was");
            return Ok(Ok(folded));
        }
        return Ok(lost(format!(
            "the group has lost its position on the commands, and the next one by the results, {folded}, is not in the log"
        )));
    }
    match store.has_own_events() {
        Ok(false) => Ok(Ok(bounds.start)),
        Ok(true) => Ok(lost(
            "the group has lost its position on the commands, and the results no longer say where it was"
                .into(),
        )),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// What `lane.commands_from` says of the partition.
fn told(shared: &Shared, partition: Partition) -> Option<NextOffset> {
    let positions = shared.config.commands_from.split(',').map(str::trim);
    positions
        .filter_map(|text| text.parse::<Position>().ok())
        .find(|position| position.partition == partition)
        .map(|position| NextOffset(position.offset.0))
}
