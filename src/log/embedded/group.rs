//! Consumer groups on the commands topic: who owns which partition, and how far the group has come.
//!
//! As Kafka's cooperative assignment: a join, a leave or a release begins a rebalance; each member takes
//! part in it by polling; when all have, the generation rises. Then free partitions go to members with too
//! few, and members with too many are asked to release some, which begins the next rebalance. So a partition
//! has one owner at a time, and a generation fetched before a hand-over is stale after it. A member that
//! keeps the others waiting for longer than the session timeout is put out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Consumed;
use crate::types::Partition;

/// A membership as a commit carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) group: String,
    pub(super) instance: String,
    pub(super) number: u64,
}

/// What a member is told when it polls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing; while a rebalance waits for others, look again by then.
    Quiet(Option<Instant>),
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    /// No member any more.
    Out,
}

/// All groups, and the positions they have committed.
pub(super) struct Groups {
    partitions: u16,
    session: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: HashMap<String, Group>,
    consumed: HashMap<(String, Partition), Consumed>,
}

struct Group {
    generation: u64,
    next_member: u64,
    members: BTreeMap<u64, Seat>,
    owners: BTreeMap<u16, u64>,
    /// The end of the wait for all members, while a rebalance is under way.
    rebalance: Option<Instant>,
}

#[derive(Default)]
struct Seat {
    instance: String,
    /// The last generation that this member took part in; 0 = none yet.
    generation: u64,
    /// The last generation that it was told of; 0 = none yet.
    told: u64,
    rejoined: bool,
    /// Owned, not yet told.
    news: BTreeSet<u16>,
    /// Asked to release; `true` once told.
    leaving: BTreeMap<u16, bool>,
}

impl Groups {
    pub(super) fn new(
        partitions: u16,
        session: Duration,
        consumed: HashMap<(String, Partition), Consumed>,
    ) -> Self {
        Self { partitions, session, state: Mutex::new(State { groups: HashMap::new(), consumed }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new member; another of the same instance is out at once.
    pub(super) fn join(&self, group: &str, instance: &str) -> u64 {
        let mut state = self.lock();
        let group = state.groups.entry(group.to_owned()).or_insert_with(|| Group {
            generation: 0,
            next_member: 0,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            rebalance: None,
        });
        let replaced: Vec<u64> =
            group.members.iter().filter(|(_, seat)| seat.instance == instance).map(|(id, _)| *id).collect();
        for id in replaced {
            group.remove(id);
        }
        group.next_member += 1;
        let id = group.next_member;
        group.members.insert(id, Seat { instance: instance.to_owned(), ..Seat::default() });
        group.rebalance = Some(Instant::now() + self.session);
        id
    }

    pub(super) fn leave(&self, group: &str, id: u64) {
        let mut state = self.lock();
        let Some(group) = state.groups.get_mut(group) else { return };
        if group.remove(id) {
            group.rebalance = Some(Instant::now() + self.session);
        }
    }

    /// A member's poll: it takes part in a rebalance under way, and learns what concerns it.
    pub(super) fn turn(&self, group: &str, id: u64) -> Turn {
        let mut state = self.lock();
        let Some(group) = state.groups.get_mut(group) else { return Turn::Out };
        let Some(seat) = group.members.get_mut(&id) else { return Turn::Out };
        seat.rejoined = true;
        group.rebalance_if_due(self.partitions, self.session, Instant::now());
        let rebalance = group.rebalance;
        let Some(seat) = group.members.get_mut(&id) else { return Turn::Out };
        let untold: Vec<u16> = seat.leaving.iter().filter(|(_, told)| !**told).map(|(p, _)| *p).collect();
        if !untold.is_empty() {
            seat.leaving.values_mut().for_each(|told| *told = true);
            return Turn::Revoked(untold.into_iter().map(Partition).collect());
        }
        seat.told = seat.generation;
        if !seat.news.is_empty() {
            return Turn::Assigned(std::mem::take(&mut seat.news).into_iter().map(Partition).collect());
        }
        Turn::Quiet(rebalance)
    }

    /// Frees those partitions that the member was told to release, and gives them; begins the rebalance that
    /// hands them on.
    pub(super) fn release(&self, group: &str, id: u64, partitions: &[Partition]) -> Vec<Partition> {
        let mut state = self.lock();
        let Some(group) = state.groups.get_mut(group) else { return Vec::new() };
        let Some(seat) = group.members.get_mut(&id) else { return Vec::new() };
        let told = |partition: &Partition| seat.leaving.get(&partition.0) == Some(&true);
        let freed: Vec<Partition> = partitions.iter().copied().filter(told).collect();
        for partition in &freed {
            seat.leaving.remove(&partition.0);
            group.owners.remove(&partition.0);
        }
        if !freed.is_empty() {
            group.rebalance = Some(Instant::now() + self.session);
        }
        freed
    }

    /// The generation that a member is in; nothing where it is out.
    pub(super) fn generation(&self, group: &str, id: u64) -> Option<u64> {
        Some(self.lock().groups.get(group)?.members.get(&id)?.generation)
    }

    /// The generation that a member was told of last; nothing before the first, and where it is out.
    pub(super) fn told(&self, group: &str, id: u64) -> Option<u64> {
        let told = self.lock().groups.get(group)?.members.get(&id)?.told;
        (told > 0).then_some(told)
    }

    /// Whether a commit by this membership is still good.
    pub(super) fn check(&self, membership: &Membership) -> Result<(), String> {
        let Membership { group, instance, number } = membership;
        let state = self.lock();
        let current = state.groups.get(group).map_or(0, |group| group.generation);
        if current != *number || *number == 0 {
            return Err(format!("group {group} is at generation {current}, the commit at {number}"));
        }
        let is_in = state.groups.get(group).is_some_and(|group| {
            group.members.values().any(|seat| seat.instance == *instance && seat.generation == *number)
        });
        if is_in { Ok(()) } else { Err(format!("{instance} is not a member of group {group} any more")) }
    }

    pub(super) fn consumed(&self, group: &str, partition: Partition) -> Option<Consumed> {
        self.lock().consumed.get(&(group.to_owned(), partition)).cloned()
    }

    pub(super) fn note_consumed(&self, consumed: Vec<(String, Consumed)>) {
        let mut state = self.lock();
        for (group, consumed) in consumed {
            state.consumed.insert((group, consumed.partition), consumed);
        }
    }
}

impl Group {
    /// Whether there was such a member.
    fn remove(&mut self, id: u64) -> bool {
        self.owners.retain(|_, owner| *owner != id);
        self.members.remove(&id).is_some()
    }

    fn rebalance_if_due(&mut self, partitions: u16, session: Duration, now: Instant) {
        let Some(deadline) = self.rebalance else { return };
        if now >= deadline {
            let late: Vec<u64> =
                self.members.iter().filter(|(_, seat)| !seat.rejoined).map(|(id, _)| *id).collect();
            for id in late {
                self.remove(id);
            }
        }
        if self.members.values().any(|seat| !seat.rejoined) {
            return;
        }
        self.rebalance = None;
        self.generation += 1;
        for seat in self.members.values_mut() {
            seat.generation = self.generation;
            seat.rejoined = false;
        }
        if self.share_out(partitions) {
            self.rebalance = Some(now + session);
        }
    }

    /// Shares the partitions out evenly, moving as few as possible; says whether some found no owner.
    fn share_out(&mut self, partitions: u16) -> bool {
        let mut owned: BTreeMap<u64, Vec<u16>> = self.members.keys().map(|id| (*id, Vec::new())).collect();
        for (partition, owner) in &self.owners {
            owned.entry(*owner).or_default().push(*partition);
        }
        let mut free: BTreeSet<u16> = (0..partitions).filter(|p| !self.owners.contains_key(p)).collect();
        // Who has most keeps the one more that is left over.
        let mut order: Vec<(u64, Vec<u16>)> = owned.into_iter().collect();
        order.sort_by_key(|(id, owned)| (std::cmp::Reverse(owned.len()), *id));
        let count = order.len().max(1);
        let (least, extra) = (usize::from(partitions) / count, usize::from(partitions) % count);
        for (i, (id, mut owned)) in order.into_iter().enumerate() {
            let quota = least + usize::from(i < extra);
            let Some(seat) = self.members.get_mut(&id) else { continue };
            // What it was told to release already goes first.
            owned.sort_by_key(|p| (seat.leaving.get(p).copied().unwrap_or(false), *p));
            let keep = quota.min(owned.len());
            let told: BTreeMap<u16, bool> = std::mem::take(&mut seat.leaving);
            for (place, partition) in owned.iter().enumerate() {
                let was_told = told.get(partition).copied().unwrap_or(false);
                if place >= keep || was_told {
                    seat.leaving.insert(*partition, was_told);
                    // Never told that it owns it: then there is nothing to finish.
                    if seat.news.remove(partition) {
                        seat.leaving.remove(partition);
                        self.owners.remove(partition);
                        free.insert(*partition);
                    }
                }
            }
            for _ in owned.len()..quota {
                let Some(partition) = free.pop_first() else { break };
                self.owners.insert(partition, id);
                seat.news.insert(partition);
            }
        }
        // Freed late, behind those who could have taken it: another round hands it on.
        !free.is_empty() && !self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: &str = "g";

    fn groups(partitions: u16) -> Groups {
        Groups::new(partitions, Duration::from_secs(60), HashMap::new())
    }

    fn owned(groups: &Groups, id: u64) -> Vec<u16> {
        let state = groups.lock();
        state.groups[G].owners.iter().filter(|(_, owner)| **owner == id).map(|(p, _)| *p).collect()
    }

    /// Lets members poll and release until nothing happens any more.
    fn settle(groups: &Groups, members: &[u64]) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet += 1;
            for id in members {
                match groups.turn(G, *id) {
                    Turn::Quiet(_) | Turn::Out => {}
                    Turn::Assigned(_) => quiet = 0,
                    Turn::Revoked(partitions) => {
                        groups.release(G, *id, &partitions);
                        quiet = 0;
                    }
                }
            }
        }
    }

    #[test]
    fn a_partition_moves_only_after_its_release_and_under_a_new_generation() {
        let groups = groups(4);
        let a = groups.join(G, "a");
        assert_eq!(groups.turn(G, a), Turn::Assigned((0..4).map(Partition).collect()));
        let b = groups.join(G, "b");
        assert!(matches!(groups.turn(G, b), Turn::Quiet(Some(_))), "a has not polled");
        assert_eq!(groups.generation(G, a), Some(1));
        let Turn::Revoked(revoked) = groups.turn(G, a) else { panic!("nothing revoked") };
        assert_eq!(revoked.len(), 2);
        let before = groups.generation(G, a).expect("a member");
        assert!(matches!(groups.turn(G, b), Turn::Quiet(_)), "a has not released");
        groups.release(G, a, &revoked);
        settle(&groups, &[a, b]);
        assert_eq!((owned(&groups, a).len(), owned(&groups, b).len()), (2, 2));
        let stale = Membership { group: G.into(), instance: "a".into(), number: before };
        assert!(groups.check(&stale).is_err());
    }

    #[test]
    fn any_coming_and_going_ends_evenly_with_every_partition_owned() {
        let groups = groups(7);
        let mut members = Vec::new();
        for step in 0..40_u64 {
            if members.len() > 1 && step % 3 == 2 {
                groups.leave(G, members.remove((step as usize * 7) % members.len()));
            } else if members.len() < 9 {
                members.push(groups.join(G, &format!("m{step}")));
            }
            settle(&groups, &members);
            let sizes: Vec<usize> = members.iter().map(|id| owned(&groups, *id).len()).collect();
            assert_eq!(sizes.iter().sum::<usize>(), 7, "step {step}: {sizes:?}");
            let spread = sizes.iter().max().expect("some") - sizes.iter().min().expect("some");
            assert!(spread <= 1, "step {step}: {sizes:?}");
        }
    }

    #[test]
    fn an_instance_has_one_member() {
        let groups = groups(2);
        let old = groups.join(G, "a");
        settle(&groups, &[old]);
        let membership = Membership { group: G.into(), instance: "a".into(), number: 1 };
        assert_eq!(groups.check(&membership), Ok(()));
        let new = groups.join(G, "a");
        assert!(groups.check(&membership).is_err(), "at once");
        assert_eq!(groups.turn(G, old), Turn::Out);
        settle(&groups, &[new]);
        assert_eq!(owned(&groups, new), [0, 1]);
        assert!(groups.check(&membership).is_err());
    }

    #[test]
    fn a_member_that_keeps_the_others_waiting_is_put_out() {
        let groups = Groups::new(2, Duration::ZERO, HashMap::new());
        let silent = groups.join(G, "silent");
        groups.turn(G, silent);
        let other = groups.join(G, "other");
        settle(&groups, &[other]);
        assert_eq!(owned(&groups, other), [0, 1]);
        assert_eq!(groups.turn(G, silent), Turn::Out);
    }
}
