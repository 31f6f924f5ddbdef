use super::Token;

/// Longest text whose values can be kept, in bytes: no topic carries a larger record.
pub(in crate::codec) const MAX_TEXT: usize = (1 << BITS) - 1;

const BITS: u32 = 30;

/// A value in a text: its kind, where it begins and how long it is, in one word, so that the slots of an
/// object are a few cache lines. Means nothing without its text.
///
/// From the lowest bit: 4 bits of kind, 30 of the place, 30 of the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) struct Lexeme(u64);

/// What a lexeme is; the number is its lowest bits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Null = 1,
    False = 2,
    True = 3,
    Number = 4,
    Text = 5,
    Escaped = 6,
    Object = 7,
    Array = 8,
}

/// Stands for the token of this number in a list beside the text.
const ASIDE: u64 = 9;

impl Lexeme {
    /// Zero, so that an object without values is zeroed memory.
    pub(in crate::codec) const ABSENT: Self = Self(0);

    /// What lies from `start` to `end`; absent in a text longer than [`MAX_TEXT`], of which nothing is kept.
    #[inline]
    pub(super) fn new(kind: Kind, start: usize, end: usize) -> Self {
        if end > MAX_TEXT {
            return Self::ABSENT;
        }
        Self(kind as u64 | (start as u64) << 4 | (end.wrapping_sub(start) as u64) << (4 + BITS))
    }

    /// The token that stands at `index` in a list beside the text.
    pub(in crate::codec) fn aside(index: usize) -> Self {
        Self(ASIDE | (index as u64 & MAX_TEXT as u64) << 4)
    }

    #[inline]
    fn start(self) -> usize {
        (self.0 >> 4) as usize & MAX_TEXT
    }

    /// The text of a string without escapes, where it is one.
    #[inline]
    pub(in crate::codec) fn plain_text(self, text: &str) -> Option<&str> {
        self.of(Kind::Text, text)
    }

    /// The text of a number, where it is one.
    #[inline]
    pub(in crate::codec) fn number(self, text: &str) -> Option<&str> {
        self.of(Kind::Number, text)
    }

    #[inline]
    fn of(self, kind: Kind, text: &str) -> Option<&str> {
        if self.0 & 0xf != kind as u64 {
            return None;
        }
        let start = self.start();
        text.get(start..start + (self.0 >> (4 + BITS)) as usize)
    }

    /// The value in its text; `aside` is the list beside it.
    #[inline]
    pub(in crate::codec) fn token<'a>(self, text: &'a str, aside: &[Token<'a>]) -> Token<'a> {
        let start = self.start();
        let end = start + (self.0 >> (4 + BITS)) as usize;
        let part = || text.get(start..end).unwrap_or_default();
        match self.0 & 0xf {
            1 => Token::Null,
            2 => Token::Bool(false),
            3 => Token::Bool(true),
            4 => Token::Number(part()),
            5 => Token::Text(part()),
            6 => Token::Escaped(part()),
            7 => Token::Object(part()),
            8 => Token::Array(part()),
            ASIDE => aside.get(start).copied().unwrap_or(Token::Absent),
            _ => Token::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_every_place_of_the_longest_text() {
        let text = "0123456789";
        assert_eq!(Lexeme::new(Kind::Number, 3, 7).token(text, &[]), Token::Number("3456"));
        assert_eq!(Lexeme::new(Kind::Text, 10, 10).token(text, &[]), Token::Text(""));
        let last = Lexeme::new(Kind::Text, MAX_TEXT, MAX_TEXT);
        assert_eq!((last.start(), last.0 >> 34, last.0 & 0xf), (MAX_TEXT, 0, 5));
        let all = Lexeme::new(Kind::Text, 0, MAX_TEXT);
        assert_eq!((all.start(), all.0 >> 34), (0, MAX_TEXT as u64));
        assert_eq!(Lexeme::new(Kind::Text, 0, MAX_TEXT + 1), Lexeme::ABSENT);
    }

    #[test]
    fn a_token_may_stand_beside_the_text() {
        let aside = [Token::NotUtf8, Token::Text("b")];
        assert_eq!(Lexeme::aside(1).token("text", &aside), Token::Text("b"));
        assert_eq!(Lexeme::aside(2).token("text", &aside), Token::Absent);
    }
}
