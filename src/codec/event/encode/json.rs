use std::fmt::Display;
use std::io::Write as _;

/// Writes compact JSON in the order it is told.
pub(in crate::codec) struct Writer {
    out: Vec<u8>,
}

/// An object under way.
pub(in crate::codec) struct ObjectWriter<'w> {
    out: &'w mut Vec<u8>,
    is_first: bool,
}

impl Writer {
    pub(in crate::codec) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub(in crate::codec) fn object(&mut self, members: impl FnOnce(&mut ObjectWriter<'_>)) {
        braces(&mut self.out, members);
    }

    pub(in crate::codec) fn finish(self) -> Vec<u8> {
        self.out
    }
}

fn braces(out: &mut Vec<u8>, members: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    members(&mut ObjectWriter { out, is_first: true });
    out.push(b'}');
}

impl ObjectWriter<'_> {
    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        string(self.out, name);
        self.out.push(b':');
    }

    pub(in crate::codec) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        string(self.out, text);
    }

    pub(in crate::codec) fn optional_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A member whose value shows itself as JSON: a number or a truth value.
    pub(in crate::codec) fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // Writing to a vector does not fail.
        let _ = write!(self.out, "{value}");
    }

    pub(in crate::codec) fn texts<T: Display>(&mut self, name: &str, texts: &[T]) {
        self.name(name);
        self.out.push(b'[');
        for (i, text) in texts.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            string(self.out, &text.to_string());
        }
        self.out.push(b']');
    }

    pub(in crate::codec) fn null(&mut self, name: &str) {
        self.plain(name, "null");
    }

    pub(in crate::codec) fn object(&mut self, name: &str, members: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.name(name);
        braces(self.out, members);
    }

    pub(in crate::codec) fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut members: impl FnMut(T, &mut ObjectWriter<'_>),
    ) {
        self.name(name);
        self.out.push(b'[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            braces(self.out, |object| members(item, object));
        }
        self.out.push(b']');
    }
}

pub(in crate::codec) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    // Almost every text is plain, which is quickly seen: without stopping early, many bytes at a time.
    if rest.bytes().fold(true, |plain, b| plain & (b >= 0x20) & (b != b'"') & (b != b'\\')) {
        out.extend_from_slice(rest.as_bytes());
        out.push(b'"');
        return;
    }
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            // Writing to a vector does not fail.
            Some(control) => drop(write!(out, "\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}
