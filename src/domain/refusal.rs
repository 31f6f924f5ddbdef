//! Why a command is refused. A refusal is an outcome, not an error.

use std::fmt;
use std::str::FromStr;

/// In the order of precedence: where several apply, the first is given. Source: the domain contract,
/// "Commands".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    CommandIdReused,
    InvalidCommand,
    Expired,
    VersionConflict,
    UnknownSku,
    UnknownHold,
    UnknownAllocation,
    UnknownTransfer,
    UnknownSerial,
    UnknownKit,
    HoldExists,
    AllocationExists,
    TransferExists,
    SerialExists,
    KitExists,
    InvalidState,
    InsufficientAllocation,
    InsufficientHold,
    InsufficientStock,
    WouldOversell,
}

impl RefusalCode {
    pub const ALL: [Self; 20] = [
        Self::CommandIdReused,
        Self::InvalidCommand,
        Self::Expired,
        Self::VersionConflict,
        Self::UnknownSku,
        Self::UnknownHold,
        Self::UnknownAllocation,
        Self::UnknownTransfer,
        Self::UnknownSerial,
        Self::UnknownKit,
        Self::HoldExists,
        Self::AllocationExists,
        Self::TransferExists,
        Self::SerialExists,
        Self::KitExists,
        Self::InvalidState,
        Self::InsufficientAllocation,
        Self::InsufficientHold,
        Self::InsufficientStock,
        Self::WouldOversell,
    ];

    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandIdReused => "COMMAND_ID_REUSED",
            Self::InvalidCommand => "INVALID_COMMAND",
            Self::Expired => "EXPIRED",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::UnknownSku => "UNKNOWN_SKU",
            Self::UnknownHold => "UNKNOWN_HOLD",
            Self::UnknownAllocation => "UNKNOWN_ALLOCATION",
            Self::UnknownTransfer => "UNKNOWN_TRANSFER",
            Self::UnknownSerial => "UNKNOWN_SERIAL",
            Self::UnknownKit => "UNKNOWN_KIT",
            Self::HoldExists => "HOLD_EXISTS",
            Self::AllocationExists => "ALLOCATION_EXISTS",
            Self::TransferExists => "TRANSFER_EXISTS",
            Self::SerialExists => "SERIAL_EXISTS",
            Self::KitExists => "KIT_EXISTS",
            Self::InvalidState => "INVALID_STATE",
            Self::InsufficientAllocation => "INSUFFICIENT_ALLOCATION",
            Self::InsufficientHold => "INSUFFICIENT_HOLD",
            Self::InsufficientStock => "INSUFFICIENT_STOCK",
            Self::WouldOversell => "WOULD_OVERSELL",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RefusalCode {
    type Err = UnknownRefusalCode;

    fn from_str(text: &str) -> Result<Self, UnknownRefusalCode> {
        Self::ALL.into_iter().find(|code| code.name() == text).ok_or(UnknownRefusalCode)
    }
}

/// A text that is no refusal code of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refusal code that this program knows")]
pub struct UnknownRefusalCode;

/// A refusal with the values that explain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: RefusalCode,
    /// For people: what was asked, what there was.
    pub message: String,
    /// By name, in the order told. Which ones a code comes with: `docs/commands.md`.
    pub details: Vec<(&'static str, Detail)>,
}

/// A value that explains a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    Number(i128),
    Text(String),
    Texts(Vec<String>),
}

impl Refusal {
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }

    /// `INVALID_COMMAND`: the field, and what is wrong with it.
    #[must_use]
    pub fn invalid(field: &str, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self::new(RefusalCode::InvalidCommand, format!("{field}: {fault}"))
            .with_text("field", field)
            .with_text("fault", fault)
    }

    #[must_use]
    pub fn with_number(mut self, name: &'static str, number: impl Into<i128>) -> Self {
        self.details.push((name, Detail::Number(number.into())));
        self
    }

    #[must_use]
    pub fn with_text(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.details.push((name, Detail::Text(text.into())));
        self
    }

    #[must_use]
    pub fn with_texts(mut self, name: &'static str, texts: &[&str]) -> Self {
        self.details.push((name, Detail::Texts(texts.iter().map(|text| (*text).to_owned()).collect())));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written_and_stand_in_their_order() {
        for code in RefusalCode::ALL {
            assert_eq!(code.name().parse(), Ok(code));
        }
        assert!(RefusalCode::ALL.is_sorted(), "precedence is the order of declaration");
        assert_eq!("INSUFFICIENT".parse::<RefusalCode>(), Err(UnknownRefusalCode));
    }
}
