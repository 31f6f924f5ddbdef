//! Rust source as tokens: enough to find paths, test code and lines, and nothing more.

/// A token that matters here. Comments are gone, the content of strings too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Ident(String),
    Mark(char),
}

/// The tokens of `source`, each with its line, from 1.
pub fn tokens(source: &str) -> Vec<(Token, usize)> {
    let mut lexer = Lexer { rest: source.chars().collect(), at: 0, line: 1, found: Vec::new() };
    while lexer.at < lexer.rest.len() {
        lexer.token();
    }
    lexer.found
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<(Token, usize)>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip(&mut self, chars: usize) {
        for _ in 0..chars {
            self.line += usize::from(self.peek(0) == '\n');
            self.at += 1;
        }
    }

    fn token(&mut self) {
        let c = self.peek(0);
        match c {
            '/' if self.peek(1) == '/' => self.until_line_end(),
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            _ if is_ident(c) && !c.is_ascii_digit() => self.word(),
            _ if c.is_ascii_digit() => {
                while is_ident(self.peek(0)) {
                    self.skip(1);
                }
            }
            _ if c.is_whitespace() => self.skip(1),
            _ => {
                self.found.push((Token::Mark(c), self.line));
                self.skip(1);
            }
        }
    }

    fn until_line_end(&mut self) {
        while self.at < self.rest.len() && self.peek(0) != '\n' {
            self.skip(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.skip(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    fn string(&mut self) {
        self.skip(1);
        while self.at < self.rest.len() && self.peek(0) != '"' {
            self.skip(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.skip(1);
    }

    fn raw_string(&mut self) {
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == '#').count();
        self.skip(hashes + 1);
        while self.at < self.rest.len() {
            let closed = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            self.skip(if closed { hashes + 1 } else { 1 });
            if closed {
                return;
            }
        }
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.skip(3);
            while self.at < self.rest.len() && self.peek(0) != '\'' {
                self.skip(1);
            }
            self.skip(1);
        } else if self.peek(2) == '\'' {
            self.skip(3);
        } else {
            self.skip(1);
            while is_ident(self.peek(0)) {
                self.skip(1);
            }
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut word = String::new();
        while is_ident(self.peek(0)) {
            word.push(self.peek(0));
            self.skip(1);
        }
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match self.peek(0) {
            '"' if raw => self.raw_string(),
            '#' if raw && matches!(self.peek(1), '#' | '"') => self.raw_string(),
            // A raw identifier: what follows is the word.
            '#' if word == "r" && is_ident(self.peek(1)) => self.skip(1),
            '"' if matches!(word.as_str(), "b" | "c") => self.string(),
            '\'' if word == "b" => self.quote(),
            _ => self.found.push((Token::Ident(word), line)),
        }
    }
}

fn is_ident(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[test]
fn only_code_makes_tokens() {
    let source = r####"
        // crate::a
        /* crate::b /* nested */ crate::c */
        let x = "crate::d \" crate::e"; let y = r#"crate::f"#; let z = b"crate::g";
        let c = '"'; let q = '\''; let s: &'static str = r"crate::h";
        let n = 1_000u64..r#type;
        crate::real
    "####;
    let found = tokens(source);
    let crates: Vec<usize> = found
        .iter()
        .filter(|(token, _)| *token == Token::Ident("crate".into()))
        .map(|(_, line)| *line)
        .collect();
    assert_eq!(crates, [7]);
    assert!(found.iter().any(|(token, _)| *token == Token::Ident("type".into())));
    assert!(!found.iter().any(|(token, _)| *token == Token::Ident("static".into())), "a lifetime is no word");
}
