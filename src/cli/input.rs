//! CloudEvents from a file or stdin: one object, an array, or JSON lines.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::exit::{Failure, Status};
use crate::codec::event::http::{FormError, Item, Rejected, split};

/// A document that is not JSON lines is held in memory whole, up to this.
const MAX_DOCUMENT_BYTES: u64 = 256 * 1024 * 1024;
/// A longer line is no event: a record has a mebibyte by default.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// One event of the input, or why it is none.
pub struct Entry {
    /// `line 3`, or `item 3` of an array.
    pub place: String,
    pub item: Result<Item, String>,
}

/// Reads the input entry by entry; JSON lines without holding more than one.
pub struct Input {
    reader: Box<dyn BufRead>,
    name: String,
    state: State,
}

enum State {
    Start,
    Lines { number: u64 },
    Document(std::vec::IntoIter<Entry>),
    Ended,
}

impl Input {
    /// `-` is stdin.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(BufReader::new(std::io::stdin())), "stdin"));
        }
        let file = std::fs::File::open(path).map_err(|error| {
            Failure::text(Status::Usage, format!("{} cannot be read: {error}", path.display()))
        })?;
        Ok(Self::new(Box::new(BufReader::new(file)), &path.display().to_string()))
    }

    fn new(reader: Box<dyn BufRead>, name: &str) -> Self {
        Self { reader, name: name.to_owned(), state: State::Start }
    }

    /// The next entry; nothing at the end.
    pub fn next(&mut self) -> Result<Option<Entry>, Failure> {
        loop {
            match &mut self.state {
                State::Start => {
                    if let Some(first) = self.start()? {
                        return Ok(Some(first));
                    }
                }
                State::Document(entries) => return Ok(entries.next()),
                State::Ended => return Ok(None),
                State::Lines { number } => {
                    let before = *number;
                    match self.line(before)? {
                        None => self.state = State::Ended,
                        Some((number, line)) => {
                            self.state = State::Lines { number };
                            return Ok(Some(of_line(number, &line)));
                        }
                    }
                }
            }
        }
    }

    /// JSON lines where the first line is a whole object; else the input is one document.
    fn start(&mut self) -> Result<Option<Entry>, Failure> {
        let Some((number, line)) = self.line(0)? else {
            self.state = State::Ended;
            return Ok(None);
        };
        let is_object =
            line.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok();
        if is_object {
            self.state = State::Lines { number };
            return Ok(Some(of_line(number, &line)));
        }
        let mut text = line;
        text.push(b'\n');
        let rest = self.reader.by_ref().take(MAX_DOCUMENT_BYTES).read_to_end(&mut text);
        let rest = rest.map_err(|error| self.unreadable(&error))?;
        if rest as u64 >= MAX_DOCUMENT_BYTES {
            let text = format!(
                "{} is larger than {} MiB; send it as JSON lines, one event a line",
                self.name,
                MAX_DOCUMENT_BYTES >> 20
            );
            return Err(Failure::text(Status::Usage, text));
        }
        self.state = State::Document(document(&text).into_iter());
        Ok(None)
    }

    /// The next line that is not blank, and its number, counted from 1.
    fn line(&mut self, mut number: u64) -> Result<Option<(u64, Vec<u8>)>, Failure> {
        loop {
            let mut line = Vec::new();
            let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            let read = read.map_err(|error| self.unreadable(&error))?;
            if read == 0 {
                return Ok(None);
            }
            number += 1;
            if read as u64 == MAX_LINE_BYTES {
                let text = format!("{} line {number} is longer than {} MiB", self.name, MAX_LINE_BYTES >> 20);
                return Err(Failure::text(Status::Usage, text));
            }
            let trimmed = line.trim_ascii();
            let trimmed =
                if number == 1 { trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed) } else { trimmed };
            if !trimmed.is_empty() {
                return Ok(Some((number, trimmed.to_vec())));
            }
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> Failure {
        Failure::text(Status::Usage, format!("{} cannot be read: {error}", self.name))
    }
}

fn of_line(number: u64, line: &[u8]) -> Entry {
    let item = match split(line) {
        Err(error) => Err(described(&error)),
        Ok(items) if items.len() > 1 => Err("a line holds one event, this one holds several".to_owned()),
        Ok(items) => match items.into_iter().next() {
            None => Err("holds no event".to_owned()),
            Some(item) => item.map_err(|rejected| rejected.malformed.to_string()),
        },
    };
    Entry { place: format!("line {number}"), item }
}

fn document(text: &[u8]) -> Vec<Entry> {
    match split(text) {
        Err(error) => vec![Entry { place: "the input".to_owned(), item: Err(described(&error)) }],
        Ok(items) => {
            let place = |index: usize| format!("item {}", index + 1);
            let entry = |(index, item): (usize, Result<Item, Rejected>)| Entry {
                place: place(index),
                item: item.map_err(|rejected| match rejected.event_id {
                    Some(id) => format!("{id}: {}", rejected.malformed),
                    None => rejected.malformed.to_string(),
                }),
            };
            items.into_iter().enumerate().map(entry).collect()
        }
    }
}

fn described(error: &FormError) -> String {
    match error {
        FormError::Body(malformed) => malformed.to_string(),
        other => other.to_string(),
    }
}
