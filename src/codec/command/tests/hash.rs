//! What tells a repeat from a reused id.

use proptest::prelude::*;

use super::*;

fn hash(raw: &Raw) -> CommandHash {
    raw.decode().unwrap_or_else(|malformed| panic!("{malformed}: {raw:?}")).hash
}

#[test]
fn only_the_content_counts() {
    let data = r#"{"quantity":5,"location_id":"A"}"#;
    let one = hash(&Raw::with("product-stock.receive", data, ""));
    for attributes in [
        r#","time":"2026-11-01T12:34:56Z""#,
        r#","expirytime":"2026-11-01T12:34:56Z""#,
        r#","correlationid":"c","traceparent":"t","anything":"else""#,
    ] {
        assert_eq!(hash(&Raw::with("product-stock.receive", data, attributes)), one, "{attributes}");
    }
    let mut other_name = Raw::with("product-stock.receive", data, "");
    other_name.value = other_name.value.map(|value| {
        String::from_utf8(value)
            .expect("UTF-8")
            .replace("cmd-1", "cmd-2")
            .replace("/shop", "/till")
            .into_bytes()
    });
    assert_eq!(hash(&other_name), one, "id and source are the name, not the content");

    for (name, data, attributes) in [
        ("product-stock.set", data, ""),
        ("product-stock.receive", data, r#","expectedversion":"0""#),
        ("product-stock.receive", data, r#","expectedversion":"1""#),
        ("product-stock.receive", r#"{"quantity":6,"location_id":"A"}"#, ""),
        ("product-stock.receive", r#"{"quantity":5,"location_id":"B"}"#, ""),
        ("product-stock.receive", r#"{"quantity":5}"#, ""),
        // A default that is filled in is other content than one that is said.
        ("product-stock.receive", r#"{"quantity":5,"location_id":"A","reason":"RECEIPT"}"#, ""),
        ("product-stock.receive", r#"{"quantity":5,"location_id":"A","unknown":1}"#, ""),
    ] {
        assert_ne!(hash(&Raw::with(name, data, attributes)), one, "{name} {data} {attributes}");
    }
}

#[test]
fn the_same_content_has_one_hash_however_it_is_written() {
    let data = r#"{"quantity":50,"location_id":"A","lot":{"lot_number":"L","expiry_date":"2027-01-31"}}"#;
    let one = hash(&Raw::with("product-stock.receive", data, r#","expectedversion":"7""#));
    for (data, version) in [
        (data, "7"),
        (data, r#""007""#),
        (data, "7.0"),
        (r#"{"lot":{"expiryDate":"2027-01-31","lotNumber":"L"},"locationId":"A","quantity":5e1}"#, "7"),
        (
            r#"{ "lot" : {"lot_number":"L","lotNumber":"L","expiry_date":"2027-01-31"}, "quantity":50.0, "location_id":"\u0041", "status":null }"#,
            "7",
        ),
    ] {
        let raw = Raw::with("product-stock.receive", data, &format!(r#","expectedversion":{version}"#));
        assert_eq!(hash(&raw), one, "{data} {version}");
    }
    // Known members of a kit's components are brought into form; SKUs as names are not.
    let kit = |components: &str| {
        let data =
            format!(r#"{{"kit_name":"K","kit_type":"VIRTUAL","components":{components},"created_by":"jo"}}"#);
        hash(&Raw::with("kit.create", &data, ""))
    };
    assert_eq!(
        kit(r#"[{"component_sku":"C","quantity":1,"is_optional":null}]"#),
        kit(r#"[{"quantity":1.0,"componentSku":"C"}]"#)
    );
    let assembled = |consumed: &str| {
        let data = format!(
            r#"{{"assembly_order_id":"O","kit_quantity_planned":1,"kit_quantity_produced":1,"components_consumed":{consumed},"assembly_location":"W","completed_by":"jo"}}"#
        );
        hash(&Raw::with("kit.assemble", &data, ""))
    };
    assert_ne!(assembled(r#"{"cOne":1}"#), assembled(r#"{"c_one":1}"#));
}

#[test]
fn an_invalid_command_has_a_hash_too() {
    let hashes: std::collections::HashSet<_> = [
        r#"{"quantity":-1}"#,
        r#"{"quantity":-2}"#,
        r#"{"quantity":1,"quantity":2}"#,
        r#"{"quantity":2,"quantity":1}"#,
        r#"{"quantity":1}"#,
        "null",
        "[]",
        "{}",
        r#""{}""#,
        "5",
    ]
    .into_iter()
    .map(|data| hash(&Raw::with("product-stock.receive", data, "")))
    .collect();
    assert_eq!(hashes.len(), 10);
    let version = |text: &str| hash(&Raw::with("product-stock.receive", "{}", text));
    assert_ne!(version(r#","expectedversion":"""#), version(""));
    assert_ne!(version(r#","expectedversion":"x""#), version(r#","expectedversion":"y""#));
    assert_eq!(version(r#","expectedversion":null"#), version(""));
}

#[test]
fn parts_do_not_run_into_each_other() {
    let of = |command_type: &str, sku: &str| {
        let value = format!(
            r#"{{"specversion":"1.0","id":"i","source":"s","type":"{command_type}","subject":"{sku}","data":{{}}}}"#
        );
        hash(&Raw { key: None, ..Raw::structured(&value) })
    };
    assert_ne!(of("ab", "c"), of("a", "bc"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Members in any order, spelled either way, with white space and nulls between.
    #[test]
    fn the_order_and_spelling_of_members_do_not_matter(
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        camel in any::<[bool; 7]>(),
        nulls in any::<bool>(),
    ) {
        let members = [
            ("hold_id", "holdId", r#""H1""#),
            ("hold_type", "holdType", r#""QUALITY_HOLD""#),
            ("quantity", "quantity", "50"),
            ("reason", "reason", r#""ä\"""#),
            ("lot_number", "lotNumber", r#""L1""#),
            ("expires_at", "expiresAt", r#""2026-11-02T00:00:00Z""#),
            ("accept_shortfall", "acceptShortfall", "true"),
        ];
        let written: Vec<String> = order
            .iter()
            .map(|at| {
                let (snake, capital, value) = members[*at];
                format!("\"{}\" : {value}", if camel[*at] { capital } else { snake })
            })
            .collect();
        let null = if nulls { r#","nothing":null"# } else { "" };
        let raw = Raw::with("inventory-hold.place", &format!("{{{}{null}}}", written.join(", ")), "");
        let plain: Vec<String> = members.iter().map(|(name, _, value)| format!("\"{name}\":{value}")).collect();
        let one = Raw::with("inventory-hold.place", &format!("{{{}}}", plain.join(",")), "");
        prop_assert_eq!(accepted(&raw), accepted(&one));
    }
}
