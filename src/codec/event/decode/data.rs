use std::borrow::Cow;

use super::kind::Kind;
use super::level::{self, Levels};
use super::object::Object;
use crate::codec::event::json::{Lexeme, Scanner, SyntaxError};
use crate::codec::event::{Malformed, Reason};
use crate::domain::event::Fact;

/// The data of an event, once it was read as that of a kind.
pub(super) struct Data<'a> {
    kind: Option<Kind>,
    pub(super) object: Object<'a>,
    pub(super) levels: Levels<'a>,
}

impl<'a> Data<'a> {
    pub(super) fn new() -> Self {
        Self { kind: None, object: Object::new(), levels: Levels::new() }
    }

    /// The kind it was read as; nothing before.
    #[inline]
    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Reads the object that is next in `scanner`.
    #[inline]
    pub(super) fn fill(&mut self, kind: Kind, scanner: &mut Scanner<'a>) -> Result<Lexeme, Box<SyntaxError>> {
        let start = scanner.at();
        self.kind = Some(kind);
        if kind == Kind::LevelChanged {
            level::fill(&mut self.object, &mut self.levels, scanner)?;
        } else {
            self.object.fill(kind.names(), scanner)?;
        }
        Ok(scanner.object_since(start))
    }

    /// Reads an object that was checked before its type was known.
    pub(super) fn within(kind: Kind, text: &'a str) -> Result<Self, Malformed> {
        let mut data = Self::new();
        data.fill(kind, &mut Scanner::new(text))?;
        Ok(data)
    }

    /// Reads a text that has to hold one object and nothing else.
    pub(super) fn whole(kind: Kind, text: &'a str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(text);
        scanner.space();
        if !scanner.is_object() {
            scanner.value()?;
            scanner.end()?;
            return Err(Malformed::new(Reason::InvalidField, "data: expected an object"));
        }
        let mut data = Self::new();
        data.fill(kind, &mut scanner)?;
        scanner.end()?;
        Ok(data)
    }

    /// `sku` and, where it names the aggregate, `kit_sku`.
    pub(super) fn skus(&self, kind: Kind) -> Result<[Option<Cow<'a, str>>; 2], Malformed> {
        let sku = self.object.optional_text(Kind::SKU)?;
        let kit_sku = match kind.kit_sku() {
            Some(field) => self.object.optional_text(field)?,
            None => None,
        };
        Ok([sku, kit_sku])
    }

    #[inline]
    pub(super) fn fact(&self, kind: Kind) -> Result<Fact<'a>, Malformed> {
        kind.fact(self)
    }
}
