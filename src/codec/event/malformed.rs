use std::fmt;

/// A record that cannot be understood: why, and the detail that helps to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Malformed {
    pub reason: Reason,
    pub detail: String,
}

impl Malformed {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Why a record is malformed: stable names, in dead letters' headers and metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Larger than the configured limit.
    TooLarge,
    /// A null value.
    NullValue,
    /// On another partition than its SKU's.
    WrongPartition,
    /// Subject, data and key name different SKUs, or none does, or it is no valid SKU.
    DisagreeingSku,
    InvalidSku,
    InvalidUtf8,
    InvalidJson,
    /// Nested deeper than 64 levels.
    TooDeep,
    /// A key twice, or snake_case and camelCase of one field with different values.
    RepeatedKey,
    MissingField,
    /// A field of the wrong type or outside its values.
    InvalidField,
    /// A quantity that is no whole number in its range.
    InvalidQuantity,
    /// Not CloudEvents 1.0.
    SpecVersion,
    InvalidTime,
    /// Applying it would overflow.
    Overflow,
}

impl Reason {
    pub const ALL: [Self; 15] = [
        Self::TooLarge,
        Self::NullValue,
        Self::WrongPartition,
        Self::DisagreeingSku,
        Self::InvalidSku,
        Self::InvalidUtf8,
        Self::InvalidJson,
        Self::TooDeep,
        Self::RepeatedKey,
        Self::MissingField,
        Self::InvalidField,
        Self::InvalidQuantity,
        Self::SpecVersion,
        Self::InvalidTime,
        Self::Overflow,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NullValue => "null_value",
            Self::WrongPartition => "wrong_partition",
            Self::DisagreeingSku => "disagreeing_sku",
            Self::InvalidSku => "invalid_sku",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidJson => "invalid_json",
            Self::TooDeep => "too_deep",
            Self::RepeatedKey => "repeated_key",
            Self::MissingField => "missing_field",
            Self::InvalidField => "invalid_field",
            Self::InvalidQuantity => "invalid_quantity",
            Self::SpecVersion => "spec_version",
            Self::InvalidTime => "invalid_time",
            Self::Overflow => "overflow",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
