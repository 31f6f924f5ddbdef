use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

/// `[kafka.security]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// `PLAINTEXT`, `SSL` or `SASL_SSL`. Default `PLAINTEXT`.
    pub protocol: Protocol,
    /// How a user proves itself with SASL_SSL: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. Default
    /// `SCRAM-SHA-512`.
    pub mechanism: Mechanism,
    /// The user for SASL_SSL.
    pub username: Option<String>,
    /// Its password. Better from the environment (`INVENTORY_STORE__KAFKA__SECURITY__PASSWORD`) or from
    /// `password_file` than from a settings file. Never printed.
    pub password: Option<Secret>,
    /// A file that holds the password alone; an end of line after it is dropped.
    pub password_file: Option<PathBuf>,
    /// Certificates of the authorities that brokers' certificates are checked against, as a PEM file. None =
    /// the system's.
    pub ca_location: Option<PathBuf>,
    /// This process's own certificate, as a PEM file, where brokers ask for one.
    pub certificate_location: Option<PathBuf>,
    /// The key of that certificate, as a PEM file.
    pub key_location: Option<PathBuf>,
    /// The password of that key. Never printed.
    pub key_password: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    #[serde(rename = "PLAINTEXT")]
    Plaintext,
    #[serde(rename = "SSL")]
    Ssl,
    #[serde(rename = "SASL_SSL")]
    SaslSsl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// A text that is never printed, neither by `Debug` nor when settings are shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one who has to present it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("********")
    }
}

impl SecurityConfig {
    pub(super) fn validate(&self, problems: &mut Vec<String>) {
        let mut needs = |missing: bool, key: &str, why: &str| {
            if missing {
                problems.push(format!("security.{key}: {why}"));
            }
        };
        if self.protocol == Protocol::SaslSsl {
            needs(self.username.is_none(), "username", "SASL_SSL needs one");
            needs(
                self.password.is_none() && self.password_file.is_none(),
                "password",
                "SASL_SSL needs one: set password_file, or INVENTORY_STORE__KAFKA__SECURITY__PASSWORD",
            );
        }
        needs(
            self.password.is_some() && self.password_file.is_some(),
            "password_file",
            "the password is set as well; leave one out",
        );
        needs(
            self.certificate_location.is_some() != self.key_location.is_some(),
            "key_location",
            "a certificate and its key go together",
        );
    }
}
