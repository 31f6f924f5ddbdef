//! Strings: where they end, and what their escapes mean.

use wide::u8x16;

/// The first byte from `at` on that is a quote, a backslash or a control character; the end, where none is.
///
/// Looks at sixteen bytes at a time: most of a record is inside strings.
#[inline]
pub(super) fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let found = special(u8x16::new(*block));
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    plain_until_end(bytes, at)
}

/// The same within the last few bytes of a text.
#[cold]
fn plain_until_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' || *byte == b'\\' || *byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// A bit for each byte that is special, the first one's lowest.
#[inline]
fn special(block: u8x16) -> u32 {
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let backslash = block.simd_eq(u8x16::splat(b'\\'));
    (control | quote | backslash).to_bitmask()
}

/// How many bytes the escape at `at` takes; nothing where it is unsound, a lone surrogate included.
pub(super) fn escape_length(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match hex(bytes, at + 2)? {
            0xd800..0xdc00 => {
                let low = (bytes.get(at + 6..at + 8)? == b"\\u").then(|| hex(bytes, at + 8))??;
                (0xdc00..0xe000).contains(&low).then_some(12)
            }
            0xdc00..0xe000 => None,
            _ => Some(6),
        },
        _ => None,
    }
}

fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let mut code = 0;
    for byte in bytes.get(at..at + 4)? {
        code = code * 16 + char::from(*byte).to_digit(16)?;
    }
    Some(code)
}

/// The text that `raw`, the inside of a sound string, stands for.
#[cold]
pub(in crate::codec) fn unescape(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut text = String::with_capacity(raw.len());
    let mut rest = 0;
    while let Some(at) = memchr::memchr(b'\\', bytes.get(rest..).unwrap_or_default()).map(|i| i + rest) {
        text.push_str(raw.get(rest..at).unwrap_or_default());
        let code = |at| hex(bytes, at).unwrap_or_default();
        text.push(match bytes.get(at + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = code(at + 2);
                let scalar = if (0xd800..0xdc00).contains(&high) {
                    0x10000 + ((high - 0xd800) << 10) + (code(at + 8).wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    high
                };
                // The scanner let only whole pairs through, so this is a character.
                char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            // A quote, a backslash or a slash stands for itself.
            other => other.copied().map_or(char::REPLACEMENT_CHARACTER, char::from),
        });
        // The scanner let only sound escapes through.
        rest = at + escape_length(bytes, at).unwrap_or(2);
    }
    text.push_str(raw.get(rest..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_is_found_at_every_place() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for before in 0..20 {
                for after in 0..20 {
                    let mut bytes = vec![b'\x7f'; before];
                    bytes.push(special);
                    bytes.extend(std::iter::repeat_n(b'\x21', after));
                    assert_eq!(plain_until(&bytes, 0), before, "{special} after {before}");
                }
            }
        }
        for plain in 0x20..=0xff {
            if plain != b'"' && plain != b'\\' {
                assert_eq!(plain_until(&[plain; 19], 0), 19, "{plain}");
            }
        }
    }

    #[test]
    fn escapes_stand_for_what_the_grammar_says() {
        for (raw, text) in [
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"a\u00e4b\u0000", "aäb\0"),
            (r"\ud83d\ude00!", "😀!"),
            (r"ä\u20AC", "ä€"),
            (r"\uFFFF\uD7ff", "\u{ffff}\u{d7ff}"),
        ] {
            assert_eq!(unescape(raw), text);
        }
    }

    #[test]
    fn unsound_escapes_are_refused() {
        for raw in
            [r"\x", r"\u12", r"\u12g4", r"\ud800", r"\udc00", r"\ud800A", r"\ud800\ud800", r"\u+123", "\\"]
        {
            assert_eq!(escape_length(raw.as_bytes(), 0), None, "{raw}");
        }
    }
}
