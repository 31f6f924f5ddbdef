use std::borrow::Cow;

use super::lexeme::{Kind, Lexeme};
use super::{SyntaxError, string, unescape};

/// Deepest nesting that is read: the outermost object is level 1.
pub(in crate::codec) const MAX_DEPTH: u32 = 64;

/// How many bytes are looked at to see whether a member's name stands there.
pub(in crate::codec) const KEY_WINDOW: usize = 32;

/// A place in a JSON text.
pub(in crate::codec) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

/// Where a member's name stands, between its quotes.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) struct Key {
    pub start: usize,
    pub end: usize,
    pub escaped: bool,
}

/// A member's name.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) struct Name<'a> {
    /// What stands between the quotes.
    raw: &'a str,
    escaped: bool,
}

impl<'a> Name<'a> {
    #[inline]
    pub(in crate::codec) fn text(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// Boxed, so that what is scanned comes back in registers.
type Scanned<T> = Result<T, Box<SyntaxError>>;

impl<'a> Scanner<'a> {
    pub(in crate::codec) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0 }
    }

    #[cold]
    fn error(&self, expected: &'static str) -> Box<SyntaxError> {
        Box::new(SyntaxError { at: self.at, expected, too_deep: false })
    }

    #[cold]
    fn too_deep(&self) -> Box<SyntaxError> {
        Box::new(SyntaxError { at: self.at, expected: "", too_deep: true })
    }

    /// All of it, read or not.
    #[inline]
    pub(in crate::codec) fn text(&self) -> &'a str {
        self.text
    }

    #[inline]
    pub(in crate::codec) fn name(&self, key: Key) -> Name<'a> {
        Name { raw: self.between(key.start, key.end), escaped: key.escaped }
    }

    /// The object that began at `start` and has just ended.
    #[inline]
    pub(in crate::codec) fn object_since(&self, start: usize) -> Lexeme {
        Lexeme::new(Kind::Object, start, self.at)
    }

    #[inline]
    pub(in crate::codec) fn at(&self) -> usize {
        self.at
    }

    /// The text from `start`, a place this scanner has been at, to here.
    #[inline]
    pub(in crate::codec) fn since(&self, start: usize) -> &'a str {
        self.between(start, self.at)
    }

    /// What is still to be read.
    pub(in crate::codec) fn rest(&self) -> &'a str {
        self.between(self.at, self.text.len())
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over white space, which machines seldom write.
    #[inline]
    pub(in crate::codec) fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.spaces();
        }
    }

    #[cold]
    fn spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The text between two bytes that are known to be ASCII: a scanner stops nowhere else.
    #[inline]
    fn between(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn expect(&mut self, byte: u8, expected: &'static str) -> Scanned<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(expected))
    }

    #[inline]
    fn enter(&mut self) -> Scanned<()> {
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    /// Nothing but white space follows.
    #[inline]
    pub(in crate::codec) fn end(&mut self) -> Scanned<()> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error("the end of the value")) }
    }

    /// Whether the next value is an object.
    #[inline]
    pub(in crate::codec) fn is_object(&self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Whether the next value is an array.
    pub(in crate::codec) fn is_array(&self) -> bool {
        self.peek() == Some(b'[')
    }

    /// Reads the next value, whatever it is.
    #[inline]
    pub(in crate::codec) fn value(&mut self) -> Scanned<Lexeme> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                let Key { start, end, escaped } = self.string()?;
                Ok(Lexeme::new(if escaped { Kind::Escaped } else { Kind::Text }, start, end))
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(Lexeme::new(Kind::Number, start, self.at))
            }
            _ => self.other_value(),
        }
    }

    /// Not a string and not a number: rarer, and kept out of the loop that reads members.
    #[inline(never)]
    fn other_value(&mut self) -> Scanned<Lexeme> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => {
                self.members(|scanner| {
                    scanner.key()?;
                    scanner.value().map(|_| ())
                })?;
                Ok(self.object_since(start))
            }
            Some(b'[') => {
                self.elements(|scanner| scanner.value().map(|_| ()))?;
                Ok(Lexeme::new(Kind::Array, start, self.at))
            }
            Some(b'n') => self.literal("null", Kind::Null),
            Some(b't') => self.literal("true", Kind::True),
            Some(b'f') => self.literal("false", Kind::False),
            _ => Err(self.error("a value")),
        }
    }

    /// Reads an object; `member` is called before each name and has to read it ([`Self::key`]) and the value
    /// behind it.
    #[inline]
    pub(in crate::codec) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Scanned<()>,
    ) -> Scanned<()> {
        self.enter()?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            member(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.error("a comma or a closing brace")),
            }
            self.space();
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads a member's name and its colon.
    #[inline]
    pub(in crate::codec) fn key(&mut self) -> Scanned<Key> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a name in quotes"));
        }
        let key = self.string()?;
        self.space();
        self.expect(b':', "a colon")?;
        self.space();
        Ok(key)
    }

    /// Passes over a member's name with its quotes and its colon, `length` bytes, where `is_it` says of the next
    /// [`KEY_WINDOW`] bytes that they begin with it. Says whether it did.
    #[inline]
    pub(in crate::codec) fn pass_key(
        &mut self,
        length: usize,
        is_it: impl FnOnce(&[u8; KEY_WINDOW]) -> bool,
    ) -> bool {
        let stands_here = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).is_some_and(is_it);
        if stands_here {
            self.at += length;
            self.space();
        }
        stands_here
    }

    /// The name whose opening quote stands at `at`, where this scanner has read it.
    #[cold]
    pub(in crate::codec) fn name_at(&self, at: usize) -> Name<'a> {
        let mut again = Self { at, ..Self::new(self.text) };
        match again.string() {
            Ok(key) => self.name(key),
            Err(_) => Name { raw: "", escaped: false },
        }
    }

    /// Reads an array; `element` is called before each value and has to read it.
    pub(in crate::codec) fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Scanned<()>,
    ) -> Scanned<()> {
        self.enter()?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            element(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.error("a comma or a closing bracket")),
            }
            self.space();
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads the string whose opening quote is next.
    #[inline]
    fn string(&mut self) -> Scanned<Key> {
        let start = self.at + 1;
        let end = string::plain_until(self.bytes, start);
        self.at = end;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Key { start, end, escaped: false });
        }
        self.escaped_string(start)
    }

    #[cold]
    fn escaped_string(&mut self, start: usize) -> Scanned<Key> {
        loop {
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Key { start, end, escaped: true });
                }
                Some(b'\\') => match string::escape_length(self.bytes, self.at) {
                    Some(length) => self.at += length,
                    None => return Err(self.error("a sound escape")),
                },
                _ => return Err(self.error("a closing quote, and control characters escaped")),
            }
            self.at = string::plain_until(self.bytes, self.at);
        }
    }

    #[inline]
    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit")) } else { Ok(()) }
    }

    #[inline]
    fn number(&mut self) -> Scanned<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn literal(&mut self, word: &'static str, kind: Kind) -> Scanned<Lexeme> {
        let start = self.at;
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(Lexeme::new(kind, start, self.at));
        }
        Err(self.error("null, true or false"))
    }
}
