//! The fast decoder and the oracle give the same event, or the same reason, on everything.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use super::arbitrary;
use crate::codec::event::{Decoded, Mode, Reason, decode, encode, into_owned, oracle};
use crate::types::Header;

/// A record, as bytes.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) headers: Vec<Header>,
}

/// What both decoders say.
pub(super) fn agreed(raw: &Raw) -> Result<Decoded<'static>, Reason> {
    let key = raw.key.as_deref();
    let fast = decode(key, Some(&raw.value), &raw.headers, 1 << 20);
    let slow = oracle::decode(key, Some(&raw.value), &raw.headers, 1 << 20);
    let shown = String::from_utf8_lossy(&raw.value);
    match (&fast, &slow) {
        (Ok(fast), Ok(slow)) => assert_eq!(fast, slow, "{shown}"),
        (Err(fast), Err(slow)) => assert_eq!(fast.reason, slow.reason, "{fast} / {slow}: {shown}"),
        _ => panic!("{fast:?} / {slow:?}: {shown} {:?}", raw.headers),
    }
    match fast {
        Ok(Decoded::Event(event)) => Ok(Decoded::Event(into_owned(event))),
        Ok(Decoded::Unknown { event_type }) => {
            Ok(Decoded::Unknown { event_type: event_type.into_owned().into() })
        }
        Err(malformed) => Err(malformed.reason),
    }
}

fn camel_case(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (camel_name(name), camel_case(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(camel_case).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

fn camel_name(snake: &str) -> String {
    let mut camel = String::new();
    let mut upper = false;
    for c in snake.chars() {
        if c == '_' {
            upper = true;
        } else {
            camel.extend(if upper { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] });
            upper = false;
        }
    }
    camel
}

/// Takes nested levels apart, as the flat layout has them.
fn flattened(data: &Value) -> Value {
    let mut flat = Map::new();
    for (name, value) in data.as_object().expect("an object") {
        match (name.strip_suffix("_stock_level"), value) {
            (Some(which), Value::Object(level)) => {
                flat.extend(level.iter().map(|(n, v)| (format!("{which}_{n}"), v.clone())));
            }
            _ => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat.into()
}

/// Values that a field may find in its place.
fn intruder() -> impl Strategy<Value = Value> {
    let text = r#"[null, true, 0, -1, 5.0, 5e0, 5.5, -0, 1e400, 1e-400, 9223372036854775807, 9223372036854775808,
        123456789012345678901234567890, "", "5", "2.50", "x", "a\u0000b", "é😀", [], {}, [1], {"a": 1},
        "2026-11-01T12:34:56.123Z", "2026-11-01T23:59:60Z", "2026-11-01t12:34:56z", "application/xml",
        {"quantity_on_hand": 1, "quantity_allocated": 2, "available_to_promise": 3},
        {"quantityOnHand": 1, "quantity_on_hand": 2}, [{"component_sku": "C", "quantity": 1}], {"C": 1.5}]"#;
    let values: Vec<Value> = serde_json::from_str(text).expect("JSON");
    prop_oneof![
        4 => select(values),
        1 => "[0-9]{1,40}".prop_map(Value::String),
        1 => (200..300_usize).prop_map(|n| Value::String("x".repeat(n))),
    ]
}

/// One change to a message.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Index, Value),
    /// The member again, under the same or another name.
    Again(Index, Option<&'static str>, Value),
    Camel,
    Flat,
    Base64,
    Reordered,
}

fn change() -> impl Strategy<Value = Change> {
    let names = select(vec![
        "x",
        "sku",
        "kit_sku",
        "kitSku",
        "id",
        "data",
        "data_base64",
        "newQuantityOnHand",
        "changeType",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), intruder()).prop_map(|(at, value)| Change::Replace(at, value)),
        (any::<Index>(), prop::option::of(names), intruder())
            .prop_map(|(at, name, value)| Change::Again(at, name, value)),
        Just(Change::Camel),
        Just(Change::Flat),
        Just(Change::Base64),
        Just(Change::Reordered),
    ]
}

/// Objects of a message whose members may change: the message, its data, what is nested there.
fn objects(value: &mut Value) -> Vec<&mut Map<String, Value>> {
    // Two passes, since a member cannot be borrowed beside its object.
    let mut paths = vec![String::new()];
    fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
        if let Value::Object(members) = value {
            for (name, value) in members {
                if value.is_object() {
                    let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                    paths.push(path.clone());
                    collect(value, &path, paths);
                }
            }
        }
    }
    collect(value, "", &mut paths);
    let chosen = paths.len() - 1;
    let path = paths.swap_remove(chosen);
    value.pointer_mut(&path).and_then(Value::as_object_mut).into_iter().collect()
}

fn apply(change: &Change, message: &mut Value) {
    if let Change::Camel | Change::Flat | Change::Base64 = change {
        let Some(data) = message.get("data").filter(|data| data.is_object()).cloned() else { return };
        match change {
            Change::Camel => message["data"] = camel_case(&data),
            Change::Flat => message["data"] = flattened(&data),
            _ => {
                use base64::Engine as _;
                let encoded = base64::prelude::BASE64_STANDARD.encode(data.to_string());
                message.as_object_mut().expect("an object").remove("data");
                message["data_base64"] = Value::String(encoded);
            }
        }
        return;
    }
    let (Change::Remove(at) | Change::Replace(at, _) | Change::Again(at, _, _)) = change else { return };
    // An even index changes the innermost object, an odd one the data, every fifth the message.
    let seed = at.index(usize::MAX);
    let object = if seed % 5 == 0 {
        message.as_object_mut()
    } else if seed % 2 == 0 {
        objects(message).pop()
    } else {
        message.get_mut("data").and_then(Value::as_object_mut)
    };
    let Some(object) = object else { return };
    if object.is_empty() {
        return;
    }
    let name = object.keys().nth(at.index(object.len())).expect("a member").clone();
    match change {
        Change::Remove(_) => drop(object.remove(&name)),
        Change::Replace(_, value) => drop(object.insert(name, value.clone())),
        Change::Again(_, other, value) => {
            let name = other.map_or_else(|| camel_name(&name), str::to_owned);
            object.insert(name, value.clone());
        }
        _ => {}
    }
}

/// One change to bytes.
fn scribble() -> impl Strategy<Value = (Index, u8, Vec<u8>)> {
    let piece = prop_oneof![
        select(vec![
            &b"\""[..],
            b"\\",
            b",",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b"0",
            b"-",
            b".5",
            b"e9",
            b"\\u0041",
            b"\\ud800",
            b"null",
            b"\0",
            b"\xff",
            b"\xc3",
            b"\xef\xbb\xbf",
            b" ",
            b"\t",
            b"\"id\":\"x\",",
            b"\"sku\":\"y\",",
            b"true",
        ])
        .prop_map(<[u8]>::to_vec),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<Index>(), 0..4_u8, piece)
}

fn scribbled(bytes: &mut Vec<u8>, (at, how, piece): &(Index, u8, Vec<u8>)) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match how {
        0 => drop(bytes.splice(at..at, piece.iter().copied())),
        1 => drop(bytes.splice(at..at + 1, piece.iter().copied())),
        2 => drop(bytes.remove(at)),
        _ => bytes.truncate(at),
    }
}

/// Members in another order than the sorted one: attributes first, as writers have it, `data` last.
fn reordered(message: &Value) -> String {
    let Some(members) = message.as_object() else { return message.to_string() };
    let mut text = String::from("{");
    let (data, attributes): (Vec<_>, Vec<_>) =
        members.iter().rev().partition(|(name, _)| name.starts_with("data"));
    for (i, (name, value)) in attributes.into_iter().chain(data).enumerate() {
        let comma = if i > 0 { " ," } else { "" };
        write!(text, "{comma}{} : {value}", Value::String(name.clone())).expect("a string");
    }
    text + "\n}"
}

fn raw() -> impl Strategy<Value = Raw> {
    let changes = prop::collection::vec(change(), 0..4);
    let scribbles = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(scribble(), 1..4)];
    let key = prop_oneof![
        4 => Just(None),
        1 => select(vec![Some(vec![]), Some(b"SKU-1".to_vec()), Some(vec![0xff])]).prop_map(Some),
        1 => Just(Some(None)),
    ];
    let mode = select(vec![Mode::Structured, Mode::Binary]);
    (arbitrary::event(), mode, changes, scribbles, key).prop_map(|(event, mode, changes, scribbles, key)| {
        let mut encoded = encode(&event, mode);
        let is_reordered = changes.iter().any(|change| matches!(change, Change::Reordered));
        if !changes.is_empty() {
            let value: Value = serde_json::from_slice(&encoded.value).expect("JSON");
            let mut message = match mode {
                Mode::Structured => value,
                Mode::Binary => serde_json::json!({ "data": value }),
            };
            for change in &changes {
                apply(change, &mut message);
            }
            let body =
                if mode == Mode::Binary { message.get("data").cloned().unwrap_or_default() } else { message };
            encoded.value = if is_reordered { reordered(&body) } else { body.to_string() }.into_bytes();
        }
        for (i, how) in scribbles.iter().enumerate() {
            let headers = encoded.headers.len();
            match encoded.headers.get_mut(how.0.index(headers)) {
                // Every other one goes into a header.
                Some(header) if i % 2 == 1 => match how.1 {
                    0 => header.value = None,
                    1 => header.name.push('x'),
                    _ => scribbled(header.value.get_or_insert_default(), how),
                },
                _ => scribbled(&mut encoded.value, how),
            }
        }
        let key = key.unwrap_or_else(|| Some(event.envelope.sku.as_bytes().to_vec()));
        Raw { key, value: encoded.value, headers: encoded.headers }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn both_decoders_give_one_answer(raw in raw()) {
        let _ = agreed(&raw);
    }

    #[test]
    fn any_bytes_are_answered_alike(value in prop::collection::vec(any::<u8>(), 0..40), json in "[\\[\\]{}\":,0-9eE+\\-.ntfu\\\\ a]{0,24}") {
        let headers = vec![Header::new("content-type", "application/cloudevents+json")];
        for value in [value, json.into_bytes()] {
            let _ = agreed(&Raw { key: None, value, headers: headers.clone() });
        }
    }
}

/// The property above is worth something only if its records fail in many ways, and often do not.
#[test]
fn the_generated_records_are_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut sound = 0;
    let mut reasons = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        match agreed(&raw().new_tree(&mut runner).expect("a record").current()) {
            Ok(_) => sound += 1,
            Err(reason) => *reasons.entry(reason).or_insert(0) += 1,
        }
    }
    assert!(sound > 600, "{sound} sound ones");
    for reason in [
        Reason::DisagreeingSku,
        Reason::InvalidSku,
        Reason::InvalidUtf8,
        Reason::InvalidJson,
        Reason::RepeatedKey,
        Reason::MissingField,
        Reason::InvalidField,
        Reason::InvalidQuantity,
        Reason::SpecVersion,
        Reason::InvalidTime,
    ] {
        assert!(reasons.get(&reason).is_some_and(|count| *count > 0), "{reason}: {reasons:?}");
    }
}
