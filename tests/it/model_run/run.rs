use std::sync::{Arc, Mutex};
use std::time::Duration;

use inventory_store::config::KafkaConfig;
use inventory_store::log::Log;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::Topic;
use tempfile::TempDir;

use super::clients::{Commands, Heard, Pace, foreign, over_http, over_the_log};
use super::verify::Run;
use crate::support::broker::{Broker, variables};
use crate::support::lanes::{content, create_topics};
use crate::support::raw_http::get;
use crate::support::seed;
use crate::support::service::{Service, eventually};
use crate::support::stack::{PARTITIONS, Settings, Stack};
use crate::support::topics::read;

/// Who takes part in a run, and for how long.
pub struct Size<'r> {
    pub http_clients: u64,
    pub requests: Pace<'r>,
    pub log_clients: u64,
    pub batches: Pace<'r>,
    pub foreign_events: Pace<'r>,
}

const SIZE: Size<'static> = Size {
    http_clients: 6,
    requests: Pace::Count(80),
    log_clients: 2,
    batches: Pace::Count(25),
    foreign_events: Pace::Count(120),
};

/// All clients at once; what was heard, and how many records nobody can read.
pub fn drive(
    seed: u64,
    log: &Arc<dyn Log>,
    urls: &Mutex<Vec<String>>,
    partitions: u16,
    size: &Size<'_>,
) -> (Vec<Heard>, usize) {
    std::thread::scope(|scope| {
        let http: Vec<_> = (0..size.http_clients)
            .map(|number| scope.spawn(move || over_http(Commands::new(seed, number), urls, size.requests)))
            .collect();
        let on_log: Vec<_> = (0..size.log_clients)
            .map(|number| {
                let appender = log.appender().expect("an appender");
                let commands = Commands::new(seed, 1_000 + number);
                scope.spawn(move || over_the_log(commands, appender.as_ref(), partitions, size.batches))
            })
            .collect();
        let appender = log.appender().expect("an appender");
        let other = scope.spawn(move || foreign(seed, appender.as_ref(), partitions, size.foreign_events));
        let heard = http.into_iter().flat_map(|client| client.join().expect("a client")).collect();
        let unreadable = on_log.into_iter().map(|client| client.join().expect("a client")).sum();
        other.join().expect("the other producer");
        (heard, unreadable)
    })
}

/// The topics, once every command is decided.
pub fn settled(log: &dyn Log, own_source: &str, heard: &[Heard], unreadable: usize) -> Run {
    eventually("every command is decided or put aside", Duration::from_secs(180), || {
        let run = Run {
            own_source: own_source.to_owned(),
            commands: read(log, Topic::Commands),
            results: read(log, Topic::Results),
            events: read(log, Topic::Events),
            letters: read(log, Topic::DeadLetters),
            heard: heard.to_vec(),
            unreadable,
        };
        (run.undecided() == 0).then_some(run)
    })
}

#[test]
fn clients_on_the_embedded_log() {
    let seed = seed();
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings::default());
    let log: Arc<dyn Log> = Arc::clone(&stack.log) as Arc<dyn Log>;
    let url = format!("http://{}", stack.server.address);
    let (heard, unreadable) = drive(seed, &log, &Mutex::new(vec![url]), PARTITIONS, &SIZE);
    let run = settled(log.as_ref(), "/inventory-store", &heard, unreadable);
    let last = run.verify();
    for (sku, stock) in &last {
        eventually("the store shows what the log says", Duration::from_secs(60), || {
            let body = get(stack.server.address, &format!("/stock_levels/{sku}")).json();
            let shown =
                ["version", "quantity_on_hand", "quantity_allocated"].map(|field| body[field].as_i64());
            let wanted = [i64::try_from(stock.version).expect("small"), stock.on_hand, stock.allocated];
            (shown == wanted.map(Some)).then_some(())
        });
    }
    eprintln!("{} commands, {} events, {} answers", run.commands.len(), run.events.len(), heard.len());

    // What finds nothing amiss would find it if there were.
    for (what, doctored) in run.doctored() {
        let found = std::panic::catch_unwind(|| doctored.verify());
        assert!(found.is_err(), "not found: {what}");
    }

    // Without the stores' files the log gives the same rows, byte for byte.
    drop(log);
    drop(stack);
    let before = content(directory.path());
    std::fs::remove_dir_all(directory.path().join("partitions")).expect("the stores are gone");
    drop(Stack::start(directory.path(), Settings::default()));
    let after = content(directory.path());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.count, before.digest), (after.count, after.digest));
        assert_eq!((&before.rows, before.progress.next), (&after.rows, after.progress.next));
    }
}

#[test]
fn clients_on_kafka_with_two_instances() {
    let Some(broker) = Broker::shared("model run on Kafka") else { return };
    let seed = seed();
    let kafka: KafkaConfig = broker.config();
    let directory = TempDir::new().expect("a directory");
    let log: Arc<dyn Log> = KafkaLog::connect(&kafka).expect("the log");
    create_topics(log.as_ref(), PARTITIONS);
    let settings = variables(&kafka, PARTITIONS);
    let group = format!("model-run-{seed}");
    let start = |name: &str| {
        let mut settings = settings.clone();
        settings.push(("INVENTORY_STORE__LANE__GROUP".to_owned(), group.clone()));
        settings.push(("INVENTORY_STORE__LANE__INSTANCE".to_owned(), name.to_owned()));
        settings.push(("INVENTORY_STORE__LANE__LANES".to_owned(), "2".to_owned()));
        let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Service::start(&directory.path().join(name), &settings)
    };
    let services = [start("one"), start("two")];
    let urls = Mutex::new(services.iter().map(|service| service.url.clone()).collect());
    eventually("every partition is live somewhere", Duration::from_secs(120), || {
        let live = |service: &Service| {
            service.partitions().iter().filter(|partition| partition["state"] == "live").count()
        };
        (services.iter().map(live).sum::<usize>() == usize::from(PARTITIONS)).then_some(())
    });
    let (heard, unreadable) = drive(seed, &log, &urls, PARTITIONS, &SIZE);
    let run = settled(log.as_ref(), "inventory-store", &heard, unreadable);
    run.verify();
    eprintln!("{} commands, {} events, {} answers", run.commands.len(), run.events.len(), heard.len());
    for service in services {
        assert_eq!(service.terminate(), Some(0));
    }
}
