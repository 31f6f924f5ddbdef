use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A stock keeping unit: the aggregate's id, the Kafka record key, the CloudEvents `subject`.
///
/// 1 to 255 bytes of UTF-8 without control characters; so it never contains the byte 0x00, which separates
/// the parts of a row key. Ordered by its bytes. Source: the domain contract, "Words".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(Box<str>);

impl Sku {
    /// Longest SKU, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// # Errors
    /// [`InvalidSku`] names what is wrong with `text`.
    pub fn new(text: &str) -> Result<Self, InvalidSku> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Says whether `text` is a SKU, without making one.
    ///
    /// # Errors
    /// [`InvalidSku`] names what is wrong with `text`.
    pub fn check(text: &str) -> Result<(), InvalidSku> {
        if text.is_empty() {
            return Err(InvalidSku::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidSku::TooLong { bytes: text.len() });
        }
        // Almost every SKU is plain ASCII, which is quickly seen: without stopping early, many bytes at a time.
        if text.bytes().fold(true, |plain, byte| plain & (0x20..0x7f).contains(&byte)) {
            return Ok(());
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, c)) => Err(InvalidSku::ControlCharacter { code: u32::from(c), at }),
            None => Ok(()),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Sku {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Sku {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = InvalidSku;

    fn try_from(text: String) -> Result<Self, InvalidSku> {
        Self::check(&text)?;
        Ok(Self(text.into()))
    }
}

impl std::str::FromStr for Sku {
    type Err = InvalidSku;

    fn from_str(text: &str) -> Result<Self, InvalidSku> {
        Self::new(text)
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0.into()
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Why a text is not a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSku {
    #[error("a SKU must not be empty")]
    Empty,
    #[error("a SKU has at most 255 bytes, this one has {bytes}")]
    TooLong { bytes: usize },
    #[error("a SKU must not contain control characters; U+{code:04X} stands at byte {at}")]
    ControlCharacter { code: u32, at: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_contract_allows() {
        for text in ["A", "SKU-1", "Ä ö/ü", &"x".repeat(255)] {
            assert_eq!(Sku::new(text).expect("a SKU").as_str(), text);
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(Sku::new(""), Err(InvalidSku::Empty));
        assert_eq!(Sku::new(&"x".repeat(256)), Err(InvalidSku::TooLong { bytes: 256 }));
        assert_eq!(Sku::new("a\u{0}b"), Err(InvalidSku::ControlCharacter { code: 0, at: 1 }));
        assert_eq!(Sku::new("\u{85}"), Err(InvalidSku::ControlCharacter { code: 0x85, at: 0 }));
    }
}
