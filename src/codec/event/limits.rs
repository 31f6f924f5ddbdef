//! What a text may be that becomes part of a row: the ids of entries, and names such as a status.

/// Longest id of an entry, in bytes: it is part of a row key.
pub const MAX_LABEL_BYTES: usize = 255;

/// Whether `text` may be the id of an entry or the name of a status, type, method or class: 1 to 255 bytes
/// without control characters. Says what is expected where not.
pub(in crate::codec) fn check_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > MAX_LABEL_BYTES || has_control(text) {
        return Err("1 to 255 bytes without control characters");
    }
    Ok(())
}

/// Almost every id is plain ASCII, which is quickly seen: without stopping early, many bytes at a time.
#[inline]
fn is_printable_ascii(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (0x20..0x7f).contains(&byte))
}

fn has_control(text: &str) -> bool {
    !is_printable_ascii(text) && text.chars().any(char::is_control)
}
