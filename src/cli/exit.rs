use std::fmt;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::log::LogError;
use crate::snapshots::BaseError;
use crate::snapshots::archive::ArchiveError;
use crate::store::StoreError;

/// How the process ends: what scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Done = 0,
    /// Refused, not found, or differences found.
    Refused = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Unreachable or timed out: the same again may succeed.
    Unreachable = 3,
    /// Corrupt, truncated, rewritten.
    Data = 4,
    /// Interrupted; may be run again.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        // The enum is `repr(u8)`.
        Self::from(status as u8)
    }
}

/// Why a verb did not do what was asked, and the status it ends with.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    error: anyhow::Error,
}

impl Failure {
    pub fn new(status: Status, error: impl Into<anyhow::Error>) -> Self {
        Self { status, error: error.into() }
    }

    pub fn text(status: Status, text: impl fmt::Display) -> Self {
        Self { status, error: anyhow::anyhow!("{text}") }
    }

    /// Says it on stderr, and gives the exit status.
    pub fn report(&self) -> ExitCode {
        if !self.is_closed_pipe() {
            super::output::to_stderr(&format!("error: {self}\n"));
        }
        if self.is_closed_pipe() { Status::Done.into() } else { self.status.into() }
    }

    /// Whoever read our output has seen enough, as `head` does: not a failure.
    fn is_closed_pipe(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Our errors say their cause themselves; a cause that the text does not have is added.
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string();
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::text(
            Status::Usage,
            format!("the configuration cannot be used:\n  {}", error.problems.join("\n  ")),
        )
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let status = match &error {
            LogError::TimedOut { .. } | LogError::Unreachable { .. } => Status::Unreachable,
            LogError::Corrupt { .. } | LogError::OutOfRange { .. } => Status::Data,
            LogError::UnknownTopic { .. } | LogError::Locked { .. } | LogError::PartitionCount { .. } => {
                Status::Usage
            }
            _ => Status::Refused,
        };
        Self::new(status, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Locked { .. } => Status::Usage,
            StoreError::Io { .. } | StoreError::DiskFull { .. } => Status::Refused,
            _ => Status::Data,
        };
        Self::new(status, error)
    }
}

impl From<&ArchiveError> for Status {
    fn from(error: &ArchiveError) -> Self {
        match error {
            ArchiveError::Unreachable { .. } => Self::Unreachable,
            ArchiveError::Misconfigured { .. } | ArchiveError::Denied { .. } => Self::Usage,
            ArchiveError::UnsoundSource { .. } => Self::Data,
            error if error.is_damage() => Self::Data,
            _ => Self::Refused,
        }
    }
}

impl From<&BaseError> for Status {
    fn from(error: &BaseError) -> Self {
        match error {
            BaseError::Archive(error) => error.into(),
            BaseError::Interrupted => Self::Interrupted,
            BaseError::Stalled { .. } => Self::Unreachable,
            BaseError::Log(error) if error.is_retriable() => Self::Unreachable,
            BaseError::NoCheckpoint { .. } | BaseError::NoArchive { .. } | BaseError::TooNew { .. } => {
                Self::Refused
            }
            _ => Self::Data,
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::new(Status::from(&error), error)
    }
}

impl From<BaseError> for Failure {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Store(error) => error.into(),
            error => Self::new(Status::from(&error), error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Status::Refused, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Status::Data, error)
    }
}
