//! What the lanes of a process know of each other as members of the group.
//!
//! Each lane is a member of its own, and members come one after the other: whoever is first may be given
//! everything, and is asked for half of it as soon as the next is there. So a lane takes up what it was given
//! only once the lanes beside it are members too, of the generation it was told of: from then on the group takes
//! nothing from it for their sake. What a lane gave up may come to another one here: whether it does, is known
//! once all were told of a later generation, and until then nobody is sent elsewhere for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::registry::Registry;
use super::status::State;
use crate::types::{Partition, Timestamp};

/// How long lanes in the group wait for those that are not, after the last that has come: several heartbeats,
/// and more than a broker's `group.initial.rebalance.delay.ms` (3 s by default). One that cannot join holds
/// nobody up for longer.
const PATIENCE_MS: i64 = 10_000;

/// The lanes of a process in the group, and what is between them.
pub(super) struct Membership {
    registry: Arc<Registry>,
    group: Mutex<Group>,
}

struct Group {
    lanes: Vec<Seat>,
    /// The lane that was given a partition last and was not asked for it since.
    given: BTreeMap<Partition, u16>,
    /// The lane that has a partition's store in its hands. It may not know yet that the partition is another's.
    held: BTreeMap<Partition, u16>,
    /// What no lane here has and one may still get: a generation later than this one says.
    unassigned: BTreeMap<Partition, u64>,
}

/// A lane in the group.
#[derive(Clone, Default)]
struct Seat {
    /// Since when it is a member, and the first generation it was told of since.
    member: Option<(Timestamp, u64)>,
    /// The last generation it was told of; 0 before the first.
    told: u64,
    /// It will be a member no more.
    ended: bool,
}

impl Membership {
    /// Of so many lanes, none of them in the group yet.
    pub(super) fn new(registry: Arc<Registry>, lanes: u16) -> Self {
        let unassigned: BTreeMap<_, _> = (0..registry.count()).map(|number| (Partition(number), 0)).collect();
        for partition in unassigned.keys() {
            registry.update(*partition, |status| status.state = State::Unassigned);
        }
        let lanes = vec![Seat::default(); usize::from(lanes)];
        let group = Group { lanes, given: BTreeMap::new(), held: BTreeMap::new(), unassigned };
        Self { registry, group: Mutex::new(group) }
    }

    /// The lane is a member, told of this generation last, or none. Gives whether it may take up what it was given.
    pub(super) fn told(&self, lane: u16, generation: Option<u64>, now: Timestamp) -> bool {
        let mut group = self.lock();
        let Some(seat) = group.lanes.get_mut(usize::from(lane)) else { return false };
        match generation {
            Some(generation) => {
                seat.told = generation;
                seat.member.get_or_insert((now, generation));
            }
            None => seat.member = None,
        }
        let (is_member, told) = (seat.member.is_some(), seat.told);
        if group.lanes.iter().all(|seat| seat.member.is_none()) {
            // Whatever they are told next is later, and may be numbered anew.
            group.unassigned.values_mut().for_each(|after| *after = 0);
        }
        let Some(together) = group.together(now) else { return false };
        for partition in group.elsewhere(together) {
            self.registry.update(partition, |status| status.state = State::Absent);
        }
        is_member && told >= together.since
    }

    /// The group gives a partition to the lane.
    pub(super) fn give(&self, lane: u16, partition: Partition) {
        let mut group = self.lock();
        group.given.insert(partition, lane);
        group.unassigned.remove(&partition);
        self.registry.update(partition, |status| status.state = State::Replaying);
    }

    /// The group takes a partition from the lane, in this generation or the last it was told of. Nothing of it is
    /// served any more, unless it is given to another lane already.
    pub(super) fn take(&self, lane: u16, partition: Partition, generation: Option<u64>) {
        let mut group = self.lock();
        if group.given.get(&partition).is_some_and(|given| *given != lane) {
            return;
        }
        let told = group.lanes.get(usize::from(lane)).map_or(0, |seat| seat.told);
        group.given.remove(&partition);
        group.unassigned.insert(partition, generation.unwrap_or(0).max(told));
        self.registry.serve(partition, None);
        self.registry.update(partition, |status| {
            status.state = State::Unassigned;
            status.stalled = None;
        });
    }

    /// What the group gave to the lane and did not take from it.
    pub(super) fn given(&self, lane: u16) -> Vec<Partition> {
        self.lock()
            .given
            .iter()
            .filter(|(_, given)| **given == lane)
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Whether the lane may have the partition's store in its hands: no other lane has. From then on it does.
    pub(super) fn hold(&self, lane: u16, partition: Partition) -> bool {
        *self.lock().held.entry(partition).or_insert(lane) == lane
    }

    /// The lane has put the partition's store down, or never had it.
    pub(super) fn let_go(&self, lane: u16, partition: Partition) {
        self.lock().held.retain(|held, holder| (*held, *holder) != (partition, lane));
    }

    /// Whether it is known of every partition that it is given to a lane here or not.
    pub(super) fn is_settled(&self) -> bool {
        self.lock().unassigned.is_empty()
    }

    /// The lane has let go of everything and will not come back.
    pub(super) fn ended(&self, lane: u16) {
        let mut group = self.lock();
        if let Some(seat) = group.lanes.get_mut(usize::from(lane)) {
            *seat = Seat { ended: true, ..Seat::default() };
        }
        group.held.retain(|_, holder| *holder != lane);
        if group.lanes.iter().all(|seat| seat.ended) {
            for partition in std::mem::take(&mut group.unassigned).into_keys() {
                self.registry.update(partition, |status| status.state = State::Absent);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        // Every change is complete before anything that could panic.
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes that are in the group, where no other is waited for.
#[derive(Clone, Copy)]
struct Together {
    /// The first generation that all of them are members of.
    since: u64,
    /// The last generation that all of them were told of.
    told: u64,
}

impl Group {
    fn together(&self, now: Timestamp) -> Option<Together> {
        let members = || self.lanes.iter().filter_map(|seat| Some((seat.told, seat.member?)));
        let last_came = members().map(|(_, (at, _))| at.0).max()?;
        // A clock that went back does not prolong the wait.
        let patient = (0..PATIENCE_MS).contains(&now.0.saturating_sub(last_came));
        if patient && self.lanes.iter().any(|seat| seat.member.is_none() && !seat.ended) {
            return None;
        }
        let since = members().map(|(_, (_, first))| first).max()?;
        Some(Together { since, told: members().map(|(told, _)| told).min()? })
    }

    /// Takes out what is known by now not to come to a lane here.
    fn elsewhere(&mut self, together: Together) -> Vec<Partition> {
        if together.told < together.since {
            return Vec::new();
        }
        let known: Vec<_> =
            self.unassigned.iter().filter(|(_, after)| together.told > **after).map(|(p, _)| *p).collect();
        for partition in &known {
            self.unassigned.remove(partition);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(0);
    const NOW: Timestamp = Timestamp(1_000);

    fn lanes(count: u16) -> (Arc<Registry>, Membership) {
        let registry = Arc::new(Registry::new(2));
        (Arc::clone(&registry), Membership::new(registry, count))
    }

    #[test]
    fn the_first_to_come_waits_until_all_were_members_of_what_it_was_told() {
        let (_, membership) = lanes(2);
        assert!(!membership.told(0, Some(1), NOW), "the other is no member");
        assert!(!membership.told(1, None, NOW));
        assert!(membership.told(1, Some(2), NOW), "both are members of generation 2");
        assert!(!membership.told(0, Some(1), NOW), "what it has may be asked for in generation 2");
        assert!(membership.told(0, Some(2), NOW));
    }

    #[test]
    fn a_lane_that_cannot_join_is_waited_for_so_long_and_one_that_ended_not_at_all() {
        let (_, membership) = lanes(2);
        assert!(!membership.told(0, Some(1), NOW));
        assert!(!membership.told(0, Some(1), Timestamp(NOW.0 + PATIENCE_MS - 1)));
        assert!(membership.told(0, Some(1), Timestamp(NOW.0 + PATIENCE_MS)));
        let (_, membership) = lanes(2);
        membership.ended(1);
        assert!(membership.told(0, Some(1), NOW));
    }

    #[test]
    fn what_a_lane_gave_up_is_elsewhere_once_all_were_told_of_a_later_generation() {
        let (registry, membership) = lanes(2);
        assert_eq!(registry.state(P), State::Unassigned, "nobody knows yet");
        membership.give(0, P);
        assert_eq!(registry.state(P), State::Replaying);
        membership.told(0, Some(1), NOW);
        membership.told(1, Some(2), NOW);
        assert_eq!(registry.state(Partition(1)), State::Unassigned);
        membership.take(0, P, Some(2));
        membership.told(0, Some(2), NOW);
        assert_eq!((registry.state(P), registry.state(Partition(1))), (State::Unassigned, State::Absent));
        membership.told(0, Some(3), NOW);
        assert_eq!(registry.state(P), State::Unassigned, "the other lane may have been given it");
        assert!(!membership.is_settled());
        membership.told(1, Some(3), NOW);
        assert_eq!(registry.state(P), State::Absent);
        assert!(membership.is_settled());
    }

    #[test]
    fn a_lane_that_learns_late_of_its_loss_takes_nothing_from_the_next() {
        let (registry, membership) = lanes(2);
        membership.give(0, P);
        assert!(membership.hold(0, P));
        membership.give(1, P);
        assert!(!membership.hold(1, P), "the first has its store still");
        registry.update(P, |status| status.state = State::Restoring);
        membership.take(0, P, None);
        membership.let_go(0, P);
        assert_eq!((registry.state(P), membership.given(1)), (State::Restoring, vec![P]));
        assert!(membership.hold(1, P));
        membership.let_go(0, P);
        assert!(!membership.hold(0, P));
    }
}
