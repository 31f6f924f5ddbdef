use inventory_store::domain::event::Fact;
use inventory_store::types::{Partition, Sku, UtcTime};
use serde_json::json;

use super::harness::{ALLOCATE, RECEIVE, World, code, quantity, sku_of};
use crate::support::lanes::eventually;

/// So many milliseconds from now.
#[expect(clippy::disallowed_methods, reason = "the lanes of these tests go by the clock")]
fn soon(ms: u64) -> UtcTime {
    let at = std::time::SystemTime::now() + std::time::Duration::from_millis(ms);
    let since = at.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    UtcTime::new(since.as_secs() as i64, since.subsec_nanos()).expect("in range")
}

pub fn what_is_due_ends_by_one_event(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    world.send(&sku, "1", RECEIVE, quantity(10));
    let at = soon(700).to_string();
    let allocation = json!({ "quantity": 4, "allocation_id": "O-1", "expires_at": at });
    let allocated = world.send(&sku, "2", ALLOCATE, allocation);
    let hold = json!({
        "hold_id": "H-1", "hold_type": "QUALITY_HOLD", "quantity": 3, "reason": "inspection", "expires_at": at
    });
    let held = world.send(&sku, "3", "inventory-hold.place", hold);
    assert_eq!((code(&world.outcome(allocated)), code(&world.outcome(held))), (None, None));
    // One is left over a restart.
    lanes.stop();
    let lanes = world.start_alone("a");
    let row = eventually("both have ended", || {
        let store = lanes.registry().store(Partition(0))?;
        let row = store.stock(&Sku::new(&sku).expect("a SKU")).expect("readable")?;
        (row.allocated.is_zero() && row.held.is_zero()).then_some(row)
    });
    assert_eq!((row.on_hand.units(), row.anomalies.count, row.conflicts.count), (10, 0, 0));
    let ended: Vec<_> = world.events().into_iter().skip(3).map(|(_, event)| event).collect();
    assert_eq!(ended.len(), 2, "one event each: {ended:?}");
    assert!(ended.iter().all(|event| event.envelope.causation_id.is_none()));
    assert!(
        ended.iter().any(|event| matches!(&event.fact, Fact::HoldReleased(f) if f.released_by == "expiry"))
    );
    lanes.stop();
    // Nothing ends twice, whoever looks again.
    let lanes = world.start_alone("b");
    let more = world.send(&sku, "4", RECEIVE, quantity(1));
    world.outcome(more);
    assert_eq!(world.events().len(), 6);
    lanes.stop();
    world.sequences_are_gapless();
    world.replay_gives_the_same_rows("b");
}

pub fn what_was_prolonged_meanwhile_stays(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    let hold = |id: &str, at: UtcTime| {
        json!({
            "hold_id": id, "hold_type": "QUALITY_HOLD", "quantity": 1, "reason": "inspection",
            "expires_at": at.to_string()
        })
    };
    world.send(&sku, "1", RECEIVE, quantity(10));
    world.send(&sku, "2", "inventory-hold.place", hold("H-1", soon(800)));
    world.send(&sku, "3", "inventory-hold.release", json!({ "hold_id": "H-1", "released_by": "me" }));
    world.send(&sku, "4", "inventory-hold.place", hold("H-1", soon(3_600_000)));
    world.send(&sku, "5", "inventory-hold.place", hold("H-2", soon(800)));
    eventually("the other one has ended", || {
        let ended = |fact: &Fact<'_>| matches!(fact, Fact::HoldReleased(f) if f.hold_id == "H-2");
        world.events().iter().any(|(_, event)| ended(&event.fact)).then_some(())
    });
    let at = world.send(&sku, "6", RECEIVE, quantity(1));
    world.outcome(at);
    let released = world.events().into_iter().filter(|(_, event)| {
        matches!(&event.fact, Fact::HoldReleased(f) if f.hold_id == "H-1" && f.released_by == "expiry")
    });
    assert_eq!(released.count(), 0);
    lanes.stop();
}
