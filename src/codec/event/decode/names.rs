//! Field names of one kind of object, found without comparing with each: the one that follows in the contract's
//! table is looked for first, the others by a perfect hash made at compile time.

use wide::u8x16;

use crate::codec::event::json::{KEY_WINDOW, Scanner, SyntaxError};

/// A field: its place among an object's slots, and its name for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub slot: usize,
    pub name: &'static str,
}

/// A field in one of its spellings: twice its slot, one more for camelCase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelled(u8);

impl Spelled {
    #[inline]
    pub(super) fn slot(self) -> usize {
        usize::from(self.0 >> 1)
    }

    #[inline]
    pub(super) fn is(self, field: Field) -> bool {
        self.slot() == field.slot
    }

    /// A bit of its own.
    #[inline]
    pub(super) fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }

    /// The bit of the field's other spelling.
    #[inline]
    pub(super) fn other_bit(self) -> u64 {
        1 << ((self.0 ^ 1) & 63)
    }
}

const NONE: u8 = u8::MAX;

/// The fields of one kind of object in both spellings; the second is empty where they do not differ.
pub(super) struct Names {
    seed: u64,
    /// By hash: a [`Spelled`].
    table: [u8; 256],
    /// By [`Spelled`].
    known: [Known; SPELLINGS],
    /// By [`Spelled`]: the next field in the same spelling, where it has both; the first behind the last.
    next: [u8; SPELLINGS],
}

const SPELLINGS: usize = 2 * super::object::SLOTS;

/// Which name comes next, if whoever writes keeps to the contract's order and to one spelling.
pub(super) struct Expected(u8);

impl Expected {
    pub(super) const FIRST: Self = Self(0);
}

/// A name as it stands before a value: in quotes, a colon behind it.
#[derive(Clone, Copy)]
struct Known {
    text: [u8; KEY_WINDOW],
    /// A bit for each byte of `text`: set behind the colon.
    behind: u32,
    /// Of the name alone.
    length: usize,
}

/// Longest name that is looked up.
const LONGEST: usize = KEY_WINDOW - 3;

impl Known {
    const NOTHING: Self = Self { text: [0; KEY_WINDOW], behind: 0, length: 0 };

    const fn new(name: &[u8]) -> Self {
        let length = name.len();
        assert!(length <= LONGEST);
        let mut text = [0; KEY_WINDOW];
        text[0] = b'"';
        let mut i = 0;
        while i < length {
            text[i + 1] = name[i];
            i += 1;
        }
        text[length + 1] = b'"';
        text[length + 2] = b':';
        let behind = if length == LONGEST { 0 } else { u32::MAX << (length + 3) };
        Self { text, behind, length }
    }

    /// Whether these bytes begin with the name, its quotes and its colon.
    #[inline]
    fn begins(&self, window: &[u8; KEY_WINDOW]) -> bool {
        let (a, b) = (halves(&self.text), halves(window));
        let same = a[0].simd_eq(b[0]).to_bitmask() | a[1].simd_eq(b[1]).to_bitmask() << 16;
        same | self.behind == u32::MAX
    }

    #[inline]
    fn is(&self, name: &[u8]) -> bool {
        self.text.get(1..=self.length) == Some(name)
    }
}

#[inline]
fn halves(window: &[u8; KEY_WINDOW]) -> [u8x16; 2] {
    let half = |at: usize| window.get(at..).and_then(|half| half.first_chunk::<16>()).copied();
    [half(0), half(16)].map(|half| u8x16::new(half.unwrap_or_default()))
}

impl Names {
    /// Compiled in; a table without a seed would not compile.
    pub(super) const fn new(names: &[(&str, &str)]) -> Self {
        assert!(names.len() <= super::object::SLOTS);
        let mut known = [Known::NOTHING; SPELLINGS];
        let mut next = [0; SPELLINGS];
        let mut i = 0;
        while i < names.len() {
            known[2 * i] = Known::new(names[i].0.as_bytes());
            known[2 * i + 1] = Known::new(names[i].1.as_bytes());
            if i + 1 < names.len() {
                // There are fewer than 127 names: `SLOTS` bounds them.
                next[2 * i] = 2 * (i as u8 + 1);
                next[2 * i + 1] = next[2 * i] + !names[i + 1].1.is_empty() as u8;
            }
            i += 1;
        }
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            if let Some(table) = place(names, seed) {
                return Self { seed, table, known, next };
            }
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1442695040888963407);
        }
    }

    /// Reads the name that is next in `scanner`, with its colon. Nothing where no field has that name.
    #[inline]
    pub(super) fn next(
        &self,
        scanner: &mut Scanner<'_>,
        expected: &mut Expected,
    ) -> Result<Option<Spelled>, Box<SyntaxError>> {
        let found = match self.known.get(usize::from(expected.0)) {
            Some(known) if scanner.pass_key(known.length + 3, |window| known.begins(window)) => {
                Spelled(expected.0)
            }
            _ => match self.find(scanner)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        expected.0 = self.next.get(usize::from(found.0)).copied().unwrap_or_default();
        Ok(Some(found))
    }

    /// The same, whatever is expected.
    #[inline(never)]
    fn find(&self, scanner: &mut Scanner<'_>) -> Result<Option<Spelled>, Box<SyntaxError>> {
        let key = scanner.key()?;
        if key.escaped {
            return Ok(self.named(&scanner.name(key).text()));
        }
        Ok(self.find_in(scanner.text().as_bytes(), key.start, key.end - key.start))
    }

    /// The field with this name.
    pub(super) fn named(&self, name: &str) -> Option<Spelled> {
        self.find_in(name.as_bytes(), 0, name.len())
    }

    /// The field whose name takes `length` bytes from `start` on.
    #[inline]
    fn find_in(&self, bytes: &[u8], start: usize, length: usize) -> Option<Spelled> {
        let (first, last) = match length {
            8..=LONGEST => (word_at(bytes, start)?, word_at(bytes, start + length - 8)?),
            1..8 => {
                let word = match word_at(bytes, start) {
                    Some(word) => word,
                    None => last_word(bytes.get(start..)?),
                };
                (word & ((1 << (8 * length)) - 1), 0)
            }
            _ => return None,
        };
        // A u8 cannot lie outside a table of 256.
        let found = self.table[hash(self.seed, length, first, last) as usize];
        let known = self.known.get(usize::from(found))?;
        known.is(bytes.get(start..start + length)?).then_some(Spelled(found))
    }
}

#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
}

/// The last few bytes of a text, as far as they go.
#[cold]
fn last_word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

const fn place(names: &[(&str, &str)], seed: u64) -> Option<[u8; 256]> {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < 2 * names.len() {
        let (snake, camel) = names[i / 2];
        let name = if i % 2 == 0 { snake.as_bytes() } else { camel.as_bytes() };
        let n = name.len();
        if n > 0 {
            let whole = if n < 8 { n } else { 8 };
            let last = if n < 8 { 0 } else { const_word(name, n - 8, 8) };
            let at = hash(seed, n, const_word(name, 0, whole), last) as usize;
            if table[at] != NONE {
                return None;
            }
            // There are fewer than 127 names: `SLOTS` bounds them.
            table[at] = i as u8;
        }
        i += 1;
    }
    Some(table)
}

const fn const_word(name: &[u8], at: usize, length: usize) -> u64 {
    let mut word = 0;
    let mut i = length;
    while i > 0 {
        i -= 1;
        word = word << 8 | name[at + i] as u64;
    }
    word
}

/// Of the length, the first eight bytes and the last, zero where there are fewer: enough to tell the names of one
/// object apart, which [`Names::new`] proves.
#[inline]
const fn hash(seed: u64, length: usize, first: u64, last: u64) -> u8 {
    let word = first ^ last.rotate_left(29) ^ (length as u64) << 56;
    (word.wrapping_mul(seed) >> 56) as u8
}

/// Declares the fields of one kind of object: `slot name`, snake_case, camelCase.
macro_rules! fields {
    ($(#[$doc:meta])* $module:ident { $($field:ident $snake:literal $camel:literal)* }) => {
        $(#[$doc])*
        #[allow(dead_code, reason = "some fields are known so that they may be there, and are not read")]
        pub(super) mod $module {
            use crate::codec::event::decode::names::{Field, Names};

            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "counts the fields")]
            enum Slot { $($field),* }
            $(pub(in crate::codec::event::decode) const $field: Field =
                Field { slot: Slot::$field as usize, name: $snake };)*
            pub(in crate::codec::event::decode) const SPELLINGS: &[(&str, &str)] = &[$(($snake, $camel)),*];
            pub(in crate::codec::event::decode) static NAMES: Names = Names::new(SPELLINGS);
        }
    };
}
pub(super) use fields;

#[cfg(test)]
mod tests {
    use super::{Expected, Scanner, Spelled};
    use crate::codec::event::decode::level::level_changed;

    const NAMES: &super::Names = &level_changed::NAMES;

    #[test]
    fn every_name_is_found_in_its_spelling_and_nothing_like_it() {
        for (slot, (snake, camel)) in level_changed::SPELLINGS.iter().enumerate() {
            assert_eq!(NAMES.named(snake), Some(Spelled(2 * slot as u8)));
            if !camel.is_empty() {
                assert_eq!(NAMES.named(camel), Some(Spelled(2 * slot as u8 + 1)));
            }
            for name in [snake, camel] {
                for at in 0..name.len() {
                    let mut other = name.as_bytes().to_vec();
                    other[at] ^= 1;
                    let other = String::from_utf8(other).expect("still ASCII");
                    assert_eq!(NAMES.named(&other), None, "{other}");
                    assert_eq!(NAMES.named(&name[..at]), None, "{}", &name[..at]);
                }
                for longer in
                    [format!("{name}x"), format!("x{name}"), format!("{name}{name}"), format!("{name}\0")]
                {
                    assert_eq!(NAMES.named(&longer), None, "{longer}");
                }
            }
        }
        assert_eq!(NAMES.named(""), None);
        assert_eq!(NAMES.named(&"x".repeat(33)), None);
    }

    #[test]
    fn what_is_expected_and_what_is_not_are_found_alike() {
        let spelled = |slot: usize, camel: u8| Some(Spelled(2 * slot as u8 + camel));
        let all: Vec<_> = level_changed::SPELLINGS
            .iter()
            .enumerate()
            .flat_map(|(slot, (snake, camel))| [(*snake, spelled(slot, 0)), (*camel, spelled(slot, 1))])
            .filter(|(name, _)| !name.is_empty())
            .chain([("new_stock_leve", None), ("new_stock_level_", None), ("skus", None), ("", None)])
            .collect();
        for (first, found_first) in &all {
            for (second, found_second) in &all {
                for (colon, behind) in [(":", ""), (":", "                                "), (" : ", "")] {
                    let text = format!("\"{first}\"{colon}\"{second}\"{colon}{behind}");
                    let (mut scanner, mut expected) = (Scanner::new(&text), Expected::FIRST);
                    assert_eq!(NAMES.next(&mut scanner, &mut expected), Ok(*found_first), "{text}");
                    assert_eq!(NAMES.next(&mut scanner, &mut expected), Ok(*found_second), "{text}");
                    assert_eq!(scanner.rest(), "", "{text}");
                }
            }
        }
    }

    #[test]
    fn a_name_is_found_wherever_the_text_ends() {
        for behind in 0..12 {
            let text = format!("{{\"sku{}", "\"".repeat(behind));
            assert_eq!(NAMES.find_in(text.as_bytes(), 2, 3), Some(Spelled(0)), "{behind}");
        }
    }
}
