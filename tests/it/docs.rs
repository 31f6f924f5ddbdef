//! The pages under docs/ that are written from the code stay true to it.

use std::collections::BTreeMap;
use std::path::Path;

use inventory_store::config::{Setting, Sources};
use inventory_store::{cli, metrics};

/// Compares a page with what the code says; `INVENTORY_STORE_WRITE_DOCS=1` writes it instead.
fn holds(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("INVENTORY_STORE_WRITE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("the page is written");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, (found, wanted))) = found
        .lines()
        .chain(std::iter::repeat(""))
        .zip(wanted.lines())
        .enumerate()
        .find(|(_, (found, wanted))| found != wanted)
    {
        panic!(
            "docs/{page} line {}: has {found:?}, the code says {wanted:?}; run the test with INVENTORY_STORE_WRITE_DOCS=1",
            number + 1
        );
    }
    assert_eq!(
        found.lines().count(),
        wanted.lines().count(),
        "docs/{page} has lines that the code does not say"
    );
}

#[test]
fn metrics_page_is_what_the_constants_say() {
    holds("metrics.md", &metrics::documentation());
}

#[test]
fn command_line_page_is_the_help_of_every_verb() {
    holds("cli.md", &cli::documentation());
}

#[test]
fn configuration_page_is_what_the_sections_say() {
    holds("configuration.md", &configuration());
}

/// Each table of settings, the file of its struct, and the struct.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("archive", "archive.rs", "ArchiveConfig"),
    ("contract", "contract.rs", "ContractConfig"),
    ("dedupe", "dedupe.rs", "DedupeConfig"),
    ("http", "http.rs", "HttpConfig"),
    ("kafka", "kafka/mod.rs", "KafkaConfig"),
    ("kafka.consumer", "kafka/mod.rs", "ConsumerConfig"),
    ("kafka.producer", "kafka/mod.rs", "ProducerConfig"),
    ("kafka.security", "kafka/security.rs", "SecurityConfig"),
    ("kafka.topics", "kafka/topics.rs", "TopicsConfig"),
    ("kafka.transactions", "kafka/mod.rs", "TransactionConfig"),
    ("lane", "lane.rs", "LaneConfig"),
    ("log", "log.rs", "LogConfig"),
    ("log.retention", "log.rs", "Retention"),
    ("memory", "store.rs", "MemoryConfig"),
    ("snapshot", "snapshot.rs", "SnapshotConfig"),
    ("store", "store.rs", "StoreConfig"),
    ("telemetry", "telemetry.rs", "TelemetryConfig"),
];

const HEAD: &str = "\
# Configuration

Layers, the later one winning setting by setting: defaults, then the files named by `--config` (TOML; repeatable, or
`INVENTORY_STORE_CONFIG` for one), then the environment, then flags. No file is read unless it is named, so a verb
does the same in every directory. The files under `config/` are examples to start from.

- `INVENTORY_STORE__SECTION__KEY` sets `section.key`; a further table is a further `__`
  (`INVENTORY_STORE__LOG__RETENTION__EVENTS_HOURS`). In a table of librdkafka's properties `_` stands for `.`:
  `INVENTORY_STORE__KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS` sets `socket.timeout.ms`.
- `KAFKA_BOOTSTRAP_SERVERS` sets `kafka.bootstrap_servers`, below `INVENTORY_STORE__KAFKA__BOOTSTRAP_SERVERS`; empty = not set.
- A size may be written `64KiB`, `512MiB`, `1GiB`; a list in the environment `a,b`.
- An unknown key is refused, with the file or variable it stands in and the key that was probably meant.
- `inventory-store config show` prints every setting in force and where it came from, secrets masked;
  `inventory-store config check` lists everything that is wrong, with status 2.

This page is written from the structs in `src/config`; a test holds the two together (`INVENTORY_STORE_WRITE_DOCS=1` rewrites it).
";

fn configuration() -> String {
    let loaded = Sources::default().load().expect("the defaults are valid");
    let settings = loaded.settings();
    let mut page = String::from(HEAD);
    for (section, file, name) in SECTIONS {
        let docs = docs_of(file, name);
        page.push_str(&format!("\n## `[{section}]`\n\n| key | default | meaning |\n|---|---|---|\n"));
        for setting in settings.iter().filter(|setting| setting.section == *section) {
            let doc = docs.get(&setting.name).unwrap_or_else(|| panic!("{name}.{} has no doc", setting.name));
            let default = setting.value.as_ref().map_or("not set".to_owned(), |value| format!("`{value}`"));
            page.push_str(&format!("| `{}` | {default} | {} |\n", setting.name, doc.replace('|', "\\|")));
        }
        for open in ["options", "properties"] {
            if let Some(doc) = docs.get(open) {
                page.push_str(&format!("| `{open}` | none | {doc} |\n"));
            }
        }
    }
    let documented = |setting: &Setting| SECTIONS.iter().any(|(section, ..)| *section == setting.section);
    let missing: Vec<&str> = settings.iter().filter(|s| !documented(s)).map(|s| s.key.as_str()).collect();
    assert!(missing.is_empty(), "settings of a section that this page does not know: {missing:?}");
    page
}

/// The doc comment of each public field of a struct; what it says of the default stands in a column of its own.
fn docs_of(file: &str, name: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let begin = format!("pub struct {name} {{");
    let body = text.split(&begin).nth(1).unwrap_or_else(|| panic!("{file} has no {name}"));
    let mut docs = BTreeMap::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim).take_while(|line| *line != "}") {
        if let Some(comment) = line.strip_prefix("///") {
            doc.push(comment.trim());
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':')) {
            docs.insert(field.to_owned(), std::mem::take(&mut doc).join(" "));
        }
    }
    docs
}
