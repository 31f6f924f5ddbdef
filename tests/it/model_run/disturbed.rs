//! Commands come all the time while partitions are forced to move: nothing is lost, nothing is doubled.
//!
//! Short unless `INVENTORY_STORE_SOAK` is set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::clients::Pace;
use super::processes::Processes;
use super::run::{Size, drive, settled};
use crate::support::seed;
use crate::support::stack::PARTITIONS;

/// Lets the clients come to an end, whatever else does.
struct End<'r>(&'r AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Two processes decide while `disturb` is done, over and over for so long; then everything that was written is
/// checked.
fn decided_once(
    what: &str,
    seconds: u64,
    mut disturb: impl FnMut(&mut Processes, &mut fastrand::Rng, &mut Vec<&'static str>),
) -> Option<usize> {
    let mut processes = Processes::new(what)?;
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let soak = std::env::var_os("INVENTORY_STORE_SOAK").is_some();
    // The rests grow with the time: what is checked afterwards is checked against all that came before it.
    let (seconds, longer) = if soak { (seconds * 10, 6) } else { (seconds, 1) };
    processes.start("one");
    processes.start("two");
    processes.until_all_live();
    let end = Instant::now() + Duration::from_secs(seconds);
    let going = AtomicBool::new(true);
    let pace = |rest_ms| Pace::While { going: &going, rest_ms };
    let size = Size {
        http_clients: 4,
        requests: pace(60 * longer),
        log_clients: 2,
        batches: pace(250 * longer),
        foreign_events: pace(300 * longer),
    };
    let (log, mut done) = (processes.log.clone(), Vec::new());
    // The clients look at the addresses while the processes change.
    let urls = std::sync::Arc::clone(&processes.urls);
    let (heard, unreadable) = std::thread::scope(|scope| {
        let clients = scope.spawn(|| drive(seed, &log, &urls, PARTITIONS, &size));
        let ended = End(&going);
        loop {
            disturb(&mut processes, &mut random, &mut done);
            processes.until_all_live();
            if Instant::now() >= end {
                break;
            }
        }
        drop(ended);
        clients.join().expect("the clients")
    });
    let run = settled(log.as_ref(), "inventory-store", &heard, unreadable);
    let stocks = run.verify();
    processes.until_all_live();
    processes.show(&stocks);
    eprintln!(
        "{} commands, {} events, {} answers, partitions moved {} times by {done:?}",
        run.commands.len(),
        run.events.len(),
        heard.len(),
        processes.moves
    );
    processes.stop("one");
    processes.stop("two");
    Some(processes.moves)
}

#[test]
fn partitions_forced_to_move_all_the_time_lose_and_double_nothing() {
    let moves = decided_once("kafka: a rebalance every few seconds", 20, |processes, random, done| {
        match random.u8(0..3) {
            0 => {
                done.push("a third came and went");
                processes.start("three");
                processes.until_it_owns("three");
                processes.stop("three");
            }
            1 => {
                done.push("a third came and was killed");
                processes.start("three");
                processes.until_it_owns("three");
                processes.kill("three");
            }
            _ => {
                let name = if random.bool() { "one" } else { "two" };
                done.push("one of two was killed, missed and started again");
                processes.kill(name);
                // Until the other has everything, or at once.
                if random.bool() {
                    processes.until_all_live();
                }
                processes.start(name);
                processes.until_it_owns(name);
            }
        }
    });
    assert!(moves.is_none_or(|moves| moves >= 2), "partitions have moved: {moves:?}");
}

#[test]
fn processes_that_stand_still_until_their_partitions_have_moved_commit_nothing_new() {
    let moves = decided_once("kafka: processes that stood still", 16, |processes, random, done| {
        let name = if random.bool() { "one" } else { "two" };
        done.push("one of two stood still");
        processes.freeze(name);
        // The other has everything.
        processes.until_all_live();
        processes.wake(name);
        // It finds itself out of the group, and joins again.
        processes.until_it_owns(name);
    });
    assert!(moves.is_none_or(|moves| moves >= 2), "partitions have moved: {moves:?}");
}

#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature failpoints")]
fn one_that_dies_at_any_boundary_of_a_transaction_is_taken_over_from() {
    // It comes to a failpoint only with partitions of its own, and those must be live elsewhere afterwards.
    decided_once("kafka: killed at each failpoint beside others", 0, |processes, random, done| {
        for point in inventory_store::failpoint::ALL {
            done.push(point);
            processes.start_to_die_at("three", point, random.u8(1..4));
            processes.until_all_live();
        }
    });
}
