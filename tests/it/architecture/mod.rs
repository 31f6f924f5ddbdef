//! Holds the module table of ARCHITECTURE.md: who may use whom, which crates stay behind one door, and that
//! a file stays one idea.

mod source;
mod tokens;

use std::path::Path;

use source::{Source, production};

/// A module and what it may use beside itself and the leaves.
const TABLE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("domain", &["types"]),
    ("codec", &["types", "domain"]),
    ("log", &["types"]),
    // Of the domain only its rows.
    ("store", &["types", "codec", "domain::rows"]),
    ("projector", &["types", "domain", "codec", "log", "store"]),
    ("commands", &["types", "domain", "codec"]),
    ("snapshots", &["types", "codec", "log", "store"]),
    ("lane", &["types", "domain", "codec", "log", "store", "projector", "commands", "snapshots"]),
    ("jobs", &["types", "domain", "codec", "log", "store", "projector", "commands", "snapshots", "lane"]),
    ("letters", &["types", "codec", "log", "store", "projector"]),
    ("query", &["types", "domain", "codec", "store"]),
    ("generator", &["types", "domain", "codec"]),
    ("http", &["types", "codec", "query", "lane", "jobs", "log", "letters"]),
    (
        "cli",
        &[
            "types",
            "domain",
            "codec",
            "log",
            "store",
            "projector",
            "commands",
            "snapshots",
            "lane",
            "jobs",
            "letters",
            "query",
            "generator",
            "http",
        ],
    ),
    ("config", &[]),
    ("failpoint", &[]),
    ("metrics", &[]),
];

/// Leaves that anyone may use.
const LEAVES: [&str; 3] = ["config", "failpoint", "metrics"];
/// They know of no leaf either: settings and metrics are for what runs.
const WITHOUT_LEAVES: [&str; 3] = ["types", "domain", "codec"];

/// A crate and the only files or folders that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("rdkafka", &["src/log/kafka"]),
    ("rdkafka_sys", &["src/log/kafka"]),
    ("rocksdb", &["src/log/embedded", "src/store"]),
    ("cloudevents", &["src/codec"]),
    ("object_store", &["src/snapshots/archive"]),
];

/// The crate that writes our bytes, named in one file.
const WIRE_FORMAT: &str = "wincode";

/// Lines of a file without its tests.
const MAX_LINES: usize = 400;

fn sources() -> Vec<Source> {
    production(Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn none(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// What a file does that the table does not allow.
fn trespasses(source: &Source) -> Vec<String> {
    let file = source.path.display();
    // The root declares the modules and uses none; the binary hands over to the command line.
    let Some(from) = source.module.first() else { return Vec::new() };
    let Some((_, allowed)) = TABLE.iter().find(|(module, _)| module == from) else {
        return vec![format!("{file}:1: module `{from}` is not in the table")];
    };
    let may = |path: &[String]| {
        let Some(to) = path.first() else { return false };
        let leaf = LEAVES.contains(&to.as_str()) && !WITHOUT_LEAVES.contains(&from.as_str());
        let whole = path.join("::");
        let named = |allowed: &&str| whole == **allowed || whole.starts_with(&format!("{allowed}::"));
        to == from || leaf || allowed.iter().any(named)
    };
    let used = source.used();
    let refused = used.iter().filter(|used| !may(&used.path));
    refused
        .map(|used| format!("{file}:{}: `{from}` must not use `{}`", used.line, used.path.join("::")))
        .collect()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    none(&sources().iter().flat_map(trespasses).collect::<Vec<_>>());
}

#[test]
fn a_trespass_is_named_with_its_line() {
    let find = |path: &str, text: &str| trespasses(&Source::new(path.into(), text));
    let line = "\nuse crate::store::StoreReader;\n";
    assert_eq!(
        find("src/domain/rows.rs", line),
        ["src/domain/rows.rs:2: `domain` must not use `store::StoreReader`"]
    );
    assert_eq!(find("src/query/views.rs", line), Vec::<String>::new());
    assert_eq!(find("src/domain/rows.rs", "use super::super::metrics::NAME;").len(), 1);
    assert_eq!(find("src/log/mod.rs", "use crate::metrics::NAME;").len(), 0);
    assert_eq!(find("src/store/mod.rs", "use crate::domain::rows::Entry;").len(), 0);
    assert_eq!(find("src/store/mod.rs", "use crate::domain::evolve;").len(), 1);
    assert_eq!(find("src/store/mod.rs", "use crate::*;").len(), 1);
    assert_eq!(find("src/newcomer.rs", "").len(), 1);
}

#[test]
fn crates_stay_behind_their_doors() {
    let mut failures = Vec::new();
    for source in sources() {
        for (name, doors) in DOORS {
            if !doors.iter().any(|door| source.path.starts_with(door)) {
                let lines = source.names_crate(name);
                let file = source.path.display();
                failures
                    .extend(lines.iter().map(|line| format!("{file}:{line}: `{name}` belongs in {doors:?}")));
            }
        }
    }
    none(&failures);
}

#[test]
fn one_file_names_the_wire_format() {
    let naming: Vec<_> =
        sources().iter().filter(|s| !s.names_crate(WIRE_FORMAT).is_empty()).map(|s| s.path.clone()).collect();
    assert_eq!(naming.len(), 1, "`{WIRE_FORMAT}` is named in {naming:?}");
}

#[test]
fn a_file_is_one_idea() {
    let too_long = |source: &Source| {
        let lines = source.production_lines();
        (lines > MAX_LINES).then(|| {
            format!("{}:{MAX_LINES}: {lines} lines without tests, {MAX_LINES} at most", source.path.display())
        })
    };
    none(&sources().iter().filter_map(too_long).collect::<Vec<_>>());
}
