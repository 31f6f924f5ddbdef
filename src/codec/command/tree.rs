//! A command's data as a tree. Unlike an event's, it is needed whole: for the hash.

use std::borrow::Cow;

use super::number;
use crate::codec::event::json::{Scanner, SyntaxError, Token, unescape};
use crate::codec::event::{Malformed, write_string};

/// JSON with its members in order, and repeated ones kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// As it stands, and in its canonical spelling, which alone is compared.
    Number(Number<'a>),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
}

pub(super) type Member<'a> = (Cow<'a, str>, Json<'a>);

#[derive(Debug, Clone)]
pub(super) struct Number<'a> {
    pub text: &'a str,
    pub canonical: Cow<'a, str>,
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Number<'_> {}

impl<'a> Json<'a> {
    /// Reads a text that holds one value and nothing else.
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(text);
        scanner.space();
        let value = Self::read(&mut scanner)?;
        scanner.end()?;
        Ok(value)
    }

    /// The scanner bounds the nesting, and so the recursion.
    fn read(scanner: &mut Scanner<'a>) -> Result<Self, Box<SyntaxError>> {
        if scanner.is_object() {
            let mut members = Vec::with_capacity(8);
            scanner.members(|scanner| {
                let key = scanner.key()?;
                members.push((scanner.name(key).text(), Self::read(scanner)?));
                Ok(())
            })?;
            return Ok(Self::Object(members));
        }
        if scanner.is_array() {
            let mut items = Vec::new();
            scanner.elements(|scanner| {
                items.push(Self::read(scanner)?);
                Ok(())
            })?;
            return Ok(Self::Array(items));
        }
        Ok(match scanner.value()?.token(scanner.text(), &[]) {
            Token::Bool(flag) => Self::Bool(flag),
            Token::Number(text) => Self::Number(Number { text, canonical: number::canonical(text) }),
            Token::Text(text) => Self::Text(Cow::Borrowed(text)),
            Token::Escaped(raw) => Self::Text(Cow::Owned(unescape(raw))),
            Token::Absent | Token::Null | Token::NotUtf8 | Token::Object(_) | Token::Array(_) => Self::Null,
        })
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Appends it without a byte to spare, members in the order they have now.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.canonical.as_bytes()),
            Self::Text(text) => write_string(out, text),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}
