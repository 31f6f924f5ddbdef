//! The group's half of a step: partitions come and go.

use std::sync::Arc;
use std::time::Duration;

use super::bring_up::{BringUpError, Brought};
use super::depot::Kept;
use super::openings::Then;
use super::owned::Owned;
use super::publishing::cut;
use super::step::{Lane, Passing, fail};
use crate::log::{LogError, MemberEvent, Records};
use crate::types::{Partition, Timestamp, Topic};

/// Fenced twice within this, somebody else has the lane's name for good.
const FENCED_AGAIN_MS: i64 = 60_000;

impl Lane {
    /// Polls the member once and serves what it says. Gives commands, where they came.
    pub(super) fn serve_member(&mut self, now: Timestamp) -> Result<Option<Box<dyn Records>>, Passing> {
        let wait = self.wait();
        let member = match &mut self.member {
            Some(member) => member,
            None => {
                let log = &self.shared.log;
                self.member.insert(log.join(&self.shared.config.group, &self.identity.instance)?)
            }
        };
        match member.poll(wait) {
            Ok(MemberEvent::Nothing) => {}
            Ok(MemberEvent::Records(records)) => return Ok(Some(records)),
            Ok(MemberEvent::Assigned(partitions)) => {
                tracing::info!(lane = self.identity.instance, partitions = ?numbers(&partitions), "partitions assigned");
                for partition in partitions {
                    self.shared.membership.give(self.identity.lane, partition);
                    self.openings.begin(partition);
                }
            }
            Ok(MemberEvent::Revoked(partitions)) => {
                tracing::info!(lane = self.identity.instance, partitions = ?numbers(&partitions), "partitions revoked");
                self.hand_over(&partitions, Then::Release)?;
            }
            Ok(MemberEvent::Lost(partitions)) => {
                tracing::warn!(lane = self.identity.instance, partitions = ?numbers(&partitions), "partitions lost: the group gave them away");
                self.hand_over(&partitions, Then::LetGo)?;
            }
            Err(LogError::OutOfRange { topic: Topic::Commands, partition, wanted, start, end }) => {
                self.fail(
                    partition,
                    &format!(
                        "partition {partition}: the next command, {wanted}, is not in the log any more, which holds {start} up to (not including) {end}; commands were deleted before they were decided. Say where to go on with `--commands-from {partition}:OFFSET`"
                    ),
                );
            }
            Err(LogError::Fenced { .. }) => self.fenced(now),
            Err(error) if error.is_retriable() => return Err(error.into()),
            Err(error) => self.fail_all(&error.to_string()),
        }
        Ok(None)
    }

    /// Notes how far this lane is in the group. Gives whether it may take up what it was given.
    fn note_membership(&mut self, now: Timestamp) -> bool {
        let told = self.member.as_ref().and_then(|member| member.told());
        let may_take_up = self.shared.membership.told(self.identity.lane, told, now);
        if told.is_none() {
            self.member_since = None;
            self.show_left();
        } else {
            self.show_joined(now);
        }
        may_take_up
    }

    /// Shows once that this lane is in the group and what it was given is known: that may come a little later than
    /// the membership, and may be nothing.
    fn show_joined(&mut self, now: Timestamp) {
        const ASSIGNMENT_MS: i64 = 2_000;
        let since = *self.member_since.get_or_insert(now);
        if self.joined || !self.shared.membership.is_settled() {
            return;
        }
        let given = !self.owned.is_empty() || !self.openings.is_empty();
        if given || now.0.saturating_sub(since.0) >= ASSIGNMENT_MS {
            self.joined = true;
            self.registry().joined();
        }
    }

    /// Shows that this lane is out of the group.
    pub(super) fn show_left(&mut self) {
        if std::mem::take(&mut self.joined) {
            self.registry().left();
        }
    }

    /// How long the member may wait for something to happen.
    fn wait(&self) -> Duration {
        let config = self.config();
        let busy = self.more || (self.is_catching_up() && !self.owned.is_empty());
        Duration::from_millis(if busy { 0 } else { config.command_poll_ms })
    }

    /// Someone took over the member's name. A member that was only silent for too long joins again.
    fn fenced(&mut self, now: Timestamp) {
        self.member = None;
        let all = self.shared.membership.given(self.identity.lane);
        // Nothing is waited for here: it is another's already.
        if let Err(error) = self.hand_over(&all, Then::LetGo) {
            tracing::debug!(reason = error.reason, "partitions let go of");
        }
        let again =
            self.fenced_at.is_some_and(|at| (0..FENCED_AGAIN_MS).contains(&now.0.saturating_sub(at.0)));
        self.fenced_at = Some(now);
        let instance = &self.identity.instance;
        if again {
            tracing::error!(
                instance,
                "another process has this instance's name in the group, again: this lane ends; give each process its own lane.instance"
            );
            self.fail_all("another process has this instance's name in the group; give each process its own lane.instance, then restart");
        } else {
            tracing::warn!(instance, "out of the group under this name; joining again");
        }
    }

    /// Lets go of partitions: what is under way is finished already, as this runs between transactions.
    fn hand_over(&mut self, partitions: &[Partition], then: Then) -> Result<(), Passing> {
        let mut released = Vec::new();
        let generation = self.generation();
        for partition in partitions {
            self.rewind.remove(partition);
            if let Some(mut owned) = self.owned.remove(partition) {
                self.reassign = true;
                cut(&mut owned);
                // What cannot be written now is folded again by whoever comes next.
                if let Err(error) = owned.projector.commit() {
                    tracing::warn!(%partition, %error, "the last batch was not written; it is read again");
                }
                self.shared.depot.put(*partition, Kept::Store(owned.projector.into_store()));
            }
            self.shared.membership.take(self.identity.lane, *partition, generation);
            if self.openings.cancel(*partition, then) {
                self.shared.membership.let_go(self.identity.lane, *partition);
                released.push(*partition);
            }
        }
        self.release(then, &released)
    }

    /// The generation that this lane is a member of now.
    fn generation(&self) -> Option<u64> {
        Some(self.member.as_ref()?.generation().ok()?.number())
    }

    fn release(&mut self, then: Then, partitions: &[Partition]) -> Result<(), Passing> {
        match &mut self.member {
            Some(member) if then == Then::Release && !partitions.is_empty() => {
                Ok(member.release(partitions)?)
            }
            _ => Ok(()),
        }
    }

    /// Begins openings there is room for, and takes up what was brought up.
    pub(super) fn take_up(&mut self, now: Timestamp) -> Result<(), Passing> {
        let mut passing = Ok(());
        while let Some((partition, then, brought)) = self.openings.next() {
            match (then, brought) {
                (Then::TakeUp, Ok(brought)) => self.own(partition, brought),
                (Then::TakeUp, Err(BringUpError::Log(error))) if error.is_retriable() => {
                    self.try_again(partition, &error, now);
                }
                (Then::TakeUp, Err(BringUpError::Log(error))) => self.fail(partition, &error.to_string()),
                (Then::TakeUp, Err(BringUpError::Refused(refused))) => {
                    // Served as it stands, for readers that allow stale answers.
                    if let Some(store) = &refused.store {
                        self.registry().serve(partition, Some(store.reader()));
                        self.registry().update(partition, |status| status.take_from(store));
                    }
                    let reason = refused.error.to_string();
                    self.shared.depot.put(partition, Kept::Refused(refused));
                    fail(&self.shared.registry, partition, &reason);
                }
                (Then::TakeUp, Err(BringUpError::Cancelled)) => self.openings.begin(partition),
                (then, brought) => {
                    match brought {
                        Ok(brought) => self.shared.depot.put(partition, Kept::Store(brought.store)),
                        Err(BringUpError::Refused(refused)) => {
                            self.shared.depot.put(partition, Kept::Refused(refused));
                        }
                        Err(BringUpError::Log(_) | BringUpError::Cancelled) => {}
                    }
                    if then == Then::Release {
                        // Generations that came meanwhile could give it to nobody.
                        self.shared.membership.take(self.identity.lane, partition, self.generation());
                    }
                    self.shared.membership.let_go(self.identity.lane, partition);
                    if let Err(error) = self.release(then, &[partition]) {
                        passing = Err(error);
                    }
                }
            }
        }
        if self.note_membership(now) {
            self.openings.start(&self.shared, self.identity.lane, now);
        }
        passing
    }

    /// What a partition met on its way may pass: it is named there, and holds up no other.
    fn try_again(&mut self, partition: Partition, error: &LogError, now: Timestamp) {
        if self.openings.begin_again(partition, now, &self.shared.config) {
            tracing::warn!(%partition, %error, "the partition waits for an error to pass");
        }
        let reason: Arc<str> = error.to_string().into();
        self.registry().update(partition, |status| status.stalled = Some(reason));
    }

    fn own(&mut self, partition: Partition, brought: Brought) {
        match Owned::new(brought, &self.shared) {
            Ok(mut owned) => {
                self.registry().serve(partition, Some(owned.projector.store().reader()));
                owned.publish(&self.shared.registry);
                self.owned.insert(partition, owned);
                self.reassign = true;
            }
            Err(error) => fail(&self.shared.registry, partition, &error.to_string()),
        }
    }
}

fn numbers(partitions: &[Partition]) -> Vec<u16> {
    partitions.iter().map(|partition| partition.0).collect()
}
