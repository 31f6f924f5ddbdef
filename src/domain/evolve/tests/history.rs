//! Versions, duplicates, gaps, conflicts, position and time.

use super::facts::*;
use super::*;

fn foreign(id: impl Into<String>) -> Event<'static> {
    event(THEIRS, id, report())
}

fn our_own(sequence: u64) -> Event<'static> {
    let mut event = event(OURS, "any", report());
    event.envelope.sequence = Some(sequence);
    event
}

#[test]
fn a_foreign_event_among_the_last_16_is_passed_over_and_counted() {
    let mut story = Story::new();
    for id in 0..16 {
        assert_eq!(story.event(&foreign(id.to_string())), CLEAN);
    }
    let before = story.stock().clone();

    assert_eq!(story.event(&foreign("0")), Effect::Duplicate);

    let last = LastEvent { offset: Offset(170), time: time("1970-01-01T00:00:01Z") };
    let duplicates = Counted { count: 1, last: Some(Offset(170)) };
    assert_eq!(*story.stock(), StockRow { last: Some(last), duplicates, ..before });

    assert_eq!(story.event(&foreign("16")), CLEAN);
    assert_eq!(story.event(&foreign("0")), CLEAN, "it is the 17th before: forgotten");
    assert_eq!(story.stock().identities.len(), REMEMBERED_IDENTITIES);
    assert_eq!(story.stock().version, Version(18));
}

#[test]
fn a_duplicate_applies_nothing() {
    let mut story = Story::new();
    let received = event(THEIRS, "1", at("A", 0, 60));
    assert_eq!(story.event(&received), CLEAN);
    assert_eq!(story.event(&event(THEIRS, "2", at("A", 60, 50))), CLEAN);

    assert_eq!(story.event(&received), Effect::Duplicate);

    assert_eq!(story.levels(), (50, 0));
    assert_eq!(story.units(Facet::Location, "A"), Some(50));
}

#[test]
fn an_identity_is_source_and_id() {
    let mut story = Story::new();
    assert_eq!(story.event(&event(THEIRS, "1", report())), CLEAN);
    assert_eq!(story.event(&event("/erp", "1", report())), CLEAN);
    assert_eq!(story.event(&event("/erp", "1", report())), Effect::Duplicate);
}

#[test]
fn a_foreign_sequence_is_information_only() {
    let mut story = Story::new();
    for (id, sequence) in [("1", 9), ("2", 9), ("3", 1), ("4", u64::MAX)] {
        let mut event = foreign(id);
        event.envelope.sequence = Some(sequence);
        assert_eq!(story.event(&event), CLEAN, "{id}");
    }
    assert_eq!(story.stock().own_sequence, 0);
}

#[test]
fn of_our_own_events_the_sequence_alone_decides() {
    let mut story = Story::new();
    assert_eq!(story.event(&our_own(1)), CLEAN);
    assert_eq!(story.event(&our_own(2)), CLEAN, "the same id does not matter");
    assert_eq!(story.event(&our_own(2)), Effect::Duplicate);
    assert_eq!(story.event(&our_own(1)), Effect::Duplicate);
    assert_eq!(story.event(&our_own(0)), Effect::Duplicate);
    assert_eq!(story.event(&our_own(5)), GAP, "a jump is applied");
    assert_eq!(story.event(&our_own(6)), CLEAN);
    assert_eq!(story.event(&our_own(u64::MAX)), GAP);
    assert_eq!(story.event(&our_own(u64::MAX)), Effect::Duplicate);
    assert_eq!(story.stock().version, Version(5));
    assert!(story.stock().identities.is_empty(), "they take no place among the identities");
}

#[test]
fn the_first_event_of_a_sku_is_no_gap() {
    let mut story = Story::new();
    assert_eq!(story.event(&our_own(7)), CLEAN);

    let mut story = Story::new();
    assert_eq!(story.event(&foreign("1")), CLEAN);
    assert_eq!(story.event(&our_own(7)), GAP);
}

#[test]
fn of_our_own_without_a_sequence_the_identity_decides() {
    let mut story = Story::new();
    assert_eq!(story.event(&event(OURS, "1", report())), CLEAN);
    assert_eq!(story.event(&event(OURS, "1", report())), Effect::Duplicate);
    assert_eq!(story.event(&our_own(1)), CLEAN);
}

#[test]
fn our_own_event_based_on_another_version_is_a_conflict() {
    let mut story = Story::given([levels((0, 0), (100, 0)), report()]);
    let mut event = story.ours(levels((7, 7), (90, 0)));
    event.envelope.based_on = Some(1);

    assert_eq!(story.event(&event), CONFLICT);
    assert_eq!(story.levels(), (90, 0), "applied all the same");
    assert_eq!(story.stock().conflicts, Counted { count: 1, last: Some(Offset(30)) });

    let other_levels = story.ours(levels((7, 7), (80, 0)));
    assert_eq!(story.event(&other_levels), CLEAN, "of ours only the version is compared");
    let mut silent = story.ours(report());
    silent.envelope.based_on = None;
    assert_eq!(story.event(&silent), CLEAN);
}

#[test]
fn a_foreign_level_change_from_other_levels_is_a_conflict() {
    let mut story = Story::given([levels((0, 0), (100, 30))]);
    let minimal = |previous, new| {
        let mut fact = level((previous, 0), (new, 0));
        (fact.previous.allocated, fact.new.allocated) = (None, None);
        Fact::LevelChanged(fact)
    };

    assert_eq!(story.event(&event(THEIRS, "1", levels((99, 30), (90, 30)))), CONFLICT);
    assert_eq!(story.event(&event(THEIRS, "2", levels((90, 29), (90, 30)))), CONFLICT);
    assert_eq!(story.event(&event(THEIRS, "3", levels((-90, 30), (90, 30)))), CONFLICT);
    assert_eq!(story.event(&event(THEIRS, "4", levels((90, 30), (80, 30)))), CLEAN);
    assert_eq!(story.event(&event(THEIRS, "5", minimal(80, 70))), CLEAN, "it says nothing of allocation");
    assert_eq!(story.event(&event(THEIRS, "6", minimal(80, 60))), CONFLICT);

    let mut based = event(THEIRS, "7", levels((60, 30), (50, 30)));
    based.envelope.based_on = Some(999);
    assert_eq!(story.event(&based), CLEAN, "a foreign version is not ours");
}

#[test]
fn the_first_event_of_a_sku_is_no_conflict() {
    let mut story = Story::new();
    assert_eq!(story.event(&event(THEIRS, "1", levels((500, 3), (400, 3)))), CLEAN);

    let mut story = Story::new();
    let mut event = story.ours(report());
    event.envelope.based_on = Some(77);
    assert_eq!(story.event(&event), CLEAN);
}

#[test]
fn the_events_own_time_counts_before_the_records() {
    let mut story = Story::new();
    let mut timed = foreign("1");
    timed.envelope.time = Some(time("2026-11-01T12:34:56Z"));
    story.event(&timed);
    assert_eq!(
        story.stock().last,
        Some(LastEvent { offset: Offset(10), time: time("2026-11-01T12:34:56Z") })
    );

    story.event(&timed);
    assert_eq!(
        story.stock().last.map(|last| last.offset),
        Some(Offset(20)),
        "a passed-over event moves it too"
    );

    story.event(&foreign("2"));
    assert_eq!(
        story.stock().last,
        Some(LastEvent { offset: Offset(30), time: time("1970-01-01T00:00:01Z") })
    );

    let mut aggregate = Aggregate::default();
    evolve(&rules(), &mut aggregate, &foreign("1"), Offset(u64::MAX), Timestamp(i64::MAX)).expect("applied");
    assert_eq!(aggregate.stock.last, Some(LastEvent { offset: Offset(u64::MAX), time: UtcTime::MAX }));
}

#[test]
fn an_event_whose_entries_were_not_loaded_changes_nothing() {
    let mut aggregate = Aggregate::default();
    let event = event(THEIRS, "1", at("A", 0, 60));
    let result = evolve(&rules(), &mut aggregate, &event, Offset(1), Timestamp(0));
    assert_eq!(result, Err(EvolveError::NotLoaded { facet: Facet::Location }));
    assert_eq!(aggregate, Aggregate::default());
}
