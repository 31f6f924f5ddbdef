//! Who may ask.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use inventory_store::config::http::HttpConfig;
use inventory_store::http::{EventsLog, Server};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::support::http_server::{HttpServer, handles_of_nothing};
use crate::support::raw_http::{Answer, ask, get};

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(lines: &[(&str, &str, &str)]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    for (name, role, token) in lines {
        writeln!(file, "{name} {role} {}", hash(token)).expect("a line");
    }
    file
}

fn with(address: SocketAddr, head: &str, token: &str) -> Answer {
    ask(address, &format!("{head}\r\nauthorization: Bearer {token}"), b"")
}

#[test]
fn each_role_reaches_its_routes_and_no_further() {
    let file =
        file(&[("ana", "admin", "a-token"), ("bot", "command", "c-token"), ("wall", "read", "r-token")]);
    let server =
        HttpServer::bare(HttpConfig { tokens_file: Some(file.path().into()), ..HttpConfig::default() });
    let at = server.address;

    for target in ["/partitions", "/stock_levels/S", "/metrics", "/stock_levels"] {
        let answer = get(at, target);
        assert_eq!(answer.status, 401, "{target}");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="inventory-store""#));
        assert_eq!(answer.json()["code"], "UNAUTHORIZED");
        let wrong = with(at, &format!("GET {target}"), "guess");
        assert_eq!(wrong.status, 401);
        assert!(wrong.header("www-authenticate").expect("a challenge").contains("invalid_token"));
        for token in ["a-token", "c-token", "r-token"] {
            let status = with(at, &format!("GET {target}"), token).status;
            assert!(![401, 403].contains(&status), "{target} {token} {status}");
        }
    }
    for (target, type_) in [
        ("POST /commands", "application/cloudevents+json"),
        ("PATCH /stock_levels/S", "application/json"),
        ("POST /stock_levels/S/reservations", "application/json"),
        ("POST /allocations/bulk", "application/json"),
        ("POST /dead-letters/0:0/put-back", "application/json"),
    ] {
        let typed = format!("{target}\r\ncontent-type: {type_}");
        assert_eq!(ask(at, &typed, b"{}").status, 401, "{target}");
        assert_eq!(with(at, &typed, "r-token").status, 403, "{target}");
        let status = with(at, &typed, "c-token").status;
        assert!([400, 404].contains(&status), "{target} {status}");
    }
    assert_eq!(with(at, "GET /commands?sku=S&source=s&id=1", "r-token").status, 421, "not owned here");
    assert_eq!(with(at, "GET /dead-letters", "r-token").status, 200);
    let refused = with(at, "POST /events", "r-token");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("FORBIDDEN")));
    assert!(refused.header("www-authenticate").expect("a challenge").contains(r#"scope="command""#));
    for token in ["c-token", "a-token"] {
        assert_eq!(with(at, "POST /events", token).status, 405, "Kafka brings the events");
    }
    for target in ["/health/live", "/health/ready"] {
        assert!([200, 503].contains(&get(at, target).status), "{target} needs no token");
    }
    assert_eq!(ask(at, "GET /partitions\r\nauthorization: Basic YTpi", b"").status, 401);
    assert_eq!(ask(at, "GET /partitions\r\nauthorization: bearer r-token", b"").status, 200);
    let hashed = hash("r-token");
    assert_eq!(with(at, "GET /partitions", &hashed).status, 401, "the hash is not the token");
}

#[test]
fn a_changed_file_is_taken_over_while_running() {
    let file = file(&[("wall", "read", "old")]);
    let config =
        HttpConfig { tokens_file: Some(file.path().into()), tokens_reload_ms: 10, ..HttpConfig::default() };
    let server = HttpServer::bare(config);
    assert_eq!(with(server.address, "GET /partitions", "old").status, 200);
    std::fs::write(file.path(), format!("wall read {} # new\n", hash("new"))).expect("written");
    let deadline = Instant::now() + Duration::from_secs(60);
    while with(server.address, "GET /partitions", "new").status != 200 {
        assert!(Instant::now() < deadline, "the new token is never taken");
    }
    assert_eq!(with(server.address, "GET /partitions", "old").status, 401);
}

#[test]
fn an_open_address_without_tokens_is_refused_at_start() {
    let (handles, _directory) = handles_of_nothing(EventsLog::Kafka);
    let open = HttpConfig { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..HttpConfig::default() };
    let error = Server::bind(open.clone(), handles.clone()).err().expect("refused").to_string();
    assert!(error.contains("http.tokens_file"), "{error}");

    let missing = HttpConfig { tokens_file: Some("/nonexistent/tokens".into()), ..open.clone() };
    let error = Server::bind(missing, handles.clone()).err().expect("refused").to_string();
    assert!(error.contains("/nonexistent/tokens"), "{error}");

    let file = file(&[("wall", "read", "t")]);
    let guarded = HttpConfig { tokens_file: Some(file.path().into()), ..open };
    assert!(Server::bind(guarded, handles.clone()).is_ok());

    let taken = Server::bind(
        HttpConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..HttpConfig::default() },
        handles.clone(),
    )
    .expect("bound");
    let again = HttpConfig { listen: taken.local_addr(), ..HttpConfig::default() };
    let error = Server::bind(again, handles).err().expect("refused").to_string();
    assert!(error.contains(&taken.local_addr().to_string()), "{error}");
}
