//! Field names of one kind of object, found without comparing with each: a perfect hash made at compile time.

use crate::codec::event::json::{Key, Scanner};

/// A field: its place among an object's slots, and its name for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub slot: usize,
    pub name: &'static str,
}

/// How a field's name was spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `hold_id`
    Snake,
    /// `holdId`
    Camel,
}

const NONE: u8 = u8::MAX;

/// The fields of one kind of object in both spellings; the second is empty where they do not differ.
pub(super) struct Names {
    names: &'static [(&'static str, &'static str)],
    seed: u64,
    /// By hash: twice the slot, one more for the camelCase spelling.
    table: [u8; 256],
    /// By what the table says.
    words: [Words; 2 * super::object::SLOTS],
}

/// A name of 32 bytes at most as four words: its first eight bytes and its last, and between them the next
/// and the last but these. They overlap where it is shorter; with the length they say all of it.
type Words = [u64; 4];

/// Longest name that is looked up.
const LONGEST: usize = 32;

impl Names {
    /// Compiled in; a table without a seed would not compile.
    pub(super) const fn new(names: &'static [(&'static str, &'static str)]) -> Self {
        assert!(names.len() <= super::object::SLOTS);
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            if let Some(table) = place(names, seed) {
                return Self { names, seed, table, words: all_words(names) };
            }
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1442695040888963407);
        }
    }

    /// The slot of the field with the name that stands at `key`.
    #[inline]
    pub(super) fn find(&self, scanner: &Scanner<'_>, key: Key) -> Option<(usize, Spelling)> {
        if key.escaped {
            return self.named(&scanner.name(key).text());
        }
        self.find_in(scanner.text().as_bytes(), key.start, key.end - key.start)
    }

    /// The slot of the field with this name.
    pub(super) fn named(&self, name: &str) -> Option<(usize, Spelling)> {
        self.find_in(name.as_bytes(), 0, name.len())
    }

    #[inline]
    fn find_in(&self, bytes: &[u8], start: usize, length: usize) -> Option<(usize, Spelling)> {
        let words = words(bytes, start, length)?;
        // A u8 cannot lie outside a table of 256.
        let found = usize::from(self.table[hash(self.seed, length, &words) as usize]);
        if *self.words.get(found)? != words {
            return None;
        }
        let (snake, camel) = self.names.get(found >> 1)?;
        let (name, spelling) =
            if found & 1 == 0 { (snake, Spelling::Snake) } else { (camel, Spelling::Camel) };
        (name.len() == length).then_some((found >> 1, spelling))
    }
}

/// The words of the name that begins at `start`; nothing where it is too long.
#[inline]
fn words(bytes: &[u8], start: usize, length: usize) -> Option<Words> {
    Some(match length {
        0..8 => {
            let word = match word_at(bytes, start) {
                Some(word) => word,
                None => short_word(bytes.get(start..)?),
            };
            [word & ((1 << (8 * length)) - 1), 0, 0, 0]
        }
        8..=16 => [word_at(bytes, start)?, word_at(bytes, start + length - 8)?, 0, 0],
        17..=LONGEST => [
            word_at(bytes, start)?,
            word_at(bytes, start + length - 8)?,
            word_at(bytes, start + 8)?,
            word_at(bytes, start + length - 16)?,
        ],
        _ => return None,
    })
}

#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
}

/// The last few bytes of a text, as far as they go.
#[cold]
fn short_word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

const fn all_words(names: &[(&str, &str)]) -> [Words; 2 * super::object::SLOTS] {
    let mut all = [[0; 4]; 2 * super::object::SLOTS];
    let mut i = 0;
    while i < names.len() {
        all[2 * i] = const_words(names[i].0.as_bytes());
        all[2 * i + 1] = const_words(names[i].1.as_bytes());
        i += 1;
    }
    all
}

/// As [`words`], at compile time.
const fn const_words(name: &[u8]) -> Words {
    assert!(name.len() <= LONGEST);
    let n = name.len();
    if n < 8 {
        [const_word(name, 0, n), 0, 0, 0]
    } else if n <= 16 {
        [const_word(name, 0, 8), const_word(name, n - 8, 8), 0, 0]
    } else {
        let (first, last) = (const_word(name, 0, 8), const_word(name, n - 8, 8));
        [first, last, const_word(name, 8, 8), const_word(name, n - 16, 8)]
    }
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

const fn place(names: &[(&str, &str)], seed: u64) -> Option<[u8; 256]> {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < names.len() {
        let (snake, camel) = names[i];
        let at = hash(seed, snake.len(), &const_words(snake.as_bytes())) as usize;
        if table[at] != NONE {
            return None;
        }
        // There are fewer than 127 names: `SLOTS` bounds them.
        table[at] = (i as u8) << 1;
        if !camel.is_empty() {
            let at = hash(seed, camel.len(), &const_words(camel.as_bytes())) as usize;
            if table[at] != NONE {
                return None;
            }
            table[at] = ((i as u8) << 1) | 1;
        }
        i += 1;
    }
    Some(table)
}

/// Of the length, the first word and the last: enough to tell the names of one object apart, which
/// [`Names::new`] proves.
#[inline]
const fn hash(seed: u64, length: usize, words: &Words) -> u8 {
    let word = words[0] ^ words[1].rotate_left(29) ^ (length as u64) << 56;
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
            pub(in crate::codec::event::decode) static NAMES: Names = Names::new(&[$(($snake, $camel)),*]);
        }
    };
}
pub(super) use fields;

#[cfg(test)]
mod tests {
    use super::super::level::level_changed;
    use super::Spelling;

    const NAMES: &super::Names = &level_changed::NAMES;

    #[test]
    fn every_name_is_found_in_its_spelling_and_nothing_like_it() {
        for (slot, (snake, camel)) in NAMES.names.iter().enumerate() {
            assert_eq!(NAMES.named(snake), Some((slot, Spelling::Snake)));
            if !camel.is_empty() {
                assert_eq!(NAMES.named(camel), Some((slot, Spelling::Camel)));
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
    fn a_name_is_found_wherever_the_text_ends() {
        for behind in 0..12 {
            let text = format!("{{\"sku{}", "\"".repeat(behind));
            assert_eq!(NAMES.find_in(text.as_bytes(), 2, 3), Some((0, Spelling::Snake)), "{behind}");
        }
    }
}
