//! Records as the topic has them, every command in both modes and both spellings: `tests/golden/commands`.
//! Canonical data and hash beside them were worked out by another program, from the documentation alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::*;

/// Name and content of every golden file.
fn files() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/commands");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a file");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        (name, serde_json::from_str(&text).expect("JSON"))
    };
    std::fs::read_dir(&directory).expect("the golden files").map(read).collect()
}

pub(super) fn records() -> Vec<(String, Raw)> {
    files().iter().map(|(name, file)| (name.clone(), record(file))).collect()
}

fn record(file: &Value) -> Raw {
    let headers = file["headers"].as_object().expect("headers").iter();
    Raw {
        key: file["key"].as_str().map(|key| key.as_bytes().to_vec()),
        value: Some(file["value"].to_string().into_bytes()),
        headers: headers
            .map(|(name, value)| Header::new(name.as_str(), value.as_str().expect("a header")))
            .collect(),
    }
}

#[test]
fn every_golden_record_is_read_and_hashed_as_documented() {
    let files = files();
    for (name, file) in &files {
        let (command, hash) = accepted(&record(file));
        assert_eq!(Some(hash.to_string().as_str()), file["is"]["hash"].as_str(), "{name}");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(name.starts_with(command.request.type_name()), "{name}");

        let data = if name.ends_with(".binary") { &file["value"] } else { &file["value"]["data"] };
        let text = data.to_string();
        let mut data = Json::parse(&text).expect("JSON");
        names::normalise(command.request.type_name(), &mut data).expect("sound names");
        let mut canonical = Vec::new();
        data.write(&mut canonical);
        assert_eq!(std::str::from_utf8(&canonical).ok(), file["is"]["canonical"].as_str(), "{name}");

        assert_eq!(
            command.envelope,
            CommandEnvelope {
                sku: Sku::new("SKU-1").expect("a SKU"),
                source: "/shop".into(),
                id: "cmd-1".into(),
                expected_version: Some(6),
                expiry_time: Some("2026-11-01T12:35:56Z".parse().expect("a time")),
                correlation_id: Some("c-1".into()),
                trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            },
            "{name}"
        );
    }
}

#[test]
fn every_command_has_its_golden_files_which_mean_the_same() {
    let files = files();
    for name in Request::TYPE_NAMES {
        let [structured, camel, binary] = ["structured", "camel", "binary"]
            .map(|form| accepted(&record(&files[&format!("{name}.{form}")])));
        assert_eq!(structured, camel, "{name}");
        assert_eq!(structured, binary, "{name}");
    }
    let names: BTreeSet<_> = files.keys().filter_map(|name| name.rsplit_once('.')).map(|(n, _)| n).collect();
    assert_eq!(names.len(), Request::TYPE_NAMES.len());
}

#[test]
fn what_is_put_together_is_read_again() {
    for (name, file) in files().iter().filter(|(name, _)| name.ends_with(".structured")) {
        let (command, hash) = accepted(&record(file));
        let envelope = &command.envelope;
        let encoded = encode(&Draft {
            name: command.request.type_name(),
            sku: &envelope.sku,
            source: &envelope.source,
            id: &envelope.id,
            time: Some("2026-11-01T12:34:56.123Z".parse().expect("a time")),
            expected_version: envelope.expected_version,
            expiry_time: envelope.expiry_time,
            correlation_id: envelope.correlation_id.as_deref(),
            trace_parent: envelope.trace_parent.as_deref(),
            data: &file["value"]["data"],
        });
        let value: Value = serde_json::from_slice(&encoded.value).expect("JSON");
        assert_eq!(value, file["value"], "{name}");
        let again = Raw { key: None, value: Some(encoded.value), headers: encoded.headers };
        assert_eq!(accepted(&again), (command, hash), "{name}");
    }
}

/// The schemas are for those who send: what they ask for is what is read.
#[test]
fn the_schemas_ask_for_what_is_read() {
    for (name, file) in files().iter().filter(|(name, _)| name.ends_with(".structured")) {
        let (command, _) = accepted(&record(file));
        let command_name = command.request.type_name();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{command_name}.json"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        assert!(jsonschema::meta::is_valid(&schema), "{name}: the schema is no schema");
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let data = &file["value"]["data"];
        let errors: Vec<_> = validator.iter_errors(data).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");

        let members = data.as_object().expect("an object");
        for member in members.keys() {
            let properties = schema["properties"].as_object().expect("properties");
            assert!(properties.contains_key(member), "{name}: {member} is in no schema");
            let mut wrong = file.clone();
            wrong["value"]["data"][member] = serde_json::json!([true]);
            assert!(!validator.is_valid(&wrong["value"]["data"]), "{name} with another {member}");
            assert!(fault(&record(&wrong)).starts_with(member), "{name} with another {member}");

            let mut less = file.clone();
            less["value"]["data"].as_object_mut().expect("data").remove(member);
            let is_read = record(&less).decode().expect("a record that can be answered").command.is_ok();
            assert_eq!(is_read, validator.is_valid(&less["value"]["data"]), "{name} without {member}");
        }
        for property in schema["properties"].as_object().expect("properties").keys() {
            assert!(
                members.contains_key(property) || property == "sku",
                "{name}: the golden record says nothing of {property}"
            );
        }
    }
}
