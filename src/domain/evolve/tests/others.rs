//! Statuses, holds, serials, kits, valuation and class.

use super::facts::*;
use super::*;

#[test]
fn units_move_from_one_status_to_another() {
    let mut story = Story::given([levels((0, 0), (100, 0)), status("AVAILABLE", "QUARANTINE", 10)]);
    assert_eq!(story.statuses(), [("QUARANTINE", 10)]);

    assert_eq!(story.when(status("QUARANTINE", "DAMAGED", 4)), CLEAN);
    assert_eq!(story.statuses(), [("DAMAGED", 4), ("QUARANTINE", 6)], "sorted by name");
    assert_eq!(story.when(status("QUARANTINE", "AVAILABLE", 6)), CLEAN);
    assert_eq!(story.statuses(), [("DAMAGED", 4)], "neither zero nor AVAILABLE is stored");
    assert_eq!(story.stock().available(), quantity(96));
    assert_eq!(story.levels(), (100, 0), "a status change moves no level");
}

#[test]
fn a_status_change_of_more_than_there_is_takes_what_there_is() {
    let mut story = Story::given([levels((0, 0), (100, 0)), status("AVAILABLE", "QUARANTINE", 10)]);

    assert_eq!(story.when(status("QUARANTINE", "DAMAGED", 25)), ANOMALY);
    assert_eq!(story.statuses(), [("DAMAGED", 10)], "the target gains only what the source lost");

    assert_eq!(story.when(status("EXPIRED", "DAMAGED", 1)), ANOMALY);
    assert_eq!(story.statuses(), [("DAMAGED", 10)]);
}

#[test]
fn available_is_a_source_without_limit() {
    let mut story = Story::given([levels((0, 0), (5, 0))]);

    assert_eq!(story.when(status("AVAILABLE", "DAMAGED", 8)), CLEAN);

    assert_eq!(story.statuses(), [("DAMAGED", 8)]);
    assert_eq!(story.stock().available(), Quantity::ZERO);
    assert_eq!(story.stock().numbers().shortfall(), 3);
}

#[test]
fn a_status_never_seen_before_is_kept_as_it_stands() {
    let story = Story::given([status("AVAILABLE", "In the Moat", 2), status("AVAILABLE", "", 1)]);
    assert_eq!(story.statuses(), [("", 1), ("In the Moat", 2)]);
}

#[test]
fn a_change_into_the_same_status_changes_nothing() {
    let mut story = Story::given([status("AVAILABLE", "DAMAGED", 8)]);
    assert_eq!(story.when(status("DAMAGED", "DAMAGED", 3)), CLEAN);
    assert_eq!(story.when(status("DAMAGED", "DAMAGED", 9)), ANOMALY);
    assert_eq!(story.when(status("AVAILABLE", "AVAILABLE", 9)), CLEAN);
    assert_eq!(story.statuses(), [("DAMAGED", 8)]);
}

#[test]
fn statuses_that_would_overflow_together_change_nothing() {
    let mut story = Story::given([status("AVAILABLE", "DAMAGED", i64::MAX as u64)]);
    let before = story.aggregate.clone();
    let event = story.ours(status("AVAILABLE", "EXPIRED", 1));
    assert!(matches!(story.try_event(&event), Err(EvolveError::Overflow { .. })));
    assert_eq!(story.aggregate, before);
    assert_eq!(story.when(status("DAMAGED", "EXPIRED", 1)), CLEAN, "between them there is always room");
}

#[test]
fn a_hold_placed_again_replaces_the_former() {
    let mut story = Story::given([
        levels((0, 0), (100, 0)),
        Fact::HoldPlaced(HoldPlaced { lot_number: Some("L".into()), ..hold("H1", 50) }),
        Fact::HoldPlaced(hold("H2", 5)),
    ]);
    assert_eq!(story.stock().held, quantity(55));

    let again = HoldPlaced { hold_type: "LEGAL_HOLD".into(), reason: "court".into(), ..hold("H1", 20) };
    assert_eq!(story.when(Fact::HoldPlaced(again)), CLEAN);

    let row = HoldRow {
        hold_type: "LEGAL_HOLD".into(),
        quantity: quantity(20),
        reason: "court".into(),
        lot_number: None,
        expires_at: None,
    };
    assert_eq!(story.aggregate.entry(Facet::Hold, "H1"), Some(&row.into()));
    assert_eq!(story.stock().held, quantity(25));
}

#[test]
fn a_hold_is_released_in_part_or_whole() {
    let mut story = Story::given([Fact::HoldPlaced(hold("H1", 50)), Fact::HoldReleased(release("H1", 20))]);
    assert_eq!(story.units(Facet::Hold, "H1"), Some(30));
    assert_eq!(story.stock().held, quantity(30));

    assert_eq!(story.when(Fact::HoldReleased(release("H1", 30))), CLEAN);
    assert_eq!(story.units(Facet::Hold, "H1"), None);
    assert_eq!(story.stock().held, Quantity::ZERO);
}

#[test]
fn a_release_of_more_than_there_is_takes_what_there_is() {
    let mut story = Story::given([Fact::HoldPlaced(hold("H1", 50)), Fact::HoldPlaced(hold("H2", 5))]);

    assert_eq!(story.when(Fact::HoldReleased(release("H1", 51))), ANOMALY);
    assert_eq!(story.units(Facet::Hold, "H1"), None);
    assert_eq!(story.stock().held, quantity(5));

    assert_eq!(story.when(Fact::HoldReleased(release("UNKNOWN", 1))), ANOMALY);
    assert_eq!(story.stock().held, quantity(5));
}

#[test]
fn serials_go_from_received_to_allocated_to_shipped() {
    let mut story = Story::given([
        serial_received("S1", Some("A")),
        serial_received("S2", None),
        serial_allocated("S1", Some("ORD-1")),
    ]);
    let row = SerialRow {
        state: SerialState::Allocated,
        location_id: Some("A".into()),
        lot_number: None,
        allocation_id: Some("ORD-1".into()),
    };
    assert_eq!(story.aggregate.entry(Facet::Serial, "S1"), Some(&row.into()));
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (1, 1));

    assert_eq!(story.when(serial_shipped("S1")), CLEAN);
    assert_eq!(story.when(serial_shipped("S2")), CLEAN, "received may be shipped at once");
    assert_eq!(story.aggregate.entry(Facet::Serial, "S1"), None);
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (0, 0));
    assert_eq!(story.levels(), (0, 0), "serials move no level");
}

#[test]
fn a_serials_step_that_does_not_follow_is_taken_and_is_an_anomaly() {
    let mut story = Story::new();
    assert_eq!(story.when(serial_allocated("S1", None)), ANOMALY, "never received");
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (0, 1));
    assert_eq!(story.when(serial_allocated("S1", Some("ORD-2"))), ANOMALY, "allocated already");
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (0, 1));
    assert_eq!(story.when(serial_received("S1", None)), ANOMALY, "here already");
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (1, 0));
    assert_eq!(story.when(serial_shipped("S9")), ANOMALY, "never received");
    assert_eq!((story.stock().serials_received, story.stock().serials_allocated), (1, 0));
}

#[test]
fn a_kit_counts_what_was_assembled() {
    let mut story = Story::given([kit_created("Tea set"), kit_assembled(5), kit_disassembled(2)]);
    let total = |story: &Story| story.stock().kit.as_ref().map(|kit| kit.assembled.units());
    assert_eq!(total(&story), Some(3));
    assert_eq!(story.levels(), (0, 0), "levels change by a level change of their own");

    assert_eq!(story.when(kit_disassembled(4)), ANOMALY);
    assert_eq!(total(&story), Some(0));

    story.when(kit_assembled(1));
    assert_eq!(story.when(kit_created("Coffee set")), CLEAN);
    assert_eq!(total(&story), Some(1), "created again it keeps its total");
    assert_eq!(story.stock().kit.as_ref().map(|kit| &*kit.name), Some("Coffee set"));

    let event = story.ours(kit_assembled(i64::MAX as u64));
    assert!(matches!(story.try_event(&event), Err(EvolveError::Overflow { .. })));
    assert_eq!(total(&story), Some(1));
}

#[test]
fn an_unknown_kit_has_no_total() {
    let mut story = Story::new();
    assert_eq!(story.when(kit_assembled(5)), ANOMALY);
    assert_eq!(story.when(kit_disassembled(5)), ANOMALY);
    assert_eq!(story.stock().kit, None);
    assert_eq!(story.stock().version, Version(2), "they count all the same");
}

#[test]
fn the_last_valuation_and_class_stated_are_in_force() {
    let mut story = Story::given([valued("FIFO", "2.5", "250", 100), classified("A")]);
    story.when(valued("MOVING_AVERAGE", "0.3333", "33.33", 100));
    story.when(classified("C"));

    let valuation = story.stock().valuation.as_ref().expect("a valuation");
    assert_eq!(&*valuation.method, "MOVING_AVERAGE");
    assert_eq!(
        (valuation.unit_cost.to_string(), valuation.total_value.to_string()),
        ("0.3333".into(), "33.33".into())
    );
    assert_eq!(valuation.valued_quantity, quantity(100));
    assert_eq!(story.stock().abc_class.as_deref(), Some("C"));
}

#[test]
fn a_report_counts_in_the_version_and_changes_nothing() {
    let mut story = Story::given([levels((0, 0), (100, 30))]);
    let before = story.stock().clone();

    assert_eq!(story.when(report()), CLEAN);

    let after = story.stock().clone();
    assert_eq!(after.version, before.version.next());
    assert_eq!(StockRow { version: before.version, last: before.last, own_sequence: 1, ..after }, before);
}
