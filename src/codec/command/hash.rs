use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::tree::Json;
use crate::codec::event::Extension;
use crate::codec::event::json::integer;
use crate::domain::command::Refusal;
use crate::types::Sku;

/// SHA-256 over type, subject, `expectedversion` and canonical `data`: what tells a repeat from a reused id.
/// Shown as lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandHash(pub [u8; 32]);

impl fmt::Display for CommandHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half a byte is always a digit.
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
        let mut text = String::with_capacity(2 * self.0.len());
        text.extend(self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        f.write_str(&text)
    }
}

impl FromStr for CommandHash {
    type Err = InvalidCommandHash;

    fn from_str(text: &str) -> Result<Self, InvalidCommandHash> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(InvalidCommandHash);
        }
        let hex = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(InvalidCommandHash),
        };
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(InvalidCommandHash) };
            *byte = hex(*high)? * 16 + hex(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// A text that is no command hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command hash is 64 lower-case hexadecimal digits")]
pub struct InvalidCommandHash;

/// The extension `expectedversion`: a decimal string, as CloudEvents' integers are too short for it, or an
/// integer.
pub(super) enum ExpectedVersion {
    Absent,
    Sound(u64),
    /// As it stands; hashed too.
    Unsound(String),
}

impl ExpectedVersion {
    pub(super) fn of(extension: &Extension<'_>) -> Self {
        let sound = match extension {
            Extension::Absent => return Self::Absent,
            Extension::Text(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()
            }
            Extension::Number(text) => integer(text).and_then(|version| u64::try_from(version).ok()),
            Extension::Text(_) | Extension::Other => None,
        };
        match (sound, extension) {
            (Some(version), _) => Self::Sound(version),
            (None, Extension::Text(text)) => Self::Unsound(format!("{text:?}")),
            (None, Extension::Number(text)) => Self::Unsound((*text).to_owned()),
            (None, _) => Self::Unsound("no string or number".to_owned()),
        }
    }

    pub(super) fn value(&self) -> Result<Option<u64>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::Sound(version) => Ok(Some(*version)),
            Self::Unsound(text) => {
                let text: String = text.chars().take(64).collect();
                let fault = format!("{text} is no version; write it as a decimal string, for example \"7\"");
                Err(Refusal::invalid("expectedversion", fault))
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Sound(version) => version.to_string(),
            Self::Unsound(text) => text.clone(),
        }
    }
}

/// Each part behind its length, so that none runs into the next.
pub(super) fn command_hash(
    command_type: &str,
    sku: &Sku,
    expected_version: &ExpectedVersion,
    data: Option<&Json<'_>>,
) -> CommandHash {
    let mut canonical = Vec::with_capacity(256);
    if let Some(data) = data {
        data.write(&mut canonical);
    }
    let expected_version = expected_version.text();
    let mut hash = Sha256::new();
    for part in [command_type.as_bytes(), sku.as_str().as_bytes(), expected_version.as_bytes(), &canonical] {
        // A record is far shorter than 2^64 bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    CommandHash(hash.finalize().into())
}
