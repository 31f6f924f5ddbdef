//! Records as the topic has them, in every type, layout and mode, with what they are taken to mean:
//! `tests/golden/events`.
//!
//! A file holds `about`, the record (`key`, `headers`, `value`) and `is`: the canonical `type` and `data`, and
//! extensions where the record has any; or `unknown`, the type that is passed over.

use std::path::Path;

use serde_json::Value;

use super::agreement::{Raw, agreed};
use crate::codec::event::{Decoded, Mode, encode};
use crate::domain::event::{Event, Fact};
use crate::types::Header;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Name and content of every golden file.
fn files() -> Vec<(String, Value)> {
    let directory = root().join("tests/golden/events");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("the golden files")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a file");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

fn record(file: &Value) -> Raw {
    let headers = file["headers"].as_object().expect("headers").iter().map(|(name, value)| Header {
        name: name.clone(),
        value: value.as_str().map(|text| text.as_bytes().to_vec()),
    });
    Raw {
        key: file["key"].as_str().map(|key| key.as_bytes().to_vec()),
        value: file["value"].to_string().into_bytes(),
        headers: headers.collect(),
    }
}

fn decoded(name: &str, file: &Value) -> Event<'static> {
    match agreed(&record(file)) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("{name}: {other:?}"),
    }
}

fn canonical(event: &Event<'_>) -> Value {
    serde_json::from_slice(&encode(event, Mode::Structured).value).expect("JSON")
}

#[test]
fn every_golden_record_means_what_stands_beside_it() {
    let files = files();
    assert!(files.len() >= 56, "{} files", files.len());
    for (name, file) in &files {
        if let Some(unknown) = file["is"]["unknown"].as_str() {
            assert_eq!(agreed(&record(file)), Ok(Decoded::Unknown { event_type: unknown.into() }), "{name}");
            continue;
        }
        let found = canonical(&decoded(name, file));
        assert_eq!(found["data"], file["is"]["data"], "{name}");
        assert_eq!(found["type"], file["is"]["type"], "{name}");
        assert_eq!((&found["id"], &found["subject"]), (&"e-1".into(), &"SKU-1".into()), "{name}");
        assert_eq!(
            (&found["source"], &found["time"]),
            (&"/wms".into(), &"2026-11-01T12:34:56.123Z".into()),
            "{name}"
        );
        let extensions = file["is"]["envelope"].as_object().cloned().unwrap_or_default();
        for name in ["sequence", "basedon", "causationid", "causationsource", "correlationid", "traceparent"]
        {
            assert_eq!(found.get(name), extensions.get(name), "{name}");
        }
    }
}

#[test]
fn every_type_has_its_golden_files() {
    let files = files();
    let mut kinds = std::collections::BTreeSet::new();
    for (name, file) in files.iter().filter(|(name, _)| name != "unknown-type.json") {
        kinds.insert(decoded(name, file).fact.type_name());
    }
    assert_eq!(kinds.len(), 15);
    for kind in kinds {
        for form in ["structured", "camel", "binary"] {
            let wanted = format!("{kind}.{form}.json");
            assert!(files.iter().any(|(name, _)| *name == wanted), "{wanted} is missing");
        }
    }
}

/// The schemas are for other services; what we write has to hold to them, and they have to refuse something.
#[test]
fn what_is_written_holds_to_the_published_schemas() {
    for (name, file) in files().iter().filter(|(name, _)| name.ends_with(".structured.json")) {
        let event = decoded(name, file);
        let path = root().join("docs/schemas").join(format!("{}.json", event.fact.type_name()));
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("a schema")).expect("JSON");
        assert!(jsonschema::meta::is_valid(&schema), "{name}: the schema is no schema");
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let data = canonical(&event)["data"].clone();
        let errors: Vec<_> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");

        let members = data.as_object().expect("an object");
        for required in schema["required"].as_array().expect("required fields") {
            let mut less = members.clone();
            less.remove(required.as_str().expect("a name")).expect("what is required is written");
            assert!(!validator.is_valid(&less.into()), "{name} without {required}");
        }
        for written in members.keys() {
            assert!(schema["properties"].get(written).is_some(), "{name}: {written} is in no schema");
            let mut wrong = members.clone();
            wrong.insert(written.clone(), serde_json::json!([true]));
            assert!(!validator.is_valid(&wrong.into()), "{name} with another {written}");
        }
        // What a reader asks for is what the schema asks for, but for the SKU, which is the subject too.
        for required in schema["required"].as_array().expect("required fields") {
            let required = required.as_str().expect("a name");
            if required == "sku" || required == "kit_sku" || required == "previous_class" {
                continue;
            }
            let mut less = file.clone();
            less["value"]["data"].as_object_mut().expect("data").remove(required);
            assert_eq!(
                agreed(&record(&less)),
                Err(crate::codec::event::Reason::MissingField),
                "{name}: {required}"
            );
        }
    }
}

#[test]
fn a_minimal_level_change_says_nothing_of_allocation() {
    let files = files();
    let (name, file) =
        files.iter().find(|(name, _)| name == "product-stock.level-changed.minimal.json").expect("the file");
    let Fact::LevelChanged(fact) = decoded(name, file).fact else { panic!("{name}") };
    assert_eq!((fact.previous.on_hand, fact.new.on_hand), (100, 90));
    assert_eq!((fact.new.allocated, fact.new.available_to_promise), (None, None));
}
