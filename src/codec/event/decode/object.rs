//! One JSON object, as far as it is known: a slot per field, filled in one pass, read afterwards.
//!
//! Filling only checks the grammar; what a field means is asked later, field by field in a fixed order, so
//! that a record with several faults gives the same reason whatever the order of its members.

use smallvec::SmallVec;

use super::names::{Expected, Field, Names, Spelled};
use crate::codec::event::json::{Lexeme, Name, Scanner, SyntaxError, Token};
use crate::codec::event::{Malformed, Reason};

/// Most fields one kind of object has.
pub(super) const SLOTS: usize = 24;

/// Names that no slot is for, gathered while an object is read: they may not stand twice either.
pub(super) type Unknown<'a> = SmallVec<[Name<'a>; 4]>;

pub(super) struct Object<'a, const N: usize = SLOTS> {
    /// What the slots point into.
    text: &'a str,
    slots: [Lexeme; N],
    /// Values that stand in no text: headers'.
    aside: Vec<Token<'a>>,
    /// Names that stand here: a bit for each spelling of each field.
    seen: u64,
    /// Values of slots filled under both names: the one that came second.
    second: Vec<(usize, Lexeme)>,
    /// A name that stands twice.
    repeated: Option<Name<'a>>,
}

impl<'a, const N: usize> Object<'a, N> {
    pub(super) fn new() -> Self {
        Self {
            text: "",
            slots: [Lexeme::ABSENT; N],
            aside: Vec::new(),
            seen: 0,
            second: Vec::new(),
            repeated: None,
        }
    }

    /// Says what the slots are going to point into.
    #[inline]
    pub(super) fn within(&mut self, scanner: &Scanner<'a>) {
        self.text = scanner.text();
    }

    /// Reads the object that is next in `scanner`.
    #[inline]
    pub(super) fn fill(&mut self, names: &Names, scanner: &mut Scanner<'a>) -> Result<(), Box<SyntaxError>> {
        self.within(scanner);
        let (mut unknown, mut expected) = (Unknown::new(), Expected::FIRST);
        scanner.members(|scanner| {
            let at = scanner.at();
            let name = names.next(scanner, &mut expected)?;
            let lexeme = scanner.value()?;
            self.take(name, lexeme, scanner, at, &mut unknown);
            Ok(())
        })?;
        self.check_unknown(unknown);
        Ok(())
    }

    /// Puts the value of a member, which begins at `at`, where it belongs.
    #[inline]
    pub(super) fn take(
        &mut self,
        name: Option<Spelled>,
        lexeme: Lexeme,
        scanner: &Scanner<'a>,
        at: usize,
        unknown: &mut Unknown<'a>,
    ) {
        let Some(name) = name else {
            unknown.push(scanner.name_at(at));
            return;
        };
        if self.seen & (name.bit() | name.other_bit()) == 0 {
            if let Some(place) = self.slots.get_mut(name.slot()) {
                *place = lexeme;
            }
        } else if self.seen & name.bit() != 0 {
            self.repeated = Some(scanner.name_at(at));
        } else {
            self.second.push((name.slot(), lexeme));
        }
        self.seen |= name.bit();
    }

    /// Makes room for so many values that stand in no text.
    pub(super) fn expect_aside(&mut self, values: usize) {
        self.aside.reserve_exact(values);
    }

    /// Puts a value that has no name in a JSON text: a header's. The last one counts, as for Kafka's clients.
    pub(super) fn put(&mut self, slot: usize, token: Token<'a>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Lexeme::aside(self.aside.len());
            self.aside.push(token);
        }
    }

    #[inline]
    pub(super) fn token(&self, lexeme: Lexeme) -> Token<'a> {
        lexeme.token(self.text, &self.aside)
    }

    /// Looks for repetitions among the names that are not known, once all are there.
    #[inline]
    pub(super) fn check_unknown(&mut self, mut unknown: Unknown<'a>) {
        if unknown.len() > 1 {
            self.repeated = self.repeated.or(repeated(&mut unknown));
        }
    }

    /// # Errors
    /// [`Reason::RepeatedKey`] where a name stands twice.
    pub(super) fn check_repeated(&self) -> Result<(), Malformed> {
        match self.repeated {
            Some(name) => Err(Malformed::new(Reason::RepeatedKey, format!("{:?} stands twice", name.text()))),
            None => Ok(()),
        }
    }

    /// The field's text where it stands under one name, without escapes; whatever else there is, is for
    /// [`Self::get`].
    #[inline]
    pub(super) fn plain_text(&self, field: Field) -> Option<&'a str> {
        let lexeme = self.slots.get(field.slot).filter(|_| self.second.is_empty())?;
        lexeme.plain_text(self.text).or_else(|| match self.aside.as_slice() {
            [] => None,
            aside => lexeme.token(self.text, aside).text(),
        })
    }

    /// Whether the field stands under no name.
    #[inline]
    pub(super) fn is_nowhere(&self, field: Field) -> bool {
        self.slots.get(field.slot).is_none_or(|lexeme| *lexeme == Lexeme::ABSENT)
    }

    /// The field's value under either name; the one that says something, where the other is null.
    #[inline]
    pub(super) fn get(&self, field: Field) -> Token<'a> {
        let first = self.slots.get(field.slot).map_or(Token::Absent, |lexeme| self.token(*lexeme));
        if self.second.is_empty() || !first.is_absent() {
            first
        } else {
            self.second_of(field).unwrap_or(first)
        }
    }

    /// Reads a field as nearly all are: absent, or under one name and as `plain` takes it. Whatever else stands
    /// there is for `read`.
    #[inline]
    pub(super) fn read_plain<T: PartialEq>(
        &self,
        field: Field,
        plain: impl FnOnce(Lexeme, &'a str) -> Option<T>,
        read: impl FnMut(Token<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let lexeme = self.slots.get(field.slot).copied().unwrap_or(Lexeme::ABSENT);
        if lexeme == Lexeme::ABSENT {
            return Ok(None);
        }
        if self.second.is_empty()
            && let Some(value) = plain(lexeme, self.text)
        {
            return Ok(Some(value));
        }
        self.read(field, read)
    }

    /// Reads the field under the name, or both names, that it has. Both may stand there only with one value.
    #[inline(never)]
    pub(super) fn read<T: PartialEq>(
        &self,
        field: Field,
        mut read: impl FnMut(Token<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let token = self.get(field);
        if token.is_absent() {
            return Ok(None);
        }
        let value = read(token)?;
        if !self.second.is_empty()
            && let Some(second) = self.second_of(field)
            && !second.is_absent()
            && read(second)? != value
        {
            return Err(Malformed::new(
                Reason::RepeatedKey,
                format!("{} stands in both spellings with different values", field.name),
            ));
        }
        Ok(Some(value))
    }

    #[cold]
    fn second_of(&self, field: Field) -> Option<Token<'a>> {
        self.second.iter().find(|(slot, _)| *slot == field.slot).map(|(_, lexeme)| self.token(*lexeme))
    }
}

/// A name that stands among `names` more than once.
pub(super) fn repeated<'a>(names: &mut [Name<'a>]) -> Option<Name<'a>> {
    names.sort_by(|a, b| a.text().cmp(&b.text()));
    names.windows(2).find_map(|pair| match pair {
        [a, b] if a.text() == b.text() => Some(*a),
        _ => None,
    })
}
