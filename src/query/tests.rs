//! The bodies, literally: names, order, nulls, empty lists.

use super::entries::{EntryView, facet_name, facet_named};
use super::history::{AsOfView, HistoryView};
use super::stock_level::{StockLevel, StockSummary};
use crate::codec::rows::HistoryItem;
use crate::domain::rows::{
    AllocationRow, Component, Counted, Entry, Facet, HoldRow, Kit, LastEvent, LocationRow, LotRow, Numbers,
    SerialRow, SerialState, StockRow, TransferRow, Valuation,
};
use crate::types::{Offset, Partition, Quantity, Timestamp, Version};

fn units(n: u64) -> Quantity {
    Quantity::new(n).expect("a quantity")
}

fn row() -> StockRow {
    StockRow {
        on_hand: units(100),
        allocated: units(30),
        held: units(50),
        statuses: vec![("DAMAGED".into(), units(2))],
        named_allocations: units(30),
        in_lots: units(60),
        in_locations: units(60),
        serials_received: 3,
        serials_allocated: 1,
        valuation: Some(Box::new(Valuation {
            method: "MOVING_AVERAGE".into(),
            unit_cost: "2.50".parse().expect("money"),
            total_value: "250".parse().expect("money"),
            valued_quantity: units(100),
        })),
        abc_class: Some("A".into()),
        kit: None,
        version: Version(7),
        last: Some(LastEvent { offset: Offset(42), time: "2026-11-01T12:34:56Z".parse().expect("time") }),
        ..StockRow::default()
    }
}

fn entry(facet: Facet) -> (Box<str>, Entry) {
    match facet {
        Facet::Hold => (
            "H1".into(),
            Entry::from(HoldRow {
                hold_type: "QUALITY_HOLD".into(),
                quantity: units(50),
                reason: "inspection".into(),
                lot_number: None,
                expires_at: None,
            }),
        ),
        Facet::Allocation => {
            ("ORD-1".into(), Entry::Allocation(AllocationRow { quantity: units(30), expires_at: None }))
        }
        Facet::Lot => {
            ("L1".into(), Entry::Lot(LotRow { quantity: units(60), expiry_date: Some("2027-01-31".into()) }))
        }
        Facet::Location => ("A-01".into(), Entry::Location(LocationRow { quantity: units(60) })),
        Facet::Transfer => (
            "T1".into(),
            Entry::from(TransferRow {
                source_location: "A-01".into(),
                destination_location: "B-02".into(),
                quantity: units(10),
            }),
        ),
        Facet::Serial => (
            "S-1".into(),
            Entry::from(SerialRow {
                state: SerialState::Received,
                location_id: Some("A-01".into()),
                lot_number: None,
                allocation_id: None,
            }),
        ),
    }
}

/// The contract's example. (Its numbers leave the two damaged units out of unavailable; these do not.)
#[test]
fn a_stock_level_is_the_contracts_example() {
    let entries: Vec<_> = Facet::ALL.into_iter().map(|facet| (facet, vec![entry(facet)])).collect();
    let of = |facet| {
        let (_, list) = entries.iter().find(|(f, _)| *f == facet).expect("every facet");
        (list.as_slice(), false)
    };
    let row = row();
    let body = serde_json::to_string(&StockLevel::new("SKU-1", Partition(3), &row, of)).expect("json");
    let expected = concat!(
        r#"{"sku":"SKU-1","quantity_on_hand":100,"quantity_allocated":30,"available_to_promise":18,"quantity_held":50,"quantity_unavailable":2,"shortfall":0,"#,
        r#""version":7,"position":"3:42","last_event_time":"2026-11-01T12:34:56Z","#,
        r#""statuses":{"DAMAGED":2},"#,
        r#""holds":[{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":50,"reason":"inspection","lot_number":null,"expires_at":null}],"#,
        r#""allocations":[{"allocation_id":"ORD-1","quantity":30,"expires_at":null}],"#,
        r#""lots":[{"lot_number":"L1","quantity":60,"expiry_date":"2027-01-31"}],"locations":[{"location_id":"A-01","quantity":60}],"#,
        r#""unassigned":{"lots":40,"locations":40},"#,
        r#""transfers":[{"transfer_id":"T1","source_location":"A-01","destination_location":"B-02","quantity":10}],"#,
        r#""serials":{"received":3,"allocated":1},"#,
        r#""valuation":{"valuation_method":"MOVING_AVERAGE","unit_cost":2.5,"total_value":250,"valued_quantity":100},"#,
        r#""abc_class":"A","kit":null,"#,
        r#""duplicates":0,"conflicts":0,"anomalies":0}"#,
    );
    assert_eq!(body, expected);
}

#[test]
fn an_empty_sku_shows_every_field() {
    let row = StockRow { version: Version(1), ..StockRow::default() };
    let body =
        serde_json::to_string(&StockLevel::new("S", Partition(0), &row, |_| (&[], false))).expect("json");
    let expected = concat!(
        r#"{"sku":"S","quantity_on_hand":0,"quantity_allocated":0,"available_to_promise":0,"quantity_held":0,"quantity_unavailable":0,"shortfall":0,"#,
        r#""version":1,"position":null,"last_event_time":null,"statuses":{},"holds":[],"allocations":[],"lots":[],"locations":[],"#,
        r#""unassigned":{"lots":0,"locations":0},"transfers":[],"serials":{"received":0,"allocated":0},"valuation":null,"abc_class":null,"kit":null,"#,
        r#""duplicates":0,"conflicts":0,"anomalies":0}"#,
    );
    assert_eq!(body, expected);
}

#[test]
fn facts_beyond_the_stock_show_as_shortfall_and_negative_unassigned() {
    let row = StockRow {
        on_hand: units(1),
        allocated: Quantity::MAX,
        held: Quantity::MAX,
        in_lots: units(5),
        in_locations: Quantity::MAX,
        kit: Some(Box::new(Kit {
            name: "Box".into(),
            kit_type: "PHYSICAL".into(),
            components: vec![Component { sku: "C-1".into(), quantity: units(2), is_optional: true }],
            assembled: units(4),
        })),
        version: Version(9),
        duplicates: Counted { count: 1, last: Some(Offset(3)) },
        conflicts: Counted { count: 2, last: Some(Offset(4)) },
        anomalies: Counted { count: 3, last: Some(Offset(5)) },
        ..StockRow::default()
    };
    let body = serde_json::to_string(&StockLevel::new("S", Partition(0), &row, |facet| {
        (&[], facet == Facet::Allocation)
    }))
    .expect("json");
    for part in [
        r#""available_to_promise":0,"#,
        r#""shortfall":18446744073709551613,"#,
        r#""unassigned":{"lots":-4,"locations":-9223372036854775806},"#,
        r#""kit":{"kit_name":"Box","kit_type":"PHYSICAL","components":[{"component_sku":"C-1","quantity":2,"is_optional":true}],"assembled":4},"#,
        r#""duplicates":1,"conflicts":2,"anomalies":3,"truncated":["allocations"]}"#,
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[test]
fn a_summary_is_the_stock_level_without_its_lists() {
    let row = row();
    let full: serde_json::Map<String, serde_json::Value> = serde_json::from_str(
        &serde_json::to_string(&StockLevel::new("S", Partition(3), &row, |_| (&[], false))).expect("json"),
    )
    .expect("object");
    let summary: serde_json::Map<String, serde_json::Value> = serde_json::from_str(
        &serde_json::to_string(&StockSummary::new("S", Partition(3), &row)).expect("json"),
    )
    .expect("object");
    let lists = ["holds", "allocations", "lots", "locations", "transfers"];
    assert_eq!(summary.len() + lists.len(), full.len());
    assert!(summary.iter().all(|(name, value)| full.get(name) == Some(value)));
    assert!(lists.iter().all(|list| !summary.contains_key(*list)));
}

#[test]
fn entries_are_shown_with_their_ids_first() {
    let shown = |facet| {
        let (id, entry) = entry(facet);
        serde_json::to_string(&EntryView::new(&id, &entry)).expect("json")
    };
    assert_eq!(
        shown(Facet::Serial),
        r#"{"serial_number":"S-1","state":"received","location_id":"A-01","lot_number":null,"allocation_id":null}"#
    );
    for facet in Facet::ALL {
        assert_eq!(facet_named(facet_name(facet)), Some(facet));
    }
    assert_eq!(facet_named("hold"), None);
}

#[test]
fn a_history_item_is_the_contracts() {
    let item = HistoryItem {
        offset: Offset(42),
        log_time: Timestamp(0),
        time: "2026-11-01T14:34:56.5+02:00".parse().expect("time"),
        event_type: "inventory-hold.placed".into(),
        event_id: "e-1".into(),
        correlation_id: None,
        version: Version(7),
        numbers: Numbers {
            on_hand: units(100),
            allocated: units(30),
            held: units(50),
            unavailable: units(2),
        },
    };
    let view = AsOfView { sku: "SKU-1", item: HistoryView::new(Partition(3), &item) };
    assert_eq!(
        serde_json::to_string(&view).expect("json"),
        concat!(
            r#"{"sku":"SKU-1","position":"3:42","time":"2026-11-01T12:34:56.5Z","#,
            r#""type":"com.paklog.inventory.fulfillment.v1.inventory-hold.placed","event_id":"e-1","correlation_id":null,"#,
            r#""quantity_on_hand":100,"quantity_allocated":30,"quantity_held":50,"quantity_unavailable":2,"available_to_promise":18}"#,
        )
    );
}
