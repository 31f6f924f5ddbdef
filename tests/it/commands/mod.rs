//! Commands become events and results exactly once. The same checks on both logs.

#[cfg(feature = "failpoints")]
mod accepted;
mod commit;
mod deleted;
mod expiry;
mod harness;
mod held_up;
#[cfg(feature = "failpoints")]
mod killed;
mod moves;
mod once;
mod outage;
mod together;

use harness::World;

/// One test per check and log.
macro_rules! on_both_logs {
    ($($file:ident: $($check:ident),+;)+) => {
        mod embedded {
            use super::*;
            $($(#[test] fn $check() { super::$file::$check(&World::embedded()); })+)+
        }
        mod kafka {
            use super::*;
            $($(#[test] fn $check() {
                if let Some(world) = World::kafka(stringify!($check)) {
                    super::$file::$check(&world);
                }
            })+)+
        }
    };
}

on_both_logs! {
    once: a_command_becomes_its_events_and_a_result, a_repeat_gets_the_first_outcome_again,
        a_name_used_again_for_other_content_is_refused, conditions_are_held, what_nobody_can_read_goes_to_dead_letters,
        a_foreign_event_in_between_is_seen, callers_are_answered_with_a_position_that_shows_it;
    moves: what_was_decided_is_remembered_after_a_restart, what_was_decided_is_remembered_after_the_loss_of_the_disk,
        what_was_decided_is_remembered_by_another_instance, two_instances_share_and_hand_over_without_loss_or_repeat,
        partitions_left_with_nobody_are_given_out_again, a_zombie_commits_nothing, a_caller_is_answered_where_its_partition_is_not_owned;
    together: lanes_take_up_together, an_idle_lane_waits,
        partitions_are_shared_out_while_lanes_wait_for_an_error_to_pass;
    commit: a_commit_whose_answer_is_lost_is_read_back, an_aborted_commit_is_tried_again,
        positions_lost_by_the_group_are_known_by_the_results,
        positions_that_nothing_knows_are_asked_for;
    expiry: what_is_due_ends_by_one_event, what_was_prolonged_meanwhile_stays;
}
