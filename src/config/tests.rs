use std::path::PathBuf;

use super::*;

struct Given {
    directory: tempfile::TempDir,
    sources: Sources,
}

fn given() -> Given {
    Given { directory: tempfile::tempdir().expect("a directory"), sources: Sources::default() }
}

impl Given {
    fn file(mut self, text: &str) -> Self {
        let path: PathBuf = self.directory.path().join(format!("{}.toml", self.sources.files.len()));
        std::fs::write(&path, text).expect("a file");
        self.sources.files.push(path);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.sources.flags.push(Flag { flag: "--flag", key, value: value.to_owned() });
        self
    }

    fn loaded(&self) -> Loaded {
        self.sources.load().unwrap_or_else(|e| panic!("{e}"))
    }

    fn problems(&self) -> Vec<String> {
        self.sources.load().expect_err("problems").problems
    }
}

fn setting(loaded: &Loaded, key: &str) -> Setting {
    loaded.settings().into_iter().find(|s| s.key == key).unwrap_or_else(|| panic!("{key} is not shown"))
}

#[test]
fn the_defaults_are_in_force_and_valid_without_any_source() {
    let loaded = given().loaded();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.settings().iter().all(|s| s.from == "default"), "{:?}", loaded.settings());
}

#[test]
fn each_layer_wins_over_the_ones_before_and_show_says_which_did() {
    const KEY: &str = "telemetry.level";
    let file = "[telemetry]\nlevel = \"warn\"";
    let one = given().file(file);
    assert_eq!(setting(&one.loaded(), KEY).from, format!("file {}", one.sources.files[0].display()));
    let two = one.file("[telemetry]\nlevel = \"error\"");
    assert_eq!(two.loaded().config.telemetry.level, "error");
    let three = two.variable("INVENTORY_STORE__TELEMETRY__LEVEL", "debug");
    assert_eq!(three.loaded().config.telemetry.level, "debug");
    assert_eq!(setting(&three.loaded(), KEY).from, "environment INVENTORY_STORE__TELEMETRY__LEVEL");
    let four = three.flag(KEY, "trace");
    let shown = setting(&four.loaded(), KEY);
    assert_eq!((shown.value.as_deref(), shown.from.as_str()), (Some("\"trace\""), "flag --flag"));
    assert_eq!(setting(&four.loaded(), "telemetry.format").from, "default");
}

#[test]
fn an_unknown_key_is_refused_with_its_file_and_the_nearest_known_one() {
    let given = given().file("[telemetry]\nlevle = \"info\"\n[lanes]\nlanes = 2\n[contract.source]\nx = 1");
    let file = format!("file {}: ", given.sources.files[0].display());
    let problems = given.problems();
    for wanted in [
        "unknown key `telemetry.levle`; did you mean `telemetry.level`?",
        "unknown section `lanes`; did you mean `lane`?",
    ] {
        assert!(problems.contains(&format!("{file}{wanted}")), "{wanted} in {problems:?}");
    }
    assert!(problems.iter().any(|p| p.contains("contract.source")), "{problems:?}");
}

#[test]
fn an_unknown_variable_is_refused_and_others_are_not_ours() {
    let problems =
        given().variable("INVENTORY_STORE__TELEMETRY__LEVLE", "info").variable("HOME", "/").problems();
    assert_eq!(
        problems,
        [
            "environment INVENTORY_STORE__TELEMETRY__LEVLE: unknown key `telemetry.levle`; did you mean `telemetry.level`?"
        ]
    );
}

#[test]
fn a_value_is_read_as_its_setting_has_it() {
    let config = given()
        .variable("INVENTORY_STORE__MEMORY__BUDGET", "512MiB")
        .variable("INVENTORY_STORE__CONTRACT__SOURCE", "12345")
        .variable("INVENTORY_STORE__LANE__LANES", "2")
        .variable("INVENTORY_STORE__TELEMETRY__STATUS_LINE", "false")
        .file("[contract]\nmax_record_bytes = \"2MiB\"")
        .loaded()
        .config;
    assert_eq!(config.memory.budget, 512 << 20);
    assert_eq!(config.contract.source, "12345", "a text of digits stays a text");
    assert_eq!(config.contract.max_record_bytes, 2 << 20);
    assert_eq!(config.lane.lanes, 2);
    assert!(!config.telemetry.status_line);
}

#[test]
fn every_problem_is_listed_at_once() {
    let problems = given()
        .file("[lane]\nlanes = \"many\"\npoll_wait_ms = 0")
        .variable("INVENTORY_STORE__CONTRACT__SOURCE", "two words")
        .variable("INVENTORY_STORE__TELEMETRY__FORMAT", "xml")
        .problems();
    for wanted in ["lane.lanes", "lane.poll_wait_ms", "contract.source", "telemetry.format"] {
        assert!(problems.iter().any(|p| p.contains(wanted)), "{wanted} in {problems:?}");
    }
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let mut missing = given();
    missing.sources.files.push("/nowhere/store.toml".into());
    assert!(
        missing.problems()[0].starts_with("file /nowhere/store.toml: cannot be read"),
        "{:?}",
        missing.problems()
    );
    assert!(given().file("[telemetry").problems()[0].contains("is not TOML"));
}

#[test]
fn secrets_are_told_by_their_names() {
    for key in [
        "kafka.password",
        "kafka.sasl_password",
        "kafka.ssl_key_password",
        "kafka.properties.ssl.key.pem",
        "kafka.properties.sasl.oauthbearer.client.secret",
        "archive.options.aws_access_key_id",
        "archive.options.azure_storage_sas_key",
        "archive.options.azure_storage_account_key",
    ] {
        assert!(layers::is_secret(key), "{key}");
    }
    for key in [
        "http.tokens_file",
        "http.tokens_reload_ms",
        "kafka.password_file",
        "kafka.ssl_ca_location",
        "http.listen",
        "archive.options.aws_region",
        "archive.url",
    ] {
        assert!(!layers::is_secret(key), "{key}");
    }
}
