use super::*;

const INITIATE: &str = "stock-transfer.initiate";
const COMPLETE: &str = "stock-transfer.complete";
const TEN_AT_A: Step<'_> =
    ("product-stock.receive", r#"{"quantity":10,"location_id":"A","lot":{"lot_number":"L"}}"#);
const SIX_SENT: Step<'_> = (
    INITIATE,
    r#"{"transfer_id":"T1","source_location":"A","destination_location":"B","quantity":6,"initiated_by":"jo","reason":"refill"}"#,
);

#[test]
fn a_transfer_takes_from_its_source() {
    holds(&[
        line(&[TEN_AT_A], SIX_SENT, &["transfer T1 A -> B 6 by jo refill"]),
        line(&[TEN_AT_A, SIX_SENT], SIX_SENT, &["! TRANSFER_EXISTS transfer_id=T1 quantity=6"]),
        line(
            &[TEN_AT_A],
            (
                INITIATE,
                r#"{"transfer_id":"T1","source_location":"A","destination_location":"B","quantity":11,"initiated_by":"jo","reason":"r"}"#,
            ),
            &[
                "! INSUFFICIENT_STOCK requested=11 available=10 of=units in the location A and unassigned unassigned=0",
            ],
        ),
        // What no location accounts for may be sent from anywhere.
        line(
            &[("product-stock.receive", r#"{"quantity":10}"#)],
            SIX_SENT,
            &["transfer T1 A -> B 6 by jo refill"],
        ),
        line(&[], SIX_SENT, &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}

#[test]
fn a_transfer_arrives_whole_or_short() {
    let arrived = |units: u32, more: &str| {
        format!(r#"{{"transfer_id":"T1","quantity_transferred":{units},"completed_by":"jo"{more}}}"#)
    };
    let all_promised: Step<'_> = ("product-stock.allocate", r#"{"quantity":10}"#);
    holds(&[
        line(&[TEN_AT_A, SIX_SENT], (COMPLETE, &arrived(6, "")), &["arrived T1 A -> B 6 by jo"]),
        line(
            &[TEN_AT_A, SIX_SENT],
            (COMPLETE, &arrived(4, r#","lot_number":"L""#)),
            &["arrived T1 A -> B 4 by jo lot L", "level 10/0/10 -> 8/0/8 TRANSFER lot L"],
        ),
        // Never refused for shortfall.
        line(
            &[TEN_AT_A, SIX_SENT, all_promised],
            (COMPLETE, &arrived(4, "")),
            &["arrived T1 A -> B 4 by jo", "level 10/10/0 -> 8/10/0 TRANSFER"],
        ),
        line(
            &[TEN_AT_A, SIX_SENT],
            (COMPLETE, &arrived(7, "")),
            &[
                "! INSUFFICIENT_STOCK requested=7 available=6 of=units sent with the transfer T1 transfer_id=T1",
            ],
        ),
        line(&[TEN_AT_A], (COMPLETE, &arrived(6, "")), &["! UNKNOWN_TRANSFER transfer_id=T1"]),
        line(
            &[TEN_AT_A, SIX_SENT, (COMPLETE, &arrived(6, ""))],
            (COMPLETE, &arrived(6, "")),
            &["! UNKNOWN_TRANSFER transfer_id=T1"],
        ),
        // Missing units leave on hand, which never falls below what is set apart.
        line(
            &[
                TEN_AT_A,
                SIX_SENT,
                ("stock-status.change", r#"{"quantity":9,"from":"AVAILABLE","to":"DAMAGED","reason":"r"}"#),
            ],
            (COMPLETE, &arrived(4, "")),
            &["! INSUFFICIENT_STOCK requested=2 available=1 of=units on hand of status AVAILABLE"],
        ),
        line(
            &[TEN_AT_A, SIX_SENT],
            (COMPLETE, &arrived(4, r#","lot_number":"M""#)),
            &[
                "! INSUFFICIENT_STOCK requested=2 available=0 of=units in the lot M and unassigned unassigned=0",
            ],
        ),
    ]);
}

#[test]
fn what_arrives_stands_at_the_destination() {
    let mut story = Story::given(&[TEN_AT_A, SIX_SENT]);
    let arrived = command(
        COMPLETE,
        r#"{"transfer_id":"T1","quantity_transferred":4,"completed_by":"jo"}"#,
        &Conditions::default(),
    );
    let facts = story.decide(&arrived).expect("accepted");
    story.happened(facts);

    let units = |facet, id| story.aggregate.entry(facet, id).map_or(0, |entry| entry.quantity().units());
    assert_eq!((units(Facet::Location, "A"), units(Facet::Location, "B")), (4, 4));
    assert_eq!(story.stock().on_hand.units(), 8, "two were lost");
    assert_eq!(story.stock().outside_locations().0, 0);
}
