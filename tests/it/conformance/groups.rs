use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use inventory_store::log::{CommitError, Consumed};
use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{Owner, append, eventually, record, texts};

const GROUP: &str = "lanes";

pub fn one_member_owns_everything(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let owned: BTreeSet<Partition> = owner.owned.iter().copied().collect();
    assert_eq!(owned, (0..harness.partitions()).map(Partition).collect());
}

pub fn two_members_share(harness: &mut dyn Harness) {
    let log = harness.log();
    let count = usize::from(harness.partitions());
    let mut first = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut second = Owner::join(&*log, GROUP, "second");
    eventually("the partitions are shared", || {
        first.serve();
        second.serve();
        let both: BTreeSet<_> = first.owned.iter().chain(&second.owned).collect();
        assert!(first.owned.iter().all(|p| !second.owned.contains(p)), "one owner at a time");
        both.len() == count && first.owned.len().abs_diff(second.owned.len()) <= 1
    });
    drop(second);
    eventually("the first owns everything again", || {
        first.serve();
        first.owned.len() == count
    });
}

/// Whoever is told of a generation was told of all that it takes and gives.
pub fn a_generation_is_told_with_what_it_takes_and_gives(harness: &mut dyn Harness) {
    let log = harness.log();
    let count = usize::from(harness.partitions());
    let mut first = Owner::join(&*log, GROUP, "only");
    assert_eq!(first.member.told(), None);
    eventually("one member owns everything", || {
        first.serve();
        first.owned.len() == count
    });
    let alone = first.member.told().expect("what it owns was given to it by a generation");
    let mut second = Owner::join(&*log, GROUP, "second");
    let mut together = None;
    eventually("both are told of a generation that both are members of", || {
        first.serve();
        second.serve();
        together = together.or(second.member.told());
        together.is_some_and(|together| first.member.told() >= Some(together))
    });
    assert!(together > Some(alone), "{together:?} came after {alone}");
    assert!(first.owned.len() < count, "the second's share was taken from it");
    eventually("the partitions are shared, and the last generation told", || {
        first.serve();
        second.serve();
        let told = first.member.told();
        let current = first.member.generation().ok().map(|generation| generation.number());
        first.owned.len() + second.owned.len() == count && told == second.member.told() && told == current
    });
}

/// As members that are killed between the generation that takes a partition from one and the next, which would give it
/// to the other.
pub fn members_gone_while_sharing_get_everything_when_they_come_back(harness: &mut dyn Harness) {
    let log = harness.log();
    let count = usize::from(harness.partitions());
    let mut first = Owner::of_all(&*log, GROUP, harness.partitions());
    first.obliging = false;
    let mut second = Owner::join(&*log, GROUP, "second");
    eventually("the first is asked for some", || {
        first.serve();
        second.serve();
        !first.revoked.is_empty()
    });
    drop((first, second));
    let (mut first, mut second) = (Owner::join(&*log, GROUP, "only"), Owner::join(&*log, GROUP, "second"));
    let mut looked = Instant::now();
    eventually("every partition has an owner again", || {
        first.serve();
        second.serve();
        let all = first.owned.len() + second.owned.len() == count;
        if !all && looked.elapsed() > Duration::from_secs(3) {
            looked = Instant::now();
            let unshared = log.unshared(GROUP).expect("the group's members");
            if !unshared.is_empty() {
                // Beside them, as they must answer the group meanwhile.
                std::thread::scope(|scope| {
                    let sharing = scope.spawn(|| log.share_again(GROUP));
                    while !sharing.is_finished() {
                        first.serve();
                        second.serve();
                    }
                    sharing.join().expect("no panic").expect("it shares out again");
                });
            }
        }
        all
    });
}

/// What an owner committed before it released a partition is what the next owner finds committed.
pub fn a_new_owner_sees_all_that_the_old_committed(harness: &mut dyn Harness) {
    let log = harness.log();
    let mut first = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut transactor = log.transactor("first").expect("a transactor");
    let mut second = Owner::join(&*log, GROUP, "second");
    first.obliging = false;
    let all: Vec<Partition> = (0..harness.partitions()).map(Partition).collect();
    let mut next = 0;
    eventually("it has committed five times, and released nothing", || {
        first.serve();
        second.serve();
        let consumed: Vec<Consumed> = all
            .iter()
            .map(|p| Consumed { partition: *p, next: NextOffset(next + 1), metadata: (next + 1).to_string() })
            .collect();
        match transactor.commit(&consumed, &first.generation()) {
            Ok(_) => next += 1,
            // The second joins meanwhile, and with it the generation moves while a commit is on its way.
            Err(CommitError::Aborted { .. } | CommitError::Fenced { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        next == 5
    });
    assert!(second.owned.is_empty(), "nothing is handed over before it is released");
    first.obliging = true;
    first.release_revoked();
    eventually("the second owns a partition", || {
        first.serve();
        second.serve();
        !second.owned.is_empty()
    });
    let committed = log.committed(GROUP, &second.owned).expect("committed");
    assert!(
        committed.iter().all(|c| c.as_ref().is_some_and(|c| c.next == NextOffset(next))),
        "{committed:?}"
    );
}

/// A partition that was given up and came back is delivered again.
pub fn delivers_what_came_back(harness: &mut dyn Harness) {
    let log = harness.log();
    let mut first = Owner::of_all(&*log, GROUP, harness.partitions());
    let all = |next| (0..harness.partitions()).map(|p| (Partition(p), NextOffset(next))).collect::<Vec<_>>();
    first.member.start(&all(0)).expect("starts");
    let mut second = Owner::join(&*log, GROUP, "second");
    eventually("the second owns a partition", || {
        first.serve();
        second.serve();
        !second.owned.is_empty()
    });
    let moved = second.owned[0];
    drop(second);
    eventually("it has come back", || {
        first.serve();
        first.owned.contains(&moved)
    });
    first.member.start(&[(moved, NextOffset(0))]).expect("starts");
    append(&*log, vec![record(Topic::Commands, moved.0, "again")]);
    let mut seen = Vec::new();
    eventually("what came back is delivered", || {
        seen.extend(first.serve());
        !seen.is_empty()
    });
    assert_eq!(texts(&seen), ["again"]);
}

pub fn delivers_only_what_was_started(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..6).map(|i| record(Topic::Commands, i % 3, &i.to_string())).collect());
    let mut owner = Owner::of_all(&*log, GROUP, harness.partitions());
    for _ in 0..5 {
        assert!(owner.serve().is_empty(), "nothing is started");
    }
    owner.member.start(&[(Partition(0), NextOffset(0)), (Partition(1), NextOffset(1))]).expect("starts");
    let mut seen = Vec::new();
    eventually("what was started is delivered", || {
        seen.extend(owner.serve());
        seen.len() >= 3
    });
    seen.sort_by_key(|s| s.position);
    assert_eq!(texts(&seen), ["0", "3", "4"]);

    owner.member.pause(&[Partition(0)]).expect("pauses");
    append(&*log, vec![record(Topic::Commands, 0, "paused"), record(Topic::Commands, 1, "flows")]);
    let mut seen = Vec::new();
    eventually("the other partition flows", || {
        seen.extend(owner.serve());
        !seen.is_empty()
    });
    assert_eq!(texts(&seen), ["flows"]);
    owner.member.resume(&[Partition(0)]).expect("resumes");
    let mut seen = Vec::new();
    eventually("what was paused is delivered", || {
        seen.extend(owner.serve());
        !seen.is_empty()
    });
    assert_eq!(texts(&seen), ["paused"]);
}

/// Whatever the group has asked for and was not told, a member that is dropped is gone soon.
pub fn a_member_dropped_with_a_revocation_unanswered_leaves(harness: &mut dyn Harness) {
    let log = harness.log();
    let mut first = Owner::of_all(&*log, GROUP, harness.partitions());
    first.obliging = false;
    let mut second = Owner::join(&*log, GROUP, "second");
    eventually("the first is asked to release", || {
        first.serve();
        second.serve();
        !first.revoked.is_empty()
    });
    dropped_in_time(first);
    eventually("the second owns everything", || {
        second.serve();
        second.owned.len() == usize::from(harness.partitions())
    });
}

/// A member may be dropped while a change of the group waits for it that it has not seen.
pub fn a_member_dropped_without_looking_leaves(harness: &mut dyn Harness) {
    let log = harness.log();
    let first = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut second = Owner::join(&*log, GROUP, "second");
    eventually("the second has joined", || {
        second.serve();
        second.member.generation().is_ok()
    });
    // The first takes part without being polled; its revocation comes about now.
    for _ in 0..30 {
        second.serve();
    }
    dropped_in_time(first);
    dropped_in_time(second);
}

/// What nobody asked for is not given up.
pub fn an_unasked_release_changes_nothing(harness: &mut dyn Harness) {
    let log = harness.log();
    let all: Vec<Partition> = (0..harness.partitions()).map(Partition).collect();
    append(&*log, vec![record(Topic::Commands, 0, "still mine")]);
    let mut owner = Owner::of_all(&*log, GROUP, harness.partitions());
    owner.member.start(&[(Partition(0), NextOffset(0))]).expect("starts");
    owner.member.release(&all).expect("passed over");
    let mut seen = Vec::new();
    eventually("what was started is delivered", || {
        seen.extend(owner.serve());
        !seen.is_empty()
    });
    assert_eq!(texts(&seen), ["still mine"]);
}

/// Drops the member on a thread of its own.
fn dropped_in_time(owner: Owner) {
    let dropping = std::thread::spawn(move || drop(owner));
    eventually("the member is gone", || dropping.is_finished());
    dropping.join().expect("dropped");
}
