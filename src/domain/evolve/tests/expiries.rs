use super::facts::*;
use super::*;

const NOON: &str = "2026-11-01T12:00:00Z";
const NOON_ELSEWHERE: &str = "2026-11-01T14:00:00.000+02:00";
const ONE: &str = "2026-11-01T13:00:00Z";

fn held_until(text: &str) -> Fact<'static> {
    Fact::HoldPlaced(HoldPlaced { expires_at: Some(time(text)), ..hold("H1", 50) })
}

fn hold_expired(text: &str) -> Fact<'static> {
    let expired =
        HoldReleased { released_by: "expiry".into(), expires_at: Some(time(text)), ..release("H1", 50) };
    Fact::HoldReleased(expired)
}

fn allocated_until(text: &str) -> Fact<'static> {
    Fact::LevelChanged(LevelChanged { expires_at: Some(time(text)), ..named("ORD-1", (100, 0), (100, 30)) })
}

fn allocation_expired(text: &str) -> Fact<'static> {
    Fact::LevelChanged(LevelChanged {
        change_reason: "DEALLOCATION".into(),
        expires_at: Some(time(text)),
        ..named("ORD-1", (100, 30), (100, 0))
    })
}

#[test]
fn a_hold_and_an_allocation_end_when_due() {
    let mut story = Story::given([held_until(NOON), allocated_until(NOON)]);

    assert_eq!(story.when(hold_expired(NOON_ELSEWHERE)), CLEAN, "instants are compared, not text");
    assert_eq!(story.when(allocation_expired(NOON_ELSEWHERE)), CLEAN);

    assert_eq!(story.units(Facet::Hold, "H1"), None);
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), None);
    assert_eq!(story.levels(), (100, 0));
}

/// The row as the expiry must leave it: sequence, position and the count of anomalies move, nothing else.
fn passed_over(before: &StockRow, offset: u64) -> StockRow {
    let mut row = before.clone();
    row.own_sequence += 1;
    row.anomalies.count(Offset(offset));
    row.last = Some(LastEvent { offset: Offset(offset), time: time("1970-01-01T00:00:01Z") });
    row
}

#[test]
fn an_expiry_whose_entry_has_another_instant_is_passed_over() {
    for expired in [hold_expired(ONE), allocation_expired(ONE)] {
        let mut story = Story::given([held_until(NOON), allocated_until(NOON)]);
        let before = story.aggregate.clone();

        assert_eq!(story.when(expired.clone()), STALE, "{expired:?}");

        assert_eq!(*story.stock(), passed_over(&before.stock, 30));
        assert!(story.aggregate.entries().eq(before.entries()));
        assert_eq!(story.when(report()), CLEAN, "the next of ours is neither a gap nor a conflict");
    }
}

#[test]
fn an_expiry_whose_entry_is_gone_or_never_expires_is_passed_over() {
    let mut story = Story::given([report()]);
    assert_eq!(story.when(hold_expired(NOON)), STALE);
    assert_eq!(story.when(allocation_expired(NOON)), STALE);

    let mut story = Story::given([
        Fact::HoldPlaced(hold("H1", 50)),
        Fact::LevelChanged(named("ORD-1", (100, 0), (100, 30))),
    ]);
    assert_eq!(story.when(hold_expired(NOON)), STALE);
    assert_eq!(story.when(allocation_expired(NOON)), STALE);
    assert_eq!(story.stock().held, quantity(50));
}

#[test]
fn a_jump_of_our_sequence_before_a_stale_expiry_is_not_hidden() {
    let mut story = Story::given([report()]);
    let mut expiry = story.ours(hold_expired(NOON));
    expiry.envelope.sequence = Some(5);
    assert_eq!(story.event(&expiry), Effect::StaleExpiry { gap: true });
    assert_eq!(story.stock().own_sequence, 5);
}

#[test]
fn only_an_event_of_ours_is_an_expiry() {
    let mut story = Story::given([held_until(NOON), allocated_until(NOON)]);

    story.event(&event(THEIRS, "1", hold_expired(ONE)));
    story.event(&event(THEIRS, "2", allocation_expired(ONE)));

    assert_eq!(story.stock().held, Quantity::ZERO);
    assert_eq!(story.levels(), (100, 0));
}

#[test]
fn an_ordinary_release_or_deallocation_is_no_expiry() {
    let mut story = Story::given([held_until(NOON), allocated_until(NOON)]);
    let by_hand = HoldReleased { expires_at: Some(time(ONE)), ..release("H1", 20) };
    assert_eq!(story.when(Fact::HoldReleased(by_hand)), CLEAN);
    assert_eq!(story.units(Facet::Hold, "H1"), Some(30));

    let deallocation =
        LevelChanged { change_reason: "DEALLOCATION".into(), ..named("ORD-1", (100, 30), (100, 20)) };
    assert_eq!(story.when(Fact::LevelChanged(deallocation)), CLEAN, "no instant");
    let pick = LevelChanged { expires_at: Some(time(ONE)), ..named("ORD-1", (100, 20), (95, 15)) };
    assert_eq!(story.when(Fact::LevelChanged(pick)), CLEAN, "on hand changed");
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), Some(15));
}

#[test]
fn a_hold_placed_anew_outlives_the_expiry_of_the_former() {
    let mut story = Story::given([held_until(NOON), held_until(ONE)]);
    assert_eq!(story.when(hold_expired(NOON)), STALE);
    assert_eq!(story.units(Facet::Hold, "H1"), Some(50));
    assert_eq!(story.when(hold_expired(ONE)), CLEAN);
}
