use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Properties handed to librdkafka as they stand. Values that may hold a secret are never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(pub BTreeMap<String, String>);

/// What the store's promises stand on, and so is not for setting; with what to use instead.
const HELD: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "topics are created by `topics create`"),
    ("auto.offset.reset", "a position is never reset by itself"),
    ("bootstrap.servers", "use kafka.bootstrap_servers"),
    ("metadata.broker.list", "use kafka.bootstrap_servers"),
    ("client.id", "use kafka.client_id"),
    ("enable.auto.commit", "positions are committed in transactions"),
    ("enable.auto.offset.store", "positions are committed in transactions"),
    ("enable.idempotence", "it is always on"),
    ("enable.partition.eof", "it is always on"),
    ("acks", "it is always all"),
    ("request.required.acks", "it is always all"),
    ("group.id", "groups are named by what they do"),
    ("group.instance.id", "it is the instance's name"),
    ("group.protocol", "static membership of the classic protocol is used"),
    ("isolation.level", "only committed records are read"),
    ("partition.assignment.strategy", "it is cooperative-sticky"),
    ("transactional.id", "it is the lane's"),
    ("transaction.timeout.ms", "use kafka.transactions.timeout_ms"),
];

impl Properties {
    pub(super) fn validate(&self, section: &str, problems: &mut Vec<String>) {
        for name in self.0.keys() {
            if let Some((_, why)) = HELD.iter().find(|(held, _)| held == name) {
                problems.push(format!("{section}.{name}: cannot be set here; {why}"));
            }
        }
    }

    fn is_secret(name: &str) -> bool {
        ["password", "secret", ".pem", "oauthbearer.config", "jaas"].iter().any(|part| name.contains(part))
    }

    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), if Self::is_secret(name) { "********" } else { value }))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.shown() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Properties {
    /// Texts, whole numbers and booleans, as librdkafka reads them all from text. A dotted key without
    /// quotes is a table in TOML, and means the same.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Flag(bool),
            Number(i64),
            Table(BTreeMap<String, Value>),
        }
        fn flatten(prefix: &str, table: BTreeMap<String, Value>, into: &mut BTreeMap<String, String>) {
            for (key, value) in table {
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                match value {
                    Value::Text(text) => drop(into.insert(name, text)),
                    Value::Flag(flag) => drop(into.insert(name, flag.to_string())),
                    Value::Number(number) => drop(into.insert(name, number.to_string())),
                    Value::Table(table) => flatten(&name, table, into),
                }
            }
        }
        let mut properties = BTreeMap::new();
        flatten("", BTreeMap::deserialize(deserializer)?, &mut properties);
        Ok(Self(properties))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_kind_and_dotted_keys_are_read() {
        let read: Properties = toml::from_str(
            "\"socket.keepalive.enable\" = true\n\"retry.backoff.ms\" = 5\nssl.cipher.suites = \"X\"",
        )
        .expect("properties");
        let pairs: Vec<_> = read.0.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [("retry.backoff.ms", "5"), ("socket.keepalive.enable", "true"), ("ssl.cipher.suites", "X")]
        );
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret: Properties = toml::from_str("\"ssl.key.password\" = \"hunter2\"").expect("properties");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&secret).expect("json").contains("hunter2"));
    }
}
