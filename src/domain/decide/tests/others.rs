//! Serials, valuation, classification, kits.

use super::*;

const TEN: Step<'_> = ("product-stock.receive", r#"{"quantity":10}"#);

#[test]
fn a_serial_is_in_one_state() {
    let receive: Step<'_> = (
        "serial-number.receive",
        r#"{"serial_number":"S1","location_id":"A","lot_number":"L","received_by":"jo"}"#,
    );
    let allocate: Step<'_> = ("serial-number.allocate", r#"{"serial_number":"S1","allocation_id":"ORD-1"}"#);
    let ship: Step<'_> = ("serial-number.ship", r#"{"serial_number":"S1","shipment_id":"SH-1"}"#);
    holds(&[
        line(&[TEN], receive, &["serial S1 received at A lot L by jo"]),
        line(&[TEN, receive], receive, &["! SERIAL_EXISTS serial_number=S1 state=received"]),
        line(&[TEN, receive, allocate], receive, &["! SERIAL_EXISTS serial_number=S1 state=allocated"]),
        line(&[TEN, receive], allocate, &["serial S1 allocated for ORD-1"]),
        line(&[TEN, receive, allocate], allocate, &["! INVALID_STATE serial_number=S1 state=allocated"]),
        line(&[TEN], allocate, &["! UNKNOWN_SERIAL serial_number=S1"]),
        line(&[TEN, receive], ship, &["serial S1 shipped with SH-1"]),
        line(&[TEN, receive, allocate], ship, &["serial S1 shipped with SH-1"]),
        line(&[TEN], ship, &["! UNKNOWN_SERIAL serial_number=S1"]),
        line(&[TEN, receive, ship], ship, &["! UNKNOWN_SERIAL serial_number=S1"]),
        // Shipped, its number is free again.
        line(&[TEN, receive, ship], receive, &["serial S1 received at A lot L by jo"]),
        line(&[], receive, &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}

#[test]
fn a_valuation_is_stated() {
    let change = "inventory-valuation.change";
    holds(&[
        line(
            &[TEN],
            (change, r#"{"valuation_method":"FIFO","unit_cost":2.50,"reason":"year end"}"#),
            &["valued FIFO 0 -> 2.5 total 0 -> 25 for 10 year end"],
        ),
        line(
            &[TEN, (change, r#"{"valuation_method":"FIFO","unit_cost":2.50,"reason":"r"}"#)],
            (change, r#"{"valuation_method":"LIFO","unit_cost":"0.125","quantity":3,"reason":"r"}"#),
            &["valued LIFO 2.5 -> 0.125 total 25 -> 0.375 for 3 r"],
        ),
        line(
            &[TEN],
            (change, r#"{"valuation_method":"FIFO","unit_cost":9999999999999999999999999999,"reason":"r"}"#),
            &["! INVALID_COMMAND field=unit_cost fault=the value would have more than 28 digits"],
        ),
        line(
            &[],
            (change, r#"{"valuation_method":"FIFO","unit_cost":1,"reason":"r"}"#),
            &["! UNKNOWN_SKU sku=SKU-1"],
        ),
    ]);
}

#[test]
fn a_class_is_stated_with_the_one_before() {
    let change = "abc-classification.change";
    let to_a: Step<'_> = (change, r#"{"new_class":"A","criteria":"VALUE_BASED","reason":"r"}"#);
    holds(&[
        line(&[], to_a, &["class none -> A VALUE_BASED r"]),
        line(
            &[to_a],
            (change, r#"{"new_class":"B","criteria":"COMBINED","reason":"slow"}"#),
            &["class A -> B COMBINED slow"],
        ),
    ]);
}

#[test]
fn a_kit_is_defined_made_and_taken_apart() {
    let create: Step<'_> = (
        "kit.create",
        r#"{"kit_sku":"SKU-1","kit_name":"Set","kit_type":"PHYSICAL","components":[{"component_sku":"C-1","quantity":2},{"component_sku":"C-2","quantity":1,"is_optional":true}],"created_by":"jo"}"#,
    );
    let assemble = |produced: &str| {
        format!(
            r#"{{"assembly_order_id":"O1","kit_sku":"SKU-1","kit_quantity_planned":6,"kit_quantity_produced":{produced},"components_consumed":{{"C-1":10}},"assembly_location":"W","completed_by":"jo"}}"#
        )
    };
    let five = assemble("5");
    let assemble_5: Step<'_> = ("kit.assemble", &five);
    let disassemble = |units: u32| {
        format!(
            r#"{{"disassembly_order_id":"O2","kit_quantity":{units},"components_recovered":{{"C-1":4}},"disassembly_location":"W","completed_by":"jo"}}"#
        )
    };
    holds(&[
        line(&[], create, &["kit Set PHYSICAL 2xC-1+1xC-2? by jo"]),
        line(&[create], create, &["! KIT_EXISTS kit_name=Set"]),
        line(
            &[create],
            assemble_5,
            &[r#"assembled O1 5/6 at W by jo ["10xC-1"]"#, "level 0/0/0 -> 5/0/5 ADJUSTMENT"],
        ),
        line(
            &[create],
            ("kit.assemble", &assemble("0")),
            &[r#"assembled O1 0/6 at W by jo ["10xC-1"]"#, "level 0/0/0 -> 0/0/0 ADJUSTMENT"],
        ),
        line(&[TEN], assemble_5, &["! UNKNOWN_KIT"]),
        line(&[], assemble_5, &["! UNKNOWN_SKU sku=SKU-1"]),
        line(
            &[create, assemble_5],
            ("kit.assemble", &assemble(MAX)),
            &[
                "! INVALID_COMMAND field=kit_quantity_produced fault=the kits assembled would pass 9223372036854775807",
            ],
        ),
        line(
            &[create, assemble_5],
            ("kit.disassemble", &disassemble(2)),
            &[r#"disassembled O2 2 at W by jo ["4xC-1"]"#, "level 5/0/5 -> 3/0/3 ADJUSTMENT"],
        ),
        line(
            &[create, assemble_5],
            ("kit.disassemble", &disassemble(6)),
            &["! INSUFFICIENT_STOCK requested=6 available=5 of=units on hand of status AVAILABLE"],
        ),
        line(&[TEN], ("kit.disassemble", &disassemble(1)), &["! UNKNOWN_KIT"]),
        // It cannot accept a shortfall.
        line(
            &[create, assemble_5, ("product-stock.allocate", r#"{"quantity":4}"#)],
            ("kit.disassemble", &disassemble(2)),
            &[
                "! WOULD_OVERSELL free_before=1 free_after=-1 quantity_on_hand=3 quantity_allocated=4 quantity_unavailable=0 quantity_held=0",
            ],
        ),
        // Kits that came ready-made are taken apart as well.
        line(
            &[create, TEN],
            ("kit.disassemble", &disassemble(2)),
            &[r#"disassembled O2 2 at W by jo ["4xC-1"]"#, "level 10/0/10 -> 8/0/8 ADJUSTMENT"],
        ),
    ]);
}
