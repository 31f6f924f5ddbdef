//! What `config show` prints: every setting in force, its value, and where it came from.

use figment::value::Value;
use serde::Serialize;

use super::layers::{Loaded, is_secret};

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// For example `http.listen`.
    pub key: String,
    /// The table it stands in, for example `http`.
    #[serde(skip)]
    pub section: String,
    /// Its name in that table, for example `listen`.
    #[serde(skip)]
    pub name: String,
    /// As TOML would have it; nothing where the setting is not set; `"***"` for a secret.
    pub value: Option<String>,
    /// `default`, `file PATH`, `environment NAME` or `flag --NAME`.
    pub from: String,
}

impl Loaded {
    /// Every setting in force, by section and key.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if let Ok(all) = self.figment.find_value("") {
            self.collect(&all, &mut Vec::new(), &mut settings);
        }
        settings
    }

    fn collect(&self, value: &Value, path: &mut Vec<String>, settings: &mut Vec<Setting>) {
        if let Value::Dict(_, entries) = value {
            // Values before tables, as a TOML file has to have them.
            for tables in [false, true] {
                for (name, value) in entries.iter().filter(|(_, v)| matches!(v, Value::Dict(..)) == tables) {
                    path.push(name.clone());
                    self.collect(value, path, settings);
                    path.pop();
                }
            }
            return;
        }
        // A name of librdkafka's has dots of its own.
        let quoted_name = |name: &String| if name.contains('.') { quoted(name) } else { name.clone() };
        let Some((name, tables)) = path.split_last() else { return };
        let (section, name) = (tables.join("."), quoted_name(name));
        let key = path.join(".");
        let shown = shown(value)
            .map(|text| if is_secret(&key) && text != "\"\"" { "\"***\"".to_owned() } else { text });
        let from =
            self.figment.get_metadata(value.tag()).map_or("default", |metadata| metadata.name.as_ref());
        let from = if from.starts_with("inventory_store::") { "default" } else { from };
        let key = format!("{section}.{name}");
        settings.push(Setting { key, section, name, value: shown, from: from.to_owned() });
    }
}

/// A value as TOML has it; nothing for none.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(quoted(text)),
        Value::Char(_, c) => Some(quoted(&c.to_string())),
        Value::Bool(_, truth) => Some(truth.to_string()),
        Value::Num(_, number) => number
            .to_u128()
            .map(|n| n.to_string())
            .or_else(|| number.to_i128().map(|n| n.to_string()))
            .or_else(|| number.to_f64().map(|n| n.to_string())),
        Value::Empty(..) => None,
        Value::Dict(..) => Some("{}".to_owned()),
        Value::Array(_, items) => {
            Some(format!("[{}]", items.iter().filter_map(shown).collect::<Vec<_>>().join(", ")))
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
