use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// A page of a list. `next` is given back as `after` to go on; nothing at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// Where a list goes on, as an opaque text: what it belongs to, so that a token of another list is refused,
/// and the last item shown. It names a key, not a count: writes in between make neither gaps nor repeats.
#[must_use]
pub fn token(kind: &str, last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{kind}\0{last}"))
}

/// The last item of the token; nothing where this list gave no such token.
#[must_use]
pub fn untoken(kind: &str, token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (found, last) = text.strip_prefix('1')?.split_once('\0')?;
    (found == kind).then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_list() {
        let holds = token("holds", "H\u{fc}-1");
        assert_eq!(untoken("holds", &holds).as_deref(), Some("H\u{fc}-1"));
        for (kind, text) in [("lots", holds.as_str()), ("holds", ""), ("holds", "!!"), ("holds", "AAAA")] {
            assert_eq!(untoken(kind, text), None, "{kind} {text}");
        }
    }
}
