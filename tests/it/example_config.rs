//! config/inventory-store.toml, the example for production, says what the code does.

use std::path::Path;

use inventory_store::config::Config;

/// Every setting with its default, so that a default changed in the code cannot stay old in the example.
#[test]
fn the_example_names_every_setting_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/inventory-store.toml");
    let text = std::fs::read_to_string(path).expect("the example");
    let mut config: Config = toml::from_str(&text).expect("every key is known");
    assert_eq!(config.problems(), Vec::<String>::new());
    assert!(config.kafka.is_configured());
    config.kafka.bootstrap_servers.clear();
    assert_eq!(config, Config::default());

    let named: toml::Table = text.parse().expect("TOML");
    let known = toml::Table::try_from(Config::default()).expect("TOML");
    let mut missing = Vec::new();
    look(&known, &named, "", &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "settings that the example does not name");
}

fn look(known: &toml::Table, named: &toml::Table, path: &str, missing: &mut Vec<String>) {
    for (key, value) in known {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (value, named.get(key)) {
            // Passed-through properties have no default to name.
            (toml::Value::Table(_), None) if key == "properties" => {}
            (toml::Value::Table(inner), Some(toml::Value::Table(named))) => {
                look(inner, named, &full, missing)
            }
            (_, Some(_)) => {}
            (_, None) => missing.push(full),
        }
    }
}
