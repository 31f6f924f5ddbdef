//! What every [`Log`] promises, checked on each implementation: a file per group of promises.
//!
//! A check is a function of a [`Harness`]: the few things that each implementation does its own way. The
//! macro [`conformance!`] makes one test of each check for one implementation. A new check is added to its
//! list, and so runs on all.

pub mod harness;
pub mod observe;
pub mod writer;

pub mod embedded;
mod kafka;

pub mod append;
pub mod compaction;
pub mod concurrency;
pub mod fencing;
pub mod groups;
pub mod model;
pub mod reading;
pub mod restart;
pub mod retention;
pub mod times;
pub mod transactions;

pub use harness::Harness;

/// One test per check, on the harness that `$make` gives.
macro_rules! conformance {
    ($make:expr; $($file:ident: $($check:ident),+;)+) => {
        $(mod $file {
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $check() {
                let mut harness = $make;
                crate::conformance::$file::$check(&mut harness);
            })+
        })+
    };
    ($make:expr) => {
        crate::conformance::conformance! { $make;
            append: gives_rising_positions_and_keeps_every_byte, takes_odd_records, refuses_too_large_records_one_by_one,
                an_empty_batch_is_nothing, uses_the_time_of_appending_where_none_is_given, describes_its_topics;
            reading: begins_where_it_is_told, reports_the_end_once_it_is_there, wakes_up_for_new_records,
                respects_the_maximum, out_of_range_is_an_error_on_both_sides, is_assigned_anew;
            times: finds_the_first_record_of_a_time, finds_by_time_although_times_are_out_of_order,
                are_never_behind_a_record_just_committed;
            transactions: are_read_whole_with_their_positions, are_not_seen_before_their_commit, leave_gaps,
                aborted_ones_are_never_read, with_positions_only;
            fencing: a_newer_writer_of_the_same_id_fences_the_older, a_stale_generation_commits_nothing;
            groups: one_member_owns_everything, two_members_share, a_generation_is_told_with_what_it_takes_and_gives, members_gone_while_sharing_get_everything_when_they_come_back, a_new_owner_sees_all_that_the_old_committed,
                delivers_only_what_was_started, a_member_dropped_with_a_revocation_unanswered_leaves, a_member_dropped_without_looking_leaves, an_unasked_release_changes_nothing, delivers_what_came_back;
            concurrency: many_appenders_keep_their_own_order, readers_see_one_order;
            retention: dropped_records_move_the_start;
            compaction: keeps_the_last_record_of_each_key;
            restart: what_was_acknowledged_survives_kill_9, everything_is_there_after_a_clean_stop;
            model: random_operations_agree_with_a_model;
        }
    };
}
pub(crate) use conformance;
