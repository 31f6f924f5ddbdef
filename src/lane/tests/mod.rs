//! A lane, stepped by hand, on the embedded log; and waits for what it publishes.

mod stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::stage::{PARTITIONS, Stage, ground, stage};
use crate::codec::command::Draft;
use crate::config::log::LogConfig;
use crate::lane::checks::CheckError;
use crate::lane::identity::LaneIdentity;
use crate::lane::observer::Observer;
use crate::lane::registry::{Registry, Waited};
use crate::lane::status::{PartitionStatus, State};
use crate::lane::step::{Lane, Next};
use crate::log::{Log, MemberEvent};
use crate::metrics::metrics;
use crate::types::{NewRecord, NextOffset, Offset, Partition, Position, Sku, Timestamp, Topic, partition_of};

fn end(stage: &Stage, partition: Partition) -> NextOffset {
    stage.log.bounds(Topic::Events, partition).expect("bounds").high_watermark
}

/// Steps until the partition is at its end; every step that works reads something or the end.
fn step_to_the_end(stage: &mut Stage, partition: Partition) {
    for _ in 0..200 {
        assert_eq!(stage.lane.step(Timestamp(0)), Next::GoOn);
        if stage.registry.applied(partition) == Some(end(stage, partition)) {
            return;
        }
    }
    panic!("partition {partition} never came to its end");
}

#[test]
fn goes_from_replaying_to_live_and_stops_with_everything_written() {
    let mut stage = stage();
    assert_eq!(stage.registry.state(Partition(0)), State::Replaying);
    step_to_the_end(&mut stage, Partition(0));
    step_to_the_end(&mut stage, Partition(1));
    assert!(stage.registry.is_ready());
    let statuses = stage.registry.statuses();
    assert_eq!(statuses.iter().map(|status| status.counters.applied).sum::<u64>(), 200);
    assert_eq!(statuses.iter().map(|status| status.consumed).sum::<u64>(), 200);
    // Nobody has asked the log for its ends: what was read from it was in it all the same.
    assert!(statuses.iter().all(|status| status.high_watermark == status.next));
    stage.lane.finish();
    assert_eq!(stage.registry.state(Partition(1)), State::Stopped);
    assert!(stage.registry.store(Partition(1)).is_some(), "whoever reads still can");
}

#[test]
fn an_error_that_may_pass_is_shown_tried_again_ever_later_and_forgotten() {
    let mut stage = stage();
    stage.log.failing.store(3, Ordering::SeqCst);
    let mut now = Timestamp(1_000);
    let mut pauses = Vec::new();
    while let Next::Pause(pause) = stage.lane.step(now) {
        pauses.push(pause.as_millis());
        let shown = stage.registry.status(Partition(0)).and_then(|status| status.stall());
        assert!(shown.expect("a stall is named").contains("as told"));
        // Until then nothing is tried.
        assert_eq!(stage.lane.step(Timestamp(now.0 + 1)), Next::Pause(pause - Duration::from_millis(1)));
        now = Timestamp(now.0 + i64::try_from(pause.as_millis()).expect("short"));
    }
    assert_eq!(pauses, [100, 200, 400]);
    assert_eq!(stage.registry.status(Partition(0)).and_then(|status| status.stall()), None);
    step_to_the_end(&mut stage, Partition(0));
}

#[test]
fn a_group_out_of_reach_makes_a_pause_no_longer() {
    let mut stage = stage();
    stage.lane.member = None;
    stage.log.failing.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(stage.lane.step(Timestamp(1_000)), Next::Pause(Duration::from_millis(100)));
    for _ in 0..20 {
        assert_eq!(stage.lane.step(Timestamp(1_050)), Next::Pause(Duration::from_millis(50)));
    }
    assert_eq!(stage.lane.step(Timestamp(1_100)), Next::Pause(Duration::from_millis(200)));
}

#[test]
fn partitions_are_shared_out_while_a_lane_waits_for_an_error_to_pass() {
    let mut stage = stage();
    step_to_the_end(&mut stage, Partition(0));
    step_to_the_end(&mut stage, Partition(1));
    stage.lane.reader = None;
    stage.log.failing.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(stage.lane.step(Timestamp(1_000)), Next::Pause(Duration::from_millis(100)));

    let mut other = stage.log.log.join("g", "other").expect("joins");
    let mut given = Vec::new();
    for _ in 0..100 {
        if let MemberEvent::Assigned(partitions) = other.poll(Duration::ZERO).expect("a member") {
            given.extend(partitions);
        }
        assert_eq!(stage.lane.step(Timestamp(1_001)), Next::Pause(Duration::from_millis(99)));
    }
    let [moved] = given[..] else { panic!("half of them: {given:?}") };
    assert_eq!(stage.registry.state(moved), State::Absent);
    assert_eq!(stage.registry.state(Partition(1 - moved.0)), State::Live);

    // What is sent meanwhile is decided once it is over.
    let sku = (0..).map(|i| format!("S-{i}")).find(|sku| partition_of(sku, PARTITIONS) != moved);
    command(&stage, &sku.expect("one of two"));
    for _ in 0..10 {
        assert_eq!(stage.lane.step(Timestamp(1_002)), Next::Pause(Duration::from_millis(98)));
    }
    stage.log.failing.store(0, Ordering::SeqCst);
    let results =
        |stage: &Stage| stage.log.bounds(Topic::Results, Partition(1 - moved.0)).expect("bounds").last_stable;
    let before = results(&stage);
    for _ in 0..200 {
        assert_eq!(stage.lane.step(Timestamp(2_000)), Next::GoOn);
        if results(&stage) > before {
            return;
        }
    }
    panic!("the command was never decided");
}

/// Appends a command for the SKU.
fn command(stage: &Stage, sku: &str) {
    let sku = Sku::new(sku).expect("a SKU");
    let data = serde_json::json!({ "quantity": 5 });
    let encoded = crate::codec::command::encode(&Draft {
        name: "product-stock.receive",
        sku: &sku,
        source: "/test",
        id: "1",
        time: None,
        expected_version: None,
        expiry_time: None,
        correlation_id: None,
        trace_parent: None,
        data: &data,
    });
    let record = NewRecord {
        topic: Topic::Commands,
        partition: partition_of(sku.as_str(), PARTITIONS),
        timestamp: None,
        key: Some(sku.as_str().as_bytes().to_vec()),
        value: Some(encoded.value),
        headers: encoded.headers,
    };
    for answer in stage.log.appender().expect("an appender").append(vec![record]) {
        answer.expect("appended");
    }
}

#[test]
fn a_partition_truncated_while_it_is_read_stops_alone() {
    let mut stage = stage();
    let beyond = end(&stage, Partition(0));
    stage.log.log.truncate(Topic::Events, Partition(0), beyond).expect("truncated");
    step_to_the_end(&mut stage, Partition(1));
    // The records of the one may come before the error of the other.
    for _ in 0..200 {
        assert_eq!(stage.lane.step(Timestamp(0)), Next::GoOn);
    }
    let State::Failed { reason } = stage.registry.state(Partition(0)) else { panic!("it did not fail") };
    assert!(reason.contains("inventory-store restore --from latest --cutover"), "{reason}");
    assert_eq!(stage.registry.applied(Partition(0)), Some(NextOffset::ZERO));
    assert_eq!(stage.registry.state(Partition(1)), State::Live);
}

#[test]
fn a_stopped_partition_is_the_lanes_until_the_group_takes_it_and_tried_anew_once_it_is_back() {
    let mut stage = stage();
    for number in 0..PARTITIONS {
        step_to_the_end(&mut stage, Partition(number));
    }
    let is_stopped =
        |stage: &Stage, partition| matches!(stage.registry.state(partition), State::Failed { .. });
    let given = |stage: &Stage| stage.lane.shared.membership.given(0);
    let step_until = |what: &str, stage: &mut Stage, done: &mut dyn FnMut(&Stage) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(stage) {
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            assert_eq!(stage.lane.step(Timestamp(0)), Next::GoOn);
        }
    };
    for number in 0..PARTITIONS {
        stage.lane.fail(Partition(number), "as told");
    }
    for _ in 0..20 {
        assert_eq!(stage.lane.step(Timestamp(0)), Next::GoOn);
    }
    assert_eq!(given(&stage), [Partition(0), Partition(1)]);
    assert!(given(&stage).into_iter().all(|partition| is_stopped(&stage, partition)));

    let mut other = stage.log.join("g", "other").expect("joins");
    step_until("the other member is given one", &mut stage, &mut |stage| {
        other.poll(Duration::ZERO).expect("a member");
        given(stage).len() == 1
    });
    let kept = given(&stage)[0];
    let moved = Partition(1 - kept.0);
    assert!(is_stopped(&stage, kept) && !is_stopped(&stage, moved));
    drop(other);
    step_until("it is live again", &mut stage, &mut |stage| stage.registry.state(moved) == State::Live);
    assert!(is_stopped(&stage, kept));
}

/// Steps the lanes in turn until `done` says so.
fn step_until(what: &str, lanes: &mut [Lane], mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        for lane in &mut *lanes {
            assert_eq!(lane.step(Timestamp(0)), Next::GoOn);
        }
    }
}

#[test]
fn a_partition_given_to_a_lane_while_another_has_it_still_is_taken_up_once_that_lets_go() {
    let (log, shared, _directory) = ground(LogConfig { session_timeout_ms: 50, ..LogConfig::default() }, 2);
    let lane = |number| Lane::new(Arc::clone(&shared), LaneIdentity::new("g", "i", number), Timestamp(0));
    let mut lanes = [lane(0).expect("a lane"), lane(1).expect("a lane")];
    let registry = Arc::clone(&shared.registry);
    let all_live = || (0..PARTITIONS).all(|partition| registry.state(Partition(partition)) == State::Live);
    step_until("both are live", &mut lanes, all_live);
    let [moved] = shared.membership.given(1)[..] else { panic!("one each") };

    // The second lane is silent while the group shares out, twice, and so put out of it.
    for _ in 0..2 {
        drop(log.join("g", "passing").expect("joins"));
        assert_eq!(lanes[0].step(Timestamp(0)), Next::GoOn);
    }
    let has_both = || shared.membership.given(0).len() == usize::from(PARTITIONS);
    step_until("the first lane is given everything", &mut lanes[..1], has_both);
    for _ in 0..20 {
        assert_eq!(lanes[0].step(Timestamp(0)), Next::GoOn);
        assert_eq!(registry.state(moved), State::Replaying, "its store is in the second lane's hands");
    }
    let one_each = || [0, 1].iter().all(|lane| shared.membership.given(*lane).len() == 1);
    step_until("they share again", &mut lanes, || one_each() && all_live());
    assert!(registry.is_ready());
    lanes.into_iter().for_each(Lane::finish);
}

/// The log's partition counts as asked for at `now`, in seconds.
fn watch(observer: &mut Observer, stage: &Stage, now: i64) {
    observer.watch_counts(stage.log.as_ref(), &stage.registry, Timestamp(now * 1000));
}

#[test]
fn a_topic_given_more_partitions_stops_every_partition_before_anything_more_is_written() {
    for (topic, steps) in [(Topic::Events, true), (Topic::Snapshots, true), (Topic::Events, false)] {
        let mut stage = stage();
        let mut observer = Observer::new(PARTITIONS, 30_000);
        watch(&mut observer, &stage, 0);
        assert_eq!(stage.lane.step(Timestamp(0)), Next::GoOn);
        let written: Vec<_> = stage.registry.statuses().iter().map(|status| status.next).collect();

        *stage.log.grown.lock().expect("grown") = Some((topic, PARTITIONS + 1));
        watch(&mut observer, &stage, 29);
        assert!(stage.registry.halted().is_none(), "it is not asked for every second");
        watch(&mut observer, &stage, 30);
        match stage.registry.halted().expect("noticed") {
            CheckError::PartitionCount { topic: Topic::Events, store: PARTITIONS, log: 3 } => {}
            CheckError::UnlikeTopics { topic: Topic::Snapshots, events: PARTITIONS, found: 3 } => {}
            other => panic!("{other}"),
        }
        if steps {
            assert_eq!(stage.lane.step(Timestamp(0)), Next::Done);
        }
        stage.lane.finish();
        for (status, written) in stage.registry.statuses().iter().zip(written) {
            let State::Failed { reason } = &status.state else { panic!("{}", status.state) };
            assert!(reason.contains(topic.default_name()) && reason.contains('3'), "{reason}");
            assert_eq!(status.next, written);
            let store = stage.registry.store(status.partition).expect("stale reads are still answered");
            assert_eq!(store.meta().expect("sound").progress.next, written, "nothing more was written");
        }
    }
}

#[test]
fn letters_and_stale_expiries_show_in_the_metrics() {
    let mut stage = stage();
    let sku = (0..).map(|i| format!("S-{i}")).find(|sku| partition_of(sku, PARTITIONS) == Partition(0));
    let sku = sku.expect("one of two");
    let expiry = format!(
        r#"{{"specversion":"1.0","id":"x","source":"inventory-store","sequence":"1","type":"com.paklog.inventory.fulfillment.v1.inventory-hold.released","subject":"{sku}","data":{{"sku":"{sku}","hold_id":"H","quantity_released":5,"released_by":"expiry","expires_at":"2026-11-01T12:00:00Z"}}}}"#
    );
    let records = [expiry, "{".into()].map(|value| NewRecord {
        topic: Topic::Events,
        partition: Partition(0),
        timestamp: None,
        key: None,
        value: Some(value.into_bytes()),
        headers: vec![crate::types::Header::new("content-type", "application/cloudevents+json")],
    });
    for answer in stage.log.appender().expect("an appender").append(records.into()) {
        answer.expect("appended");
    }
    let shown = || {
        (
            metrics().batch_seconds.with_label_values(&["dead_letters"]).get_sample_count(),
            metrics().of_partition(0).stale_expiries.get(),
        )
    };
    let before = shown();
    step_to_the_end(&mut stage, Partition(0));
    let after = shown();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
}

#[test]
fn waits_end_by_the_position_the_state_or_the_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let registry = Arc::new(Registry::new(1));
    let at = |offset| Position { partition: Partition(0), offset: Offset(offset) };
    let wait = |position, ms| {
        runtime.block_on(registry.wait_for(position, Instant::now() + Duration::from_millis(ms)))
    };
    let publish = |next, state| {
        let next = NextOffset(next);
        registry.publish(PartitionStatus { next, state, ..PartitionStatus::new(Partition(0)) });
    };

    assert_eq!(wait(at(0), 60_000), Waited::NotOwned);
    assert_eq!(wait(Position { partition: Partition(9), offset: Offset(0) }, 60_000), Waited::NotOwned);
    publish(5, State::Live);
    assert_eq!(wait(at(4), 60_000), Waited::Reached, "inclusive: the record at 4 is applied");
    assert_eq!(wait(at(5), 1), Waited::TimedOut { applied: NextOffset(5) });

    // Woken by the lane's thread.
    let lane = std::thread::spawn({
        let registry = Arc::clone(&registry);
        move || {
            registry.update(Partition(0), |status| status.next = NextOffset(6));
        }
    });
    assert_eq!(wait(at(5), 60_000), Waited::Reached);
    lane.join().expect("the lane");

    publish(6, State::Failed { reason: "disk".into() });
    assert_eq!(wait(at(6), 60_000), Waited::Failed { reason: "disk".into() });
    assert_eq!(wait(at(5), 60_000), Waited::Reached, "what is applied stays so");
}
