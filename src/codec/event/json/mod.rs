//! A JSON pull reader that borrows: what the decoder needs and nothing more.
//!
//! Decoding is most of what a replay costs, so a value is read once, into [`Lexeme`]s of a word each that
//! point into the record; what a field asks for becomes a [`Token`], and only then are strings unescaped and
//! numbers computed. The text is UTF-8 already;
//! everything else of the grammar (RFC 8259) is checked here, for skipped values too. Nesting is bounded,
//! so recursion is.

mod lexeme;
mod number;
mod scanner;
mod string;

pub(in crate::codec) use lexeme::{Lexeme, MAX_TEXT};
pub(in crate::codec) use number::integer;
pub(in crate::codec) use scanner::{KEY_WINDOW, MAX_DEPTH, Name, Scanner};
pub(in crate::codec) use string::unescape;

use super::{Malformed, Reason};

/// A value, by its kind, with the text that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) enum Token<'a> {
    /// Not there.
    Absent,
    Null,
    Bool(bool),
    /// The number's text.
    Number(&'a str),
    /// What stands between the quotes, without escapes.
    Text(&'a str),
    /// What stands between the quotes, with escapes, known to be sound.
    Escaped(&'a str),
    /// With its braces.
    Object(&'a str),
    /// With its brackets.
    Array(&'a str),
    /// A header's value that is no UTF-8.
    NotUtf8,
}

impl<'a> Token<'a> {
    /// A text without escapes.
    pub(in crate::codec) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Null is as good as absent: the CloudEvents JSON format says so of attributes, we of every field.
    pub(in crate::codec) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::Null)
    }
}

/// Where and how a text leaves the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) struct SyntaxError {
    /// Byte of the value.
    pub at: usize,
    pub expected: &'static str,
    pub too_deep: bool,
}

impl From<Box<SyntaxError>> for Malformed {
    #[cold]
    fn from(error: Box<SyntaxError>) -> Self {
        if error.too_deep {
            return Self::new(
                Reason::TooDeep,
                format!("nested deeper than {MAX_DEPTH} levels at byte {}", error.at),
            );
        }
        Self::new(Reason::InvalidJson, format!("expected {} at byte {}", error.expected, error.at))
    }
}
