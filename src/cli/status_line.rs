//! The live line at the bottom of a terminal. Log lines go above it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

const WIPE: &str = "\r\x1b[2K";

/// The line, shared with whoever else writes to stderr.
#[derive(Clone, Default)]
pub struct StatusLine {
    shown: Arc<Mutex<String>>,
}

impl StatusLine {
    /// Shows `text` in place of what stood there.
    pub fn show(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone_into(&mut shown);
        super::output::to_stderr(&format!("{WIPE}{text}"));
    }

    /// Takes the line away.
    pub fn end(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !shown.is_empty() {
            shown.clear();
            super::output::to_stderr(WIPE);
        }
    }
}

impl<'a> MakeWriter<'a> for StatusLine {
    type Writer = Above;

    fn make_writer(&'a self) -> Above {
        Above { shown: Arc::clone(&self.shown) }
    }
}

/// Writes a log line above the live line.
pub struct Above {
    shown: Arc<Mutex<String>>,
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = io::stderr().lock();
        if shown.is_empty() {
            to.write_all(bytes)?;
        } else {
            to.write_all(WIPE.as_bytes())?;
            to.write_all(bytes)?;
            to.write_all(shown.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
