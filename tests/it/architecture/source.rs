//! A file of `src` without its test code, and the paths in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens};

/// One file of production code.
pub struct Source {
    /// Relative to the repository.
    pub path: PathBuf,
    /// The module it is: `["store", "writer"]`; empty for the crate's root.
    pub module: Vec<String>,
    tokens: Vec<(Token, usize)>,
    /// Lines that test items fill.
    test_lines: BTreeSet<usize>,
    lines: usize,
    /// Modules that exist in tests only, whole files of them.
    test_modules: Vec<Vec<String>>,
}

/// A path as code writes it, resolved from the crate's root.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    pub line: usize,
    pub path: Vec<String>,
}

/// Every file below `src` that is not test code alone.
pub fn production(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root).expect("below the root").to_owned();
            Source::new(path, &std::fs::read_to_string(file).expect("a readable source file"))
        })
        .collect();
    let test_only: Vec<Vec<String>> = sources.iter().flat_map(|s| s.test_modules.clone()).collect();
    sources.into_iter().filter(|s| !test_only.iter().any(|module| s.module.starts_with(module))).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    pub fn new(path: PathBuf, text: &str) -> Self {
        let module = module_of(&path);
        let mut source = Self {
            path,
            module,
            tokens: Vec::new(),
            test_lines: BTreeSet::new(),
            lines: text.lines().count(),
            test_modules: Vec::new(),
        };
        source.keep_production(&tokens(text));
        source
    }

    /// Lines without those of test items.
    pub fn production_lines(&self) -> usize {
        self.lines - self.test_lines.len()
    }

    /// The lines that begin a path with `name`, as a path to another crate does.
    pub fn names_crate(&self, name: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        for (at, (token, line)) in self.tokens.iter().enumerate() {
            let is_path = self.is_separator(at + 1) || self.word(at.wrapping_sub(1)) == Some("use");
            let continues = at >= 2 && self.is_separator(at - 2);
            if *token == Token::Ident(name.into()) && is_path && !continues {
                lines.push(*line);
            }
        }
        lines
    }

    /// Every path that begins with `crate`, `self` or `super`, resolved; a `use` tree is one path per leaf.
    pub fn used(&self) -> Vec<Used> {
        let mut found = Vec::new();
        let mut inline: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        for at in 0..self.tokens.len() {
            match &self.tokens[at].0 {
                Token::Mark('{') => {
                    depth += 1;
                    if self.word(at.wrapping_sub(2)) == Some("mod") {
                        inline.push((self.word(at - 1).unwrap_or_default().to_owned(), depth));
                    }
                }
                Token::Mark('}') => {
                    inline.retain(|(_, opened)| *opened < depth);
                    depth = usize::saturating_sub(depth, 1);
                }
                Token::Ident(word) if matches!(word.as_str(), "crate" | "self" | "super") => {
                    let continues = at >= 2 && self.is_separator(at - 2);
                    // Inside a use tree the whole tree was read from its root.
                    let inside = at >= 1
                        && matches!(self.tokens[at - 1].0, Token::Mark('{' | ','))
                        && found.last().is_some_and(|(_, _, end)| at < *end);
                    if !continues && !inside && self.is_separator(at + 1) {
                        let module: Vec<String> = self
                            .module
                            .iter()
                            .cloned()
                            .chain(inline.iter().map(|(name, _)| name.clone()))
                            .collect();
                        let mut leaves = Vec::new();
                        let end = self.tree(at, &[], &mut leaves);
                        for (line, path) in leaves {
                            found.push((line, resolve(&module, &path), end));
                        }
                    }
                }
                _ => {}
            }
        }
        found.into_iter().map(|(line, path, _)| Used { line, path }).collect()
    }

    /// Reads one tree at `at` into `leaves`; gives where it ends.
    fn tree(&self, mut at: usize, prefix: &[String], leaves: &mut Vec<(usize, Vec<String>)>) -> usize {
        let mut path = prefix.to_vec();
        loop {
            let Some((token, line)) = self.tokens.get(at) else { return at };
            match token {
                Token::Ident(word) => {
                    path.push(word.clone());
                    at += 1;
                    if !self.is_separator(at) {
                        leaves.push((*line, path));
                        return at;
                    }
                    at += 2;
                }
                Token::Mark('{') => {
                    at += 1;
                    while self.tokens.get(at).is_some_and(|(token, _)| *token != Token::Mark('}')) {
                        let end = self.tree(at, &path, leaves);
                        // What stands between two trees: a comma, or `as name`.
                        at = end.max(at + usize::from(end == at));
                        while matches!(self.word(at), Some("as")) {
                            at += 2;
                        }
                        if matches!(self.tokens.get(at), Some((Token::Mark(','), _))) {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                Token::Mark('*') => {
                    path.push("*".into());
                    leaves.push((*line, path));
                    return at + 1;
                }
                Token::Mark(_) => {
                    leaves.push((*line, path));
                    return at;
                }
            }
        }
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((Token::Ident(word), _)) => Some(word),
            _ => None,
        }
    }

    fn is_separator(&self, at: usize) -> bool {
        let colon = |at| matches!(self.tokens.get(at), Some((Token::Mark(':'), _)));
        colon(at) && colon(at + 1)
    }

    /// Leaves out each item under `#[cfg(test)]` or `#[test]`.
    fn keep_production(&mut self, all: &[(Token, usize)]) {
        let mut at = 0;
        while at < all.len() {
            let Some(after) = test_attribute(all, at) else {
                self.tokens.push(all[at].clone());
                at += 1;
                continue;
            };
            let end = item_end(all, after);
            let words: Vec<&str> = all[after..end]
                .iter()
                .filter_map(|(t, _)| if let Token::Ident(w) = t { Some(&**w) } else { None })
                .collect();
            if let Some(name) =
                words.iter().position(|word| *word == "mod").and_then(|mod_at| words.get(mod_at + 1))
                && all[end - 1].0 == Token::Mark(';')
            {
                self.test_modules.push(self.module.iter().cloned().chain([(*name).to_owned()]).collect());
            }
            self.test_lines.extend(all[at].1..=all[end - 1].1);
            at = end;
        }
    }
}

/// Where a test attribute at `at` ends.
fn test_attribute(all: &[(Token, usize)], at: usize) -> Option<usize> {
    let begins = matches!(all.get(at..at + 2), Some([(Token::Mark('#'), _), (Token::Mark('['), _)]));
    if !begins {
        return None;
    }
    let close = at + all[at..].iter().position(|(token, _)| *token == Token::Mark(']'))?;
    let words: Vec<&str> = all[at..close]
        .iter()
        .filter_map(|(t, _)| if let Token::Ident(w) = t { Some(&**w) } else { None })
        .collect();
    let tests = matches!(words.as_slice(), ["test"])
        || (words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not"));
    tests.then_some(close + 1)
}

/// Where the item that begins at `from` ends: after its block, or its semicolon.
fn item_end(all: &[(Token, usize)], from: usize) -> usize {
    let mut depth = 0_usize;
    let is_use = all[from..].iter().take(4).any(|(token, _)| *token == Token::Ident("use".into()));
    for (at, (token, _)) in all.iter().enumerate().skip(from) {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *token == Token::Mark('}') && !is_use {
                    return at + 1;
                }
            }
            Token::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    all.len()
}

fn module_of(path: &Path) -> Vec<String> {
    let below = path.strip_prefix("src").expect("a file below src").with_extension("");
    let mut module: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// From the crate's root.
fn resolve(module: &[String], path: &[String]) -> Vec<String> {
    let mut resolved = module.to_vec();
    for (at, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" if at == 0 => resolved.clear(),
            "self" => {}
            "super" => {
                resolved.pop();
            }
            part => resolved.push(part.to_owned()),
        }
    }
    resolved
}

#[test]
fn paths_are_resolved_from_the_root() {
    let source = Source::new(
        "src/store/writer.rs".into(),
        "use crate::{types::{Sku, Offset as O}, codec::rows::*};\n\
         use super::reader;\n\
         fn f() { let _ = super::super::http::Server::new(crate::lane::step()); }\n\
         mod inner { use super::super::super::query::Q; }\n\
         pub(crate) struct S(self::inner::Q);\n\
         use super::{super::jobs, meta::{self, Meta}};\n",
    );
    let used: Vec<String> =
        source.used().iter().map(|used| format!("{}:{}", used.line, used.path.join("::"))).collect();
    let expected = [
        "1:types::Sku",
        "1:types::Offset",
        "1:codec::rows::*",
        "2:store::reader",
        "3:http::Server::new",
        "3:lane::step",
        "4:query::Q",
        "5:store::writer::inner::Q",
        "6:jobs",
        "6:store::meta",
        "6:store::meta::Meta",
    ];
    assert_eq!(used, expected);
}

#[test]
fn test_code_is_left_out() {
    let source = Source::new(
        "src/domain/mod.rs".into(),
        "use crate::types::A;\n\
         #[cfg(test)]\n\
         use crate::http::B;\n\
         #[cfg(test)]\n\
         mod cases;\n\
         #[cfg(all(test, unix))]\n\
         pub mod tests {\n\
             use crate::store::C;\n\
         }\n\
         #[cfg(not(test))]\n\
         use crate::log::D;\n",
    );
    let used: Vec<String> = source.used().iter().map(|used| used.path.join("::")).collect();
    assert_eq!(used, ["types::A", "log::D"]);
    assert_eq!(source.test_modules, [["domain", "cases"]]);
    assert_eq!(source.production_lines(), 3);
}

#[test]
fn another_crate_is_found_where_a_path_begins() {
    let source = Source::new(
        "src/query/mod.rs".into(),
        "use rocksdb::DB;\nuse rocksdb as r;\nfn f(e: &rocksdb::Error) {}\nuse crate::rocksdb::X;\nlet rocksdb = 1;\n// rocksdb::\n",
    );
    assert_eq!(source.names_crate("rocksdb"), [1, 2, 3]);
}
