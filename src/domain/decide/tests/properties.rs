//! Whatever is asked: the rows keep their invariants, evolving finds nothing odd in what a command became, and
//! a refusal changes nothing.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::rows::{ALLOCATED, Entry, SerialState};
use super::*;
use crate::domain::command::{Adjust, ChangeStatus, InitiateTransfer, PlaceHold, Receive, Set};
use crate::domain::event::{KitAssembled, KitComponent, KitCreated, KitDisassembled};
use crate::types::{Difference, Money, Quantity};

type Text = Box<str>;

/// Few names, so that commands meet.
fn name() -> impl Strategy<Value = Text> {
    select(&["A", "B", "C"][..]).prop_map(Into::into)
}

fn optional_name() -> impl Strategy<Value = Option<Text>> {
    prop::option::of(name())
}

/// AVAILABLE, and statuses of every kind.
fn status() -> impl Strategy<Value = Text> {
    select(&["AVAILABLE", "AVAILABLE", "DAMAGED", "ALLOCATED", "QUARANTINE"][..]).prop_map(Into::into)
}

/// Mostly small, so that takes meet stock; sometimes at the end of the range.
fn units() -> impl Strategy<Value = Quantity> {
    prop_oneof![16 => 1..15_u64, 1 => (i64::MAX as u64 - 20)..=i64::MAX as u64]
        .prop_map(|units| Quantity::new(units).expect("a quantity"))
}

fn change() -> impl Strategy<Value = Difference> {
    (units(), any::<bool>()).prop_map(|(units, fewer)| {
        let units = units.units() as i64;
        Difference(if fewer { -units } else { units })
    })
}

fn cost() -> impl Strategy<Value = Money> {
    select(&["0", "2.5", "0.333333", "1e20", "0.0000000000000000000000000001"][..])
        .prop_map(|text| text.parse().expect("money"))
}

fn receive() -> impl Strategy<Value = Request> {
    (units(), prop::option::of(status()), optional_name(), optional_name(), prop::option::of(cost()))
        .prop_map(|(quantity, status, location_id, lot_number, unit_cost)| {
            Request::Receive(Receive {
                quantity,
                reason: "RECEIPT".into(),
                status,
                location_id,
                expiry_date: lot_number.as_ref().map(|_| "2027-01-31".into()),
                lot_number,
                unit_cost,
            })
        })
}

fn observations() -> impl Strategy<Value = Request> {
    let adjust = (change(), prop::option::of(status()), optional_name(), optional_name(), any::<bool>())
        .prop_map(|(quantity_change, status, location_id, lot_number, accept_shortfall)| {
            Request::Adjust(Adjust {
                quantity_change,
                reason: "ADJUSTMENT".into(),
                status,
                location_id,
                lot_number,
                comment: None,
                accept_shortfall,
            })
        });
    let set =
        (0..30_u64, optional_name(), any::<bool>()).prop_map(|(quantity, location_id, accept_shortfall)| {
            Request::Set(Set {
                quantity: Quantity::new(quantity).expect("a quantity"),
                reason: "CYCLE_COUNT".into(),
                location_id,
                comment: None,
                accept_shortfall,
            })
        });
    let status = (units(), status(), status(), any::<bool>())
        .prop_filter("into another one", |(_, from, to, _)| from != to)
        .prop_map(|(quantity, from, to, accept_shortfall)| {
            Request::ChangeStatus(ChangeStatus {
                quantity,
                from,
                to,
                reason: "r".into(),
                lot_number: None,
                accept_shortfall,
            })
        });
    prop_oneof![3 => adjust, 2 => set, 2 => status]
}

fn promises() -> impl Strategy<Value = Request> {
    let instant = || select(vec![None, UtcTime::new(10, 0)]);
    prop_oneof![
        (units(), optional_name(), instant()).prop_map(|(quantity, allocation_id, at)| {
            let expires_at = at.filter(|_| allocation_id.is_some());
            Request::Allocate { quantity, allocation_id, expires_at }
        }),
        (optional_name(), units(), any::<bool>()).prop_map(|(allocation_id, quantity, all)| {
            let quantity = Some(quantity).filter(|_| !all || allocation_id.is_none());
            Request::Deallocate { allocation_id, quantity }
        }),
        (units(), optional_name(), optional_name(), optional_name()).prop_map(
            |(quantity, allocation_id, location_id, lot_number)| Request::Pick {
                quantity,
                allocation_id,
                location_id,
                lot_number
            }
        ),
        (name(), units(), instant(), any::<bool>()).prop_map(|(hold_id, quantity, expires_at, accept)| {
            Request::PlaceHold(PlaceHold {
                hold_id,
                hold_type: "QUALITY_HOLD".into(),
                quantity,
                reason: "r".into(),
                lot_number: None,
                expires_at,
                accept_shortfall: accept,
            })
        }),
        (name(), prop::option::of(units())).prop_map(|(hold_id, quantity)| Request::ReleaseHold {
            hold_id,
            quantity,
            released_by: "jo".into()
        }),
    ]
}

fn others() -> impl Strategy<Value = Request> {
    let components = || btree_map(Just("C-1".into()), units(), 0..2);
    prop_oneof![
        3 => (name(), name(), name(), units()).prop_map(|(transfer_id, from, to, quantity)| {
            Request::InitiateTransfer(InitiateTransfer {
                transfer_id,
                source_location: from,
                destination_location: to,
                quantity,
                initiated_by: "jo".into(),
                reason: "r".into(),
            })
        }),
        3 => (name(), units(), optional_name()).prop_map(|(transfer_id, quantity, lot_number)| {
            Request::CompleteTransfer { transfer_id, quantity, completed_by: "jo".into(), lot_number }
        }),
        2 => (name(), optional_name()).prop_map(|(serial_number, location_id)| Request::ReceiveSerial {
            serial_number, location_id, lot_number: None, received_by: None,
        }),
        2 => (name(), optional_name())
            .prop_map(|(serial_number, allocation_id)| Request::AllocateSerial { serial_number, allocation_id }),
        1 => (name(), optional_name())
            .prop_map(|(serial_number, shipment_id)| Request::ShipSerial { serial_number, shipment_id }),
        1 => (select(&["FIFO", "MOVING_AVERAGE"][..]), cost(), prop::option::of(units())).prop_map(
            |(method, unit_cost, quantity)| Request::ChangeValuation {
                valuation_method: method.into(), unit_cost, quantity, reason: "r".into(),
            }
        ),
        1 => name().prop_map(|new_class| Request::ChangeClassification {
            new_class, criteria: "COMBINED".into(), reason: "r".into(),
        }),
        1 => units().prop_map(|quantity| Request::CreateKit(KitCreated {
            kit_name: "Set".into(),
            kit_type: "PHYSICAL".into(),
            components: vec![KitComponent { component_sku: "C-1".into(), quantity, is_optional: false }],
            created_by: "jo".into(),
        })),
        1 => (units(), units(), components()).prop_map(|(planned, produced, components_consumed)| {
            Request::AssembleKit(KitAssembled {
                assembly_order_id: "O".into(),
                planned,
                produced,
                components_consumed,
                assembly_location: "A".into(),
                completed_by: "jo".into(),
            })
        }),
        1 => (units(), components()).prop_map(|(quantity, components_recovered)| {
            Request::DisassembleKit(KitDisassembled {
                disassembly_order_id: "O".into(),
                quantity,
                components_recovered,
                disassembly_location: "A".into(),
                completed_by: "jo".into(),
            })
        }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![4 => receive(), 4 => observations(), 6 => promises(), 5 => others()]
}

fn asked(request: Request) -> Command {
    let mut command = command("product-stock.receive", r#"{"quantity":1}"#, &Conditions::default());
    command.request = request;
    command
}

/// A foreign event that says whatever it likes.
fn foreign_fact() -> impl Strategy<Value = Fact<'static>> {
    let level = || (-3..30_i64, -3..30_i64);
    let stated =
        |(on_hand, allocated)| Level { on_hand, allocated: Some(allocated), available_to_promise: None };
    let change = (level(), level(), optional_name(), optional_name(), optional_name()).prop_map(
        move |(previous, new, location, lot, allocation)| {
            let text = |name: Option<Text>| name.map(|name| name.into_string().into());
            Fact::LevelChanged(LevelChanged {
                previous: stated(previous),
                new: stated(new),
                change_reason: "IMPORT".into(),
                location_id: text(location),
                allocation_id: text(allocation),
                lot_number: text(lot),
                expiry_date: None,
                expires_at: None,
                comment: None,
            })
        },
    );
    let status = (status(), status(), units()).prop_map(|(from, to, quantity)| {
        Fact::StatusChanged(crate::domain::event::StatusChanged {
            previous_status: from.into_string().into(),
            new_status: to.into_string().into(),
            quantity,
            reason: "r".into(),
            lot_number: None,
        })
    });
    prop_oneof![3 => change, 1 => status]
}

fn sum(aggregate: &Aggregate, facet: Facet) -> u128 {
    aggregate
        .entries()
        .filter(|((of, _), _)| *of == facet)
        .filter_map(|(_, entry)| entry)
        .map(|entry| u128::from(entry.quantity().units()))
        .sum()
}

/// What holds after any sequence of commands, where nobody else wrote.
fn check(aggregate: &Aggregate) {
    let stock = &aggregate.stock;
    let units = |quantity: Quantity| u128::from(quantity.units());
    let set_apart: u128 = stock.statuses.iter().map(|(_, quantity)| units(*quantity)).sum();
    assert!(set_apart <= units(stock.on_hand), "{stock:?}");
    assert!(stock.named_allocations <= stock.allocated, "{stock:?}");
    assert_eq!(units(stock.named_allocations), sum(aggregate, Facet::Allocation));
    assert_eq!(units(stock.held), sum(aggregate, Facet::Hold));
    assert_eq!(units(stock.in_lots), sum(aggregate, Facet::Lot));
    assert_eq!(units(stock.in_locations), sum(aggregate, Facet::Location));

    let unavailable: u128 =
        stock.statuses.iter().filter(|(name, _)| &**name != ALLOCATED).map(|(_, q)| units(*q)).sum();
    let taken = units(stock.allocated) + unavailable + units(stock.held);
    let numbers = stock.numbers();
    assert_eq!(units(numbers.available_to_promise()), units(stock.on_hand).saturating_sub(taken));
    assert_eq!(numbers.shortfall(), taken.saturating_sub(units(stock.on_hand)));

    let serials = |state| {
        let is = |entry: Option<&Entry>| matches!(entry, Some(Entry::Serial(row)) if row.state == state);
        aggregate.entries().filter(|(_, entry)| is(*entry)).count() as u64
    };
    assert_eq!(stock.serials_received, serials(SerialState::Received));
    assert_eq!(stock.serials_allocated, serials(SerialState::Allocated));
    assert_eq!((stock.conflicts.count, stock.duplicates.count), (0, 0));
}

/// Whether the request may leave a shortfall that was not there.
fn may_fall_short(request: &Request) -> bool {
    match request {
        Request::Adjust(Adjust { accept_shortfall, .. })
        | Request::Set(Set { accept_shortfall, .. })
        | Request::ChangeStatus(ChangeStatus { accept_shortfall, .. })
        | Request::PlaceHold(PlaceHold { accept_shortfall, .. }) => *accept_shortfall,
        Request::CompleteTransfer { .. } => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn commands_keep_what_must_be_true(requests in vec(request(), 1..60)) {
        let mut story = Story::default();
        for request in requests {
            let command = asked(request);
            let before = story.aggregate.stock.clone();
            match story.decide(&command) {
                Ok(facts) => {
                    prop_assert!(!facts.is_empty());
                    story.happened(facts);
                }
                Err(refusal) => {
                    prop_assert!(refusal.code > RefusalCode::CommandIdReused);
                    prop_assert_eq!(&story.aggregate.stock, &before);
                }
            }
            check(&story.aggregate);
            let shortfall = story.stock().numbers().shortfall();
            prop_assert!(
                shortfall <= before.numbers().shortfall() || may_fall_short(&command.request),
                "{:?} left {} too few", command, shortfall
            );
        }
    }

    /// Foreign facts break what they like; what commands become then still applies, cleanly.
    #[test]
    fn commands_after_any_facts_become_facts_that_apply(
        steps in vec((prop::option::weighted(0.3, foreign_fact()), request()), 1..40),
    ) {
        let mut story = Story::default();
        for (index, (fact, request)) in steps.into_iter().enumerate() {
            if let Some(fact) = fact {
                let mut envelope = envelope();
                envelope.source = "/wms".into();
                envelope.id = index.to_string().into();
                let event = Event { envelope, fact };
                story.load(super::super::super::touched(&event).into_iter().map(|(facet, id)| (facet, id.into())));
                story.offset += 1;
                // What would leave the range changes nothing.
                let _ = evolve(&rules(), &mut story.aggregate, &event, Offset(story.offset), Timestamp(0));
            }
            let before = story.aggregate.stock.clone();
            match story.decide(&asked(request)) {
                Ok(facts) => {
                    story.happened(facts);
                    let after = story.stock();
                    let set_apart = |stock: &StockRow| -> i128 {
                        stock.statuses.iter().map(|(_, units)| i128::from(units.units())).sum()
                    };
                    prop_assert!(
                        after.on_hand >= before.on_hand
                            || i128::from(after.on_hand.units()) >= set_apart(after),
                    );
                }
                Err(_) => prop_assert_eq!(&story.aggregate.stock, &before),
            }
        }
    }

    #[test]
    fn a_promise_is_refused_exactly_where_there_is_too_little(
        requests in vec(request(), 1..30),
        quantity in units(),
    ) {
        let mut story = Story::default();
        for request in requests {
            if let Ok(facts) = story.decide(&asked(request)) {
                story.happened(facts);
            }
        }
        prop_assume!(story.stock().version != Version::NEVER_SEEN);
        let available = story.stock().numbers().available_to_promise();
        let asked = asked(Request::Allocate { quantity, allocation_id: None, expires_at: None });
        match story.decide(&asked) {
            Ok(_) => prop_assert!(quantity <= available),
            Err(refusal) => {
                prop_assert!(quantity > available);
                prop_assert_eq!(refusal.code, RefusalCode::InsufficientStock);
            }
        }
    }
}
