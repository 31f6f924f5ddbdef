//! HTTP as bytes: what a well-behaved client library would never send can be sent, and nothing is hidden.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer in a test that passes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes; whether the other side still took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next answer; nothing where the other side closed before one.
    pub fn answer(&mut self, to_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.more() == 0 {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).expect("a head of UTF-8");
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.status == 100 {
            return self.answer(to_head);
        }
        let length: usize = match answer.header("content-length") {
            Some(length) if !to_head && status != 304 => length.parse().expect("a length"),
            _ => 0,
        };
        while self.read.len() < length {
            assert!(self.more() > 0, "the body was cut off");
        }
        answer.body = self.read.drain(..length).collect();
        Some(answer)
    }

    /// Whether the other side asks for the body of a request that said `expect: 100-continue`.
    pub fn is_told_to_go_on(&mut self) -> bool {
        const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        while self.read.len() < GO_ON.len() && self.more() > 0 {}
        self.read.starts_with(GO_ON)
    }

    /// Whether the other side closes before sending anything more.
    pub fn closes(&mut self) -> bool {
        let before = self.read.len();
        self.more() == 0 && self.read.len() == before
    }

    pub fn half_close(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    }

    fn more(&mut self) -> usize {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(n) => {
                self.read.extend_from_slice(&piece[..n]);
                n
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

/// One request on a connection of its own. `head` is the request line and headers without `Host`.
pub fn ask(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = if headers.is_empty() { String::new() } else { format!("{}\r\n", headers.trim_end()) };
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}{length}\r\n");
    connection.send(request.as_bytes());
    connection.send(body);
    connection.answer(head.starts_with("HEAD ")).unwrap_or_else(|| panic!("no answer to {line}"))
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, &format!("GET {target}"), b"")
}
