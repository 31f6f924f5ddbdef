use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// What a token allows. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Every query, `/metrics` included.
    Read,
    /// Changing stock: commands, events.
    Command,
    /// Jobs.
    Admin,
}

impl Role {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Command => "command",
            Self::Admin => "admin",
        }
    }
}

/// The tokens that are in force: SHA-256 of each, never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    name: String,
    role: Role,
    sha256: [u8; 32],
}

/// Whose token it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    pub name: String,
    pub role: Role,
}

/// A tokens file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("the tokens file {path} cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the tokens file {path}, line {line}: {reason}")]
    Line { path: String, line: usize, reason: String },
    #[error(
        "the tokens file {path} holds no token, so nobody could ask anything; add a line NAME ROLE SHA256"
    )]
    Empty { path: String },
}

impl Tokens {
    /// Reads the file: a line `NAME ROLE SHA256` each, `#` begins a comment.
    ///
    /// # Errors
    /// [`TokensError`] names the line and what is wrong with it; it never shows a hash.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|source| TokensError::Unreadable { path: shown.clone(), source })?;
        let mut tokens: Vec<Token> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let token = parse(line, &tokens).map_err(|reason| TokensError::Line {
                path: shown.clone(),
                line: number + 1,
                reason,
            })?;
            tokens.push(token);
        }
        if tokens.is_empty() { Err(TokensError::Empty { path: shown }) } else { Ok(Self(tokens)) }
    }

    /// Whose token this is. Looks at every one, and at every byte of each, so that the time taken tells
    /// nothing about how near a guess was.
    #[must_use]
    pub fn bearer(&self, token: &[u8]) -> Option<Bearer> {
        let presented: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for token in &self.0 {
            if equal(&presented, &token.sha256) {
                found = Some(token);
            }
        }
        found.map(|token| Bearer { name: token.name.clone(), role: token.role })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse(line: &str, before: &[Token]) -> Result<Token, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, role, hash] = fields.as_slice() else {
        return Err(format!("expected NAME ROLE SHA256, found {} fields", fields.len()));
    };
    let role = [Role::Read, Role::Command, Role::Admin]
        .into_iter()
        .find(|known| known.name() == *role)
        .ok_or_else(|| format!("the role of {name:?} is none of read, command, admin"))?;
    let sha256 = unhex(hash).ok_or_else(|| {
        format!(
            "the third field of {name:?} is not a SHA-256 in hex (64 digits); write the hash, not the token"
        )
    })?;
    if before.iter().any(|token| token.name == *name) {
        return Err(format!("the name {name:?} stands twice"));
    }
    if before.iter().any(|token| token.sha256 == sha256) {
        return Err(format!("the token of {name:?} stands twice"));
    }
    Ok(Token { name: (*name).to_owned(), role, sha256 })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Equality in a time that depends on nothing.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0_u8, |sum, (x, y)| std::hint::black_box(sum | (x ^ y)));
    std::hint::black_box(difference) == 0
}

/// The tokens file and what it last said. Looked at again while the service runs; a file that has become
/// unusable changes nothing, so that a slip of the editor locks nobody out, and is said once.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    tokens: Arc<Tokens>,
    seen: Option<Stamp>,
}

/// What tells one content of a file from another without reading it.
type Stamp = (SystemTime, u64);

impl TokensFile {
    /// # Errors
    /// [`TokensError`]: at start a file that cannot be used is refused.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        // The stamp first: a change between the two is then seen at the next look.
        let seen = stamp(path);
        let tokens = Arc::new(Tokens::read(path)?);
        Ok(Self { path: path.to_owned(), state: RwLock::new(State { tokens, seen }) })
    }

    #[must_use]
    pub fn current(&self) -> Arc<Tokens> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).tokens)
    }

    /// Reads the file again if it has changed. Blocks on the disk.
    pub fn look_again(&self) {
        let seen = stamp(&self.path);
        if seen == self.state.read().unwrap_or_else(PoisonError::into_inner).seen {
            return;
        }
        let read = Tokens::read(&self.path);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.seen = seen;
        match read {
            Ok(tokens) => {
                tracing::info!(path = %self.path.display(), tokens = tokens.len(), "tokens file read again");
                state.tokens = Arc::new(tokens);
            }
            Err(error) => {
                tracing::error!(%error, "tokens file has become unusable, the former tokens stay in force")
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the token `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("file");
        fs::write(file.path(), text).expect("write");
        file
    }

    #[test]
    fn reads_names_roles_and_comments() {
        let file =
            file(&format!("# people\n\nana admin {ABC} # on call\nbot read {}\n", ABC.replace('b', "C")));
        let tokens = Tokens::read(file.path()).expect("tokens");
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens.bearer(b"abc"), Some(Bearer { name: "ana".to_owned(), role: Role::Admin }));
        for wrong in [&b"abd"[..], b"", b"abc ", ABC.as_bytes()] {
            assert_eq!(tokens.bearer(wrong), None);
        }
        assert!(Role::Read < Role::Command && Role::Command < Role::Admin);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_hash_is_shown() {
        for (text, part) in [
            ("", "no token"),
            ("# only\n", "no token"),
            ("ana admin\n", "line 1: expected NAME ROLE SHA256"),
            (&format!("\nana root {ABC}"), "line 2: the role of \"ana\""),
            ("ana read my-secret", "write the hash, not the token"),
            (
                &format!("a read {ABC}\na read {}", ABC.replace('b', "0")),
                "line 2: the name \"a\" stands twice",
            ),
            (&format!("a read {ABC}\nb read {ABC}"), "line 2: the token of \"b\" stands twice"),
        ] {
            let file = file(text);
            let error = Tokens::read(file.path()).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains(ABC) && !error.contains("my-secret"), "{error}");
        }
    }

    #[test]
    fn a_change_is_taken_and_a_broken_file_is_not() {
        let file = file(&format!("ana admin {ABC}\n"));
        let open = TokensFile::open(file.path()).expect("open");
        fs::write(file.path(), "ana admin oops\n").expect("write");
        open.look_again();
        assert!(open.current().bearer(b"abc").is_some(), "the former tokens stay");
        fs::write(file.path(), format!("bot read {ABC} # moved\n")).expect("write");
        open.look_again();
        assert_eq!(open.current().bearer(b"abc").map(|b| b.role), Some(Role::Read));
    }
}
