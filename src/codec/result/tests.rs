//! Round trips, golden records (`tests/golden/results`) and hostile ones.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::codec::event::Reason;
use crate::domain::command::RefusalCode;
use crate::types::{Offset, Partition};

const MAX_BYTES: usize = 1 << 20;

fn accepted() -> Outcome {
    Outcome {
        sku: Sku::new("SKU-1").expect("a SKU"),
        command_source: "/shop".into(),
        command_id: "cmd-1".into(),
        command_type: format!("{TYPE_PREFIX}product-stock.receive").into(),
        command_hash: CommandHash(std::array::from_fn(|i| i as u8)),
        command_position: Position { partition: Partition(3), offset: Offset(42) },
        version: Version(7),
        verdict: Verdict::Accepted {
            event_ids: vec![Uuid::from_bytes([0x11; 16]), Uuid::from_bytes([0x22; 16])],
        },
    }
}

fn rejected() -> Outcome {
    let refusal = Refusal::new(RefusalCode::InsufficientStock, "5 units were asked for, 3 are there: \"x\"")
        .with_number("requested", 5)
        .with_number("available", i128::from(i64::MAX) + 1)
        .with_text("of", "units")
        .with_texts("allowed", &["A", "B"]);
    Outcome { verdict: refusal.into(), version: Version(u64::MAX), ..accepted() }
}

fn encoded(outcome: &Outcome) -> Encoded {
    let time = "2026-11-01T12:34:56.123Z".parse().expect("a time");
    encode(outcome, "inventory-store", Uuid::from_bytes([0x33; 16]), time, Some("c-1"), Some("t-1"))
}

fn again(encoded: &Encoded) -> Result<Outcome, crate::codec::event::Malformed> {
    decode(Some(b"SKU-1"), Some(&encoded.value), &encoded.headers, MAX_BYTES)
}

#[test]
fn golden_results() {
    for (outcome, golden) in [
        (accepted(), include_str!("../../../tests/golden/results/accepted.json")),
        (rejected(), include_str!("../../../tests/golden/results/rejected.json")),
    ] {
        let golden: Value = serde_json::from_str(golden).expect("JSON");
        let encoded = encoded(&outcome);
        let value: Value = serde_json::from_slice(&encoded.value).expect("JSON");
        assert_eq!(value, golden["value"]);
        assert_eq!(data(&outcome), golden["value"]["data"], "over HTTP the same data");
        let headers: serde_json::Map<_, _> = encoded
            .headers
            .iter()
            .map(|header| {
                let text = String::from_utf8(header.value.clone().expect("a value")).expect("UTF-8");
                (header.name.clone(), text.into())
            })
            .collect();
        assert_eq!(Value::Object(headers), golden["headers"]);
        let bytes = golden["value"].to_string();
        assert_eq!(decode(None, Some(bytes.as_bytes()), &encoded.headers, MAX_BYTES), Ok(outcome.clone()));
        assert_eq!(again(&encoded), Ok(outcome));
    }
}

#[test]
fn every_refusal_becomes_a_verdict_with_its_details() {
    for code in RefusalCode::ALL {
        let Verdict::Rejected { code: name, message, details } =
            Verdict::from(Refusal::new(code, "m").with_number("n", i128::MIN))
        else {
            panic!("{code}")
        };
        assert_eq!((&*name, &*message), (code.name(), "m"));
        assert_eq!(details.to_string(), format!("{{\"n\":{}}}", i128::MIN), "digit by digit");
    }
}

#[test]
fn what_is_no_result_is_malformed() {
    let reason = |change: fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&encoded(&rejected()).value).expect("JSON");
        change(&mut value);
        let bytes = value.to_string();
        decode(Some(b"SKU-1"), Some(bytes.as_bytes()), &encoded(&rejected()).headers, MAX_BYTES)
            .map_err(|malformed| malformed.reason)
    };
    assert_eq!(reason(|_| {}), Ok(rejected()));
    assert_eq!(
        reason(|value| value["data"]["newer"] = json!(1)),
        Ok(rejected()),
        "newer members are passed over"
    );
    for (change, expected) in [
        ((|value| value["type"] = json!("other")) as fn(&mut Value), Reason::InvalidField),
        (|value| value["type"] = json!(format!("{TYPE_PREFIX}command.accepted")), Reason::InvalidField),
        (|value| value["subject"] = json!("SKU-2"), Reason::DisagreeingSku),
        (|value| value["data"]["sku"] = json!("SKU-2"), Reason::DisagreeingSku),
        (|value| value["data"]["command_hash"] = json!("00"), Reason::InvalidField),
        (|value| value["data"]["command_hash"] = json!("Z".repeat(64)), Reason::InvalidField),
        (|value| value["data"]["command_position"] = json!("3"), Reason::InvalidField),
        (|value| value["data"]["version"] = json!(-1), Reason::InvalidField),
        (|value| value["data"]["event_ids"] = json!(["x"]), Reason::InvalidField),
        (|value| value["data"]["details"] = json!([]), Reason::InvalidField),
        (|value| drop(value["data"].as_object_mut().expect("data").remove("code")), Reason::MissingField),
        (
            |value| drop(value["data"].as_object_mut().expect("data").remove("command_id")),
            Reason::MissingField,
        ),
        (|value| value["data"] = json!([]), Reason::InvalidField),
        (|value| value["data"]["version"] = json!(null), Reason::MissingField),
        (|value| value["data"]["version"] = json!(1.5), Reason::InvalidField),
        (|value| drop(value.as_object_mut().expect("value").remove("data")), Reason::MissingField),
    ] {
        assert_eq!(reason(change), Err(expected));
    }
    let twice = String::from_utf8(encoded(&accepted()).value).expect("UTF-8");
    let twice = twice.replace(r#""sku":"#, r#""sku":"SKU-1","sku":"#);
    let twice = decode(None, Some(twice.as_bytes()), &encoded(&accepted()).headers, MAX_BYTES);
    assert_eq!(twice.map_err(|malformed| malformed.reason), Err(Reason::RepeatedKey));
    let none = decode(None, None, &encoded(&accepted()).headers, MAX_BYTES);
    assert_eq!(none.map_err(|malformed| malformed.reason), Err(Reason::NullValue));
}

proptest! {
    #[test]
    fn outcomes_round_trip(
        (source, id, kind, message) in (".{1,20}", ".{1,20}", ".{1,20}", any::<String>()),
        (hash, partition, offset, version) in (any::<[u8; 32]>(), any::<u16>(), any::<u64>(), any::<u64>()),
        ids in prop::collection::vec(any::<[u8; 16]>(), 0..4),
        refused in any::<bool>(),
        numbers in prop::collection::btree_map("[a-z_]{1,9}", any::<i128>(), 0..4),
    ) {
        let verdict = if refused {
            let details = numbers.into_iter().map(|(name, number)| {
                (name, Value::Number(number.to_string().parse().expect("a number")))
            });
            Verdict::Rejected {
                code: "NEWER_CODE".into(),
                message: message.into(),
                details: Value::Object(details.collect()),
            }
        } else {
            Verdict::Accepted { event_ids: ids.into_iter().map(Uuid::from_bytes).collect() }
        };
        let outcome = Outcome {
            command_source: source.into(),
            command_id: id.into(),
            command_type: kind.into(),
            command_hash: CommandHash(hash),
            command_position: Position { partition: Partition(partition), offset: Offset(offset) },
            version: Version(version),
            verdict,
            ..accepted()
        };
        prop_assert_eq!(again(&encoded(&outcome)), Ok(outcome));
    }

    #[test]
    fn mutated_results_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut encoded = encoded(&rejected());
        for (at, byte) in changes {
            let at = at.index(encoded.value.len());
            encoded.value[at] = byte;
        }
        let _ = again(&encoded);
        encoded.value.truncate(cut.index(encoded.value.len()));
        prop_assert!(again(&encoded).is_err());
    }
}
