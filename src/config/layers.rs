//! Layers: defaults, then files, then the environment, then flags. The later one wins, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Config;
use super::keys::{Stated, flatten, is_dotted, readings};

/// `INVENTORY_STORE__SECTION__KEY` sets `section.key`.
pub const PREFIX: &str = "INVENTORY_STORE__";
/// The platform's own name for `kafka.bootstrap_servers`.
pub const BROKERS: &str = "KAFKA_BOOTSTRAP_SERVERS";

/// What the settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// TOML files; a later one wins.
    pub files: Vec<PathBuf>,
    /// The environment; names that are not ours are passed over.
    pub environment: BTreeMap<String, String>,
    /// Settings that flags carry.
    pub flags: Vec<Flag>,
}

/// A setting that a flag carries.
#[derive(Debug, Clone)]
pub struct Flag {
    /// For example `--http`.
    pub flag: &'static str,
    /// For example `http.listen`.
    pub key: &'static str,
    pub value: String,
}

/// The settings in force, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub(super) figment: Figment,
}

/// Everything that is wrong with the settings, each with where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

impl Sources {
    /// Reads, checks and merges all layers.
    ///
    /// # Errors
    /// Every unknown key, value of the wrong type and setting that cannot work, each naming its key and its
    /// file, variable or flag.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut layering = Layering::new();
        for file in &self.files {
            layering.file(file);
        }
        if let Some(brokers) = self.environment.get(BROKERS).filter(|brokers| !brokers.is_empty()) {
            layering.text(
                vec!["kafka".into(), "bootstrap_servers".into()],
                brokers,
                &format!("environment {BROKERS}"),
            );
        }
        for (name, text) in &self.environment {
            if let Some(key) = name.strip_prefix(PREFIX) {
                layering.text(path_of_variable(key), text, &format!("environment {name}"));
            }
        }
        for flag in &self.flags {
            let path = flag.key.split('.').map(str::to_owned).collect();
            layering.text(path, &flag.value, &format!("flag {}", flag.flag));
        }
        layering.finish()
    }
}

/// `KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS` → `kafka`, `properties`, `socket.timeout.ms`: in such a table the
/// names are librdkafka's, which have dots and no underscores.
fn path_of_variable(key: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for part in key.split("__") {
        let part = part.to_ascii_lowercase();
        path.push(if is_dotted(&path) { part.replace('_', ".") } else { part });
    }
    path
}

struct Layering {
    known: Dict,
    figment: Figment,
    problems: Vec<String>,
}

impl Layering {
    fn new() -> Self {
        let known = match Value::serialize(Config::default()) {
            Ok(Value::Dict(_, known)) => known,
            _ => Dict::new(),
        };
        Self { known, figment: Figment::from(Serialized::defaults(Config::default())), problems: Vec::new() }
    }

    fn file(&mut self, path: &Path) {
        let from = format!("file {}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.problems.push(format!("{from}: cannot be read: {error}")),
        };
        let document = match Toml::string(&text).data() {
            Ok(mut document) => document.remove(&Profile::Default).unwrap_or_default(),
            Err(error) => return self.problems.push(format!("{from}: is not TOML: {error}")),
        };
        for stated in self.check(&document, &from) {
            // A size may be written "1GiB" here too.
            let readings = match &stated.value {
                Value::String(_, text) => readings(text),
                other => vec![other.clone()],
            };
            self.add(stated.path, &readings, &from);
        }
    }

    fn text(&mut self, path: Vec<String>, text: &str, from: &str) {
        let stated = Stated { path, value: Value::from(text) };
        for stated in self.check(&stated.as_dict(), from) {
            self.add(stated.path, &readings(text), from);
        }
    }

    fn check(&mut self, document: &Dict, from: &str) -> Vec<Stated> {
        let (stated, unknown) = flatten(document, &self.known);
        self.problems.extend(unknown.into_iter().map(|problem| format!("{from}: {problem}")));
        stated
    }

    /// Merges the first reading that the setting's type takes.
    fn add(&mut self, path: Vec<String>, readings: &[Value], from: &str) {
        let defaults = Figment::from(Serialized::defaults(Config::default()));
        let mut refused = None;
        for value in readings {
            let stated = Stated { path: path.clone(), value: value.clone() };
            match defaults.clone().merge(Layer { dict: stated.as_dict(), from }).extract::<Config>() {
                Ok(_) => {
                    self.figment =
                        std::mem::take(&mut self.figment).merge(Layer { dict: stated.as_dict(), from });
                    return;
                }
                // What the text says as a number tells more than that it is no text.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(error) = refused {
            let key = path.join(".");
            let kind = error.kind.to_string();
            let kind = if is_secret(&key) { "is not of the right type".to_owned() } else { kind };
            self.problems.push(format!("{from}: {key}: {kind}"));
        }
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        match self.figment.extract::<Config>() {
            Ok(config) => {
                self.problems.extend(config.problems());
                if self.problems.is_empty() {
                    return Ok(Loaded { config, figment: self.figment });
                }
            }
            Err(error) => self.problems.extend(error.into_iter().map(|error| error.to_string())),
        }
        Err(ConfigError { problems: self.problems })
    }
}

/// Whether a setting is never shown. A file that holds a secret is named freely.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.to_ascii_lowercase();
    // An object store's names for its secrets are many: of those only what is plainly none is shown.
    if let Some(option) = name.strip_prefix("archive.options.") {
        let plain = ["region", "endpoint", "allow_http", "timeout", "account_name", "use_emulator"];
        return !plain.iter().any(|word| option.contains(word));
    }
    !name.ends_with("file")
        && !name.ends_with("location")
        && !name.ends_with("_ms")
        && ["password", "secret", "token", "key.pem", "key_pem", "credential", "jaas"]
            .iter()
            .any(|word| name.contains(word))
}

/// One setting of one layer, with where it came from.
struct Layer<'a> {
    dict: Dict,
    from: &'a str,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.from.to_owned())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}
