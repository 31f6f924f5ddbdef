use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::exit::Failure;

/// Data for stdout. A reader that goes away (`head`) ends the verb without a panic.
pub struct Output {
    to: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub fn new() -> Self {
        Self { to: BufWriter::new(io::stdout().lock()) }
    }

    /// One line.
    pub fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.to, "{text}")?)
    }

    /// A JSON document on a line of its own.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)?;
        self.line(text)
    }

    /// What was written so far is with the reader.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.to.flush()?)
    }
}

/// Text for people, on stderr; nothing can be done where that is closed.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
