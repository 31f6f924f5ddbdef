//! What every request meets before anything is read for it.

use std::time::{Duration, Instant};

use inventory_store::config::http::HttpConfig;
use inventory_store::types::partition_of;

use crate::support::http_server::HttpServer;
use crate::support::raw_http::{Answer, Connection, ask, get};

/// Every problem is whole: the members in the contract's order, the platform's beside, nothing else amiss.
fn problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let json = answer.json();
    assert_eq!(json["status"], status);
    assert_eq!(json["code"], code, "{json}");
    assert_eq!(json["error"], json["code"]);
    assert_eq!(json["message"], json["detail"]);
    let trace_id = json["trace_id"].as_str().expect("a trace id");
    assert!(!trace_id.is_empty());
    assert!(json["timestamp"].as_str().expect("a timestamp").ends_with('Z'));
    assert!(answer.header("x-correlation-id").is_some());
    let order = ["type", "title", "status", "detail", "code", "trace_id", "error", "message", "timestamp"];
    let found: Vec<usize> =
        order.iter().map(|name| answer.text().find(&format!("\"{name}\":")).expect(name)).collect();
    assert!(found.is_sorted(), "{}", answer.text());
}

fn bare() -> HttpServer {
    HttpServer::bare(HttpConfig::default())
}

#[test]
fn unknown_paths_methods_parameters_and_skus_are_problems() {
    let server = bare();
    let at = server.address;
    for target in
        ["/", "/stock_level/S", "/stock_levels/", "/stock_levels/A/B", "/stock_levels/A/holds/H", "/x?y=1"]
    {
        problem(&get(at, target), 404, "UNKNOWN_ROUTE");
    }
    assert!(get(at, "/stock_levels/A/B").text().contains("%2F"), "the way to write such a SKU is named");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(at, &format!("{method} /partitions"), b"");
        problem(&answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method}");
    }
    let events = get(at, "/events");
    problem(&events, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(events.header("allow"), Some("POST"));

    for (target, named) in [
        ("/stock_levels/S?atleast=0:1", "atleast"),
        ("/stock_levels/S?at_least=3", "at_least"),
        ("/stock_levels/S?at_least=-1:0", "at_least"),
        ("/stock_levels/S?at_least=99:0", "at_least"),
        ("/stock_levels/S?at_least=0:99999999999999999999999", "at_least"),
        ("/stock_levels/S?as_of=yesterday", "as_of"),
        ("/stock_levels/S?stale=yes", "stale"),
        ("/stock_levels/S?stale=allowed&stale=allowed", "stale"),
        ("/stock_levels/S/holds?limit=0", "limit"),
        ("/stock_levels/S/holds?after=nonsense", "after"),
        ("/stock_levels/S/history?limit=1e3", "limit"),
        ("/stock_levels?limit=1001", "limit"),
        ("/stock_levels?after=%00", "after"),
        ("/partitions?x=1", "x"),
    ] {
        let answer = get(at, target);
        problem(&answer, 400, "INVALID_PARAMETER");
        assert_eq!(answer.json()["parameter"], named, "{target}");
    }
    let long = "x".repeat(1000);
    for sku in ["%FF", "%00", "%0A", "%7F", "%", "%4", "%zz", "%C3", &long, &"%C3%BC".repeat(128)] {
        problem(&get(at, &format!("/stock_levels/{sku}")), 400, "INVALID_SKU");
        problem(&get(at, &format!("/stock_levels/{sku}/holds")), 400, "INVALID_SKU");
    }
}

#[test]
fn a_sku_elsewhere_is_named_with_its_partition() {
    let server = bare();
    for (segment, sku) in [("SKU-1", "SKU-1"), ("A%2FB", "A/B"), ("%C3%BC%20x", "ü x"), ("a+b", "a+b")] {
        for suffix in ["", "/holds", "/history", "/serials"] {
            let answer = get(server.address, &format!("/stock_levels/{segment}{suffix}"));
            problem(&answer, 421, "NOT_OWNED");
            assert_eq!(answer.json()["partition"], partition_of(sku, 4).0);
            assert_eq!(answer.json()["sku"], sku);
        }
    }
    let list = get(server.address, "/stock_levels");
    assert_eq!(
        (list.status, list.text()),
        (200, r#"{"items":[],"next":null,"missing_partitions":[0,1,2,3]}"#)
    );
}

#[test]
fn health_and_partitions_say_what_is_missing() {
    let server = bare();
    let live = get(server.address, "/health/live");
    assert_eq!((live.status, live.text()), (200, r#"{"status":"live"}"#));
    let ready = get(server.address, "/health/ready");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["waiting"].as_array().map(Vec::len), Some(4));
    let partitions = get(server.address, "/partitions");
    assert!(partitions.text().starts_with(concat!(
        r#"{"items":[{"partition":0,"state":"absent","next":0,"log_end":0,"lag_events":0,"lag_seconds":0.0,"#,
        r#""events_per_second":0.0,"generation":null,"rows":0,"digest":"00000000000000000000000000000000","#,
        r#""last_checkpoint":null,"malformed":0,"history_begins":"0:0","progress":null},{"#,
    )));
    let metrics = get(server.address, "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").expect("a type").starts_with("text/plain; version=0.0.4"));
    for line in [
        r#"inventory_store_http_requests_total{method="GET",route="/partitions",status="200"} "#,
        "# TYPE inventory_store_http_request_seconds histogram",
    ] {
        assert!(metrics.text().contains(line), "{line}");
    }
}

#[test]
fn head_answers_as_get_without_a_body() {
    let server = bare();
    for target in ["/partitions", "/health/live", "/stock_levels", "/stock_levels/S", "/nowhere"] {
        let (get, head) = (get(server.address, target), ask(server.address, &format!("HEAD {target}"), b""));
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
        assert!(head.body.is_empty());
    }
    let mut connection = Connection::open(server.address);
    connection.send(b"HEAD /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\nGET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(connection.answer(true).expect("head").status, 404);
    assert_eq!(connection.answer(false).expect("get").status, 200, "no body was left between the two");
}

#[test]
fn what_cannot_be_given_is_406_and_what_cannot_be_taken_405() {
    let server = bare();
    problem(&ask(server.address, "GET /partitions\r\naccept: text/html", b""), 406, "NOT_ACCEPTABLE");
    problem(&ask(server.address, "GET /metrics\r\naccept: application/json", b""), 406, "NOT_ACCEPTABLE");
    assert_eq!(ask(server.address, "GET /partitions\r\naccept: text/html, */*;q=0.1", b"").status, 200);
    let kafka = ask(server.address, "POST /events\r\ncontent-type: application/cloudevents+json", b"{}");
    problem(&kafka, 405, "METHOD_NOT_ALLOWED");
    assert!(kafka.json()["detail"].as_str().expect("text").contains("Kafka"));
}

#[test]
fn correlation_id_and_traceparent_come_back() {
    let server = bare();
    let given = ask(server.address, "GET /nowhere\r\nx-correlation-id: order-7", b"");
    assert_eq!(given.header("x-correlation-id"), Some("order-7"));
    assert_eq!(given.json()["trace_id"], "order-7");
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = ask(server.address, &format!("GET /nowhere\r\nx-correlation-id: order-7\r\n{parent}"), b"");
    assert_eq!(traced.json()["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(traced.header("x-correlation-id"), Some("order-7"));
    let none = get(server.address, "/health/live");
    assert_eq!(none.header("x-correlation-id").map(str::len), Some(32));
    assert!(none.header("access-control-allow-origin").is_none());
    assert_eq!(none.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_page_that_points_its_own_name_at_loopback_is_refused() {
    let server = HttpServer::bare(HttpConfig {
        allowed_hosts: vec!["stock.local".to_owned()],
        ..HttpConfig::default()
    });
    let under = |host: &str| {
        let mut connection = Connection::open(server.address);
        connection.send(format!("GET /partitions HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        connection.answer(false).expect("an answer")
    };
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "stock.local:8080"] {
        assert_eq!(under(host).status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", ""] {
        problem(&under(host), 421, "WRONG_HOST");
    }
}

#[test]
fn large_heads_are_refused_with_a_reason_and_larger_ones_without() {
    let server = bare();
    let long = get(server.address, &format!("/stock_levels/S?at_least={}", "9".repeat(9 * 1024)));
    problem(&long, 414, "URI_TOO_LONG");
    let many: String = (0..80).map(|i| format!("x-{i}: 1\r\n")).collect();
    problem(&ask(server.address, &format!("GET /partitions\r\n{many}"), b""), 431, "HEAD_TOO_LARGE");
    let large = format!("GET /partitions\r\nx-large: {}", "a".repeat(17 * 1024));
    problem(&ask(server.address, &large, b""), 431, "HEAD_TOO_LARGE");

    let flood: String = (0..5000).map(|i| format!("x-{i}: 1\r\n")).collect();
    assert_eq!(ask(server.address, &format!("GET /partitions\r\n{flood}"), b"").status, 431);
    let mut endless = Connection::open(server.address);
    endless.send(b"GET /partitions HTTP/1.1\r\nhost: localhost\r\nx-large: ");
    // The server hangs up long before a gigabyte.
    let piece = vec![b'a'; 64 * 1024];
    let taken = (0..16 * 1024).take_while(|_| endless.send(&piece)).count();
    assert!(taken < 1024, "{taken} pieces of 64 KiB were taken");
    assert_eq!(get(server.address, "/health/live").status, 200);
}

#[test]
fn what_is_no_http_gets_400_or_a_closed_connection_and_harms_nobody() {
    let server = bare();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /stock_levels/\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n",
        b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.address);
        connection.send(bytes);
        // What never becomes a whole request is closed from this side.
        connection.half_close();
        if let Some(answer) = connection.answer(false) {
            assert!((400..500).contains(&answer.status), "{:?}: {answer:?}", String::from_utf8_lossy(bytes));
        }
    }
    assert_eq!(get(server.address, "/health/live").status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = bare();
    let mut connection = Connection::open(server.address);
    let mut sent = Vec::new();
    for i in 0..200 {
        let target = if i % 2 == 0 { "/health/live" } else { "/nowhere" };
        sent.extend_from_slice(
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nx-correlation-id: {i}\r\n\r\n").as_bytes(),
        );
    }
    connection.send(&sent);
    for i in 0..200 {
        let answer = connection.answer(false).expect("an answer");
        assert_eq!(answer.header("x-correlation-id"), Some(i.to_string().as_str()));
        assert_eq!(answer.status, if i % 2 == 0 { 200 } else { 404 });
    }
}

#[test]
fn half_open_idle_and_slow_connections_are_closed_and_make_room() {
    let config = HttpConfig { max_connections: 4, head_timeout_ms: 200, ..HttpConfig::default() };
    let server = HttpServer::bare(config);
    let mut silent = Connection::open(server.address);
    let mut begun = Connection::open(server.address);
    begun.send(b"GET /partitions HTTP/1.1\r\nhost: localhost\r\nx-slow");
    let mut idle = Connection::open(server.address);
    idle.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(idle.answer(false).expect("an answer").status, 200);
    let mut half = Connection::open(server.address);
    half.send(b"GET /health/live HTTP/1.1\r\n");
    half.half_close();
    // All four places are taken: this one is answered once a place is free, which the head timeout sees to.
    assert_eq!(get(server.address, "/health/live").status, 200);
    for connection in [&mut silent, &mut begun, &mut idle, &mut half] {
        assert!(
            connection.answer(false).is_none_or(|answer| answer.status == 408),
            "closed without an answer"
        );
    }
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let config = HttpConfig { write_timeout_ms: 200, max_connections: 1, ..HttpConfig::default() };
    let server = HttpServer::bare(config);
    let mut deaf = Connection::open(server.address);
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    // Asks until the answers it does not read fill both sides' buffers; then its writes fail or it is done.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) && deaf.send(&request) {}
    assert!(begun.elapsed() < Duration::from_secs(60), "it is never cut off");
    assert_eq!(get(server.address, "/health/live").status, 200, "its place is free again");
}

#[test]
fn too_many_requests_at_once_are_told_when_to_come_back() {
    // at_least of an absent partition is refused at once, so bodies that never arrive keep the places.
    let config = HttpConfig { max_requests: 2, request_timeout_ms: 60_000, ..HttpConfig::default() };
    let server = HttpServer::with_broken_log(config);
    let pending = b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\ncontent-length: 10\r\n\r\n{";
    let mut waiting = [Connection::open(server.address), Connection::open(server.address)];
    for connection in &mut waiting {
        connection.send(pending);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let refused = loop {
        let answer = get(server.address, "/partitions");
        if answer.status == 429 {
            break answer;
        }
        assert!(Instant::now() < deadline, "never refused");
    };
    problem(&refused, 429, "TOO_MANY_REQUESTS");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(get(server.address, "/health/live").status, 200, "probes are answered under load");
}

#[test]
fn bodies_that_are_too_large_or_too_slow_are_refused() {
    let config = HttpConfig {
        max_body_bytes: 64 * 1024,
        request_timeout_ms: 300,
        at_least_timeout_ms: 100,
        ..HttpConfig::default()
    };
    let server = HttpServer::with_broken_log(config);
    let head = "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\n";
    let mut announced = Connection::open(server.address);
    announced.send(format!("{head}content-length: 10485760\r\n\r\n").as_bytes());
    problem(&announced.answer(false).expect("refused before the body"), 413, "BODY_TOO_LARGE");
    assert!(announced.closes());

    let mut chunked = Connection::open(server.address);
    chunked.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    let piece = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..5 {
        chunked.send(piece.as_bytes());
    }
    problem(&chunked.answer(false).expect("refused"), 413, "BODY_TOO_LARGE");

    let mut expecting = Connection::open(server.address);
    expecting.send(format!("{head}expect: 100-continue\r\ncontent-length: 10485760\r\n\r\n").as_bytes());
    problem(&expecting.answer(false).expect("refused"), 413, "BODY_TOO_LARGE");

    let mut slow = Connection::open(server.address);
    slow.send(format!("{head}content-length: 100\r\n\r\n{{").as_bytes());
    problem(&slow.answer(false).expect("given up"), 408, "REQUEST_TIMED_OUT");
    assert!(slow.closes());
}

#[test]
fn a_stop_lets_requests_end_and_takes_no_new_ones() {
    let mut server =
        HttpServer::with_broken_log(HttpConfig { drain_timeout_ms: 20_000, ..HttpConfig::default() });
    let mut under_way = Connection::open(server.address);
    under_way.send(b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n{");
    let mut idle = Connection::open(server.address);
    idle.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(idle.answer(false).expect("an answer").status, 200);
    server.begin_stop();
    assert!(idle.closes(), "an idle connection is closed at once");
    under_way.send(b"}");
    assert!(under_way.answer(false).is_some(), "a request under way is answered");
    server.join();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut server = HttpServer::bare(HttpConfig { drain_timeout_ms: 100, ..HttpConfig::default() });
    let mut stuck = Connection::open(server.address);
    stuck.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n");
    server.begin_stop();
    server.join();
    assert!(stuck.closes());
}

#[test]
fn a_panic_is_500_and_tells_nothing_of_its_cause() {
    let server = HttpServer::with_broken_log(HttpConfig::default());
    let event = concat!(
        r#"{"specversion":"1.0","id":"e-1","source":"/test","subject":"S","time":"2026-11-01T12:00:00Z","#,
        r#""type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","data":{"sku":"S","#,
        r#""previousQuantityOnHand":0,"newQuantityOnHand":5,"changeType":"RECEIPT","reasonCode":"RECEIPT"}}"#,
    );
    let head = "POST /events\r\ncontent-type: application/cloudevents+json\r\nx-correlation-id: boom";
    let answer = ask(server.address, head, event.as_bytes());
    problem(&answer, 500, "INTERNAL");
    assert_eq!(answer.json()["trace_id"], "boom");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(get(server.address, "/health/live").status, 200);
}

#[test]
fn bodies_have_a_share_of_memory() {
    let server = HttpServer::with_broken_log(HttpConfig::default());
    let head = "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\n";
    // Three times its length is what a body takes; the server was given 1 MiB.
    let mut held = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // One that keeps its share; another each time, as it may itself have been refused, behind the one after it.
        let mut first = Connection::open(server.address);
        first.send(format!("{head}content-length: 300000\r\n\r\n{{").as_bytes());
        held.push(first);
        let mut second = Connection::open(server.address);
        second.send(format!("{head}content-length: 300000\r\n\r\n").as_bytes());
        second.half_close();
        if let Some(answer) = second.answer(false).filter(|answer| answer.status == 429) {
            problem(&answer, 429, "TOO_MANY_REQUESTS");
            assert!(answer.json()["detail"].as_str().expect("text").contains("memory.budget"));
            break;
        }
        assert!(Instant::now() < deadline, "never refused");
    }
}
