use std::collections::HashMap;
use std::time::{Duration, Instant};

use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Assignment, Log, Purpose};
use inventory_store::types::{NextOffset, Partition, Topic};

use super::{event, topic};
use crate::support::broker::{Broker, Options};

/// kill -9 of the broker and its return, under a reader and an appender that know nothing of it.
#[test]
fn a_killed_broker_comes_back_and_nothing_is_lost_or_doubled() {
    let Some(mut broker) = Broker::own("kafka: kill -9 of a broker", &Options::default()) else { return };
    let log = KafkaLog::connect(&broker.config()).expect("connects");
    log.create(Topic::Events, &topic(1)).expect("creates");
    let appender = log.appender().expect("an appender");
    let from = [Assignment { topic: Topic::Events, partition: Partition(0), next: NextOffset::ZERO }];
    let mut reader = log.reader(Purpose::Live, &from).expect("a reader");
    const ALL: usize = 2000;

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0;
            while written < ALL {
                let batch = (written..written + 100).map(|i| event(0, &i.to_string())).collect();
                for answer in appender.append(batch) {
                    answer.expect("acknowledged, however long it takes");
                }
                written += 100;
            }
        });
        let mut seen: Vec<usize> = Vec::new();
        let mut killed = false;
        let deadline = Instant::now() + Duration::from_secs(120);
        while seen.len() < ALL {
            assert!(Instant::now() < deadline, "{} of {ALL} records after 120 s", seen.len());
            let batch = reader.poll(500, Duration::from_millis(200)).expect("a reader outlives its broker");
            for index in 0..batch.records.len() {
                let value = batch.records.get(index).value.expect("a value");
                seen.push(String::from_utf8_lossy(value).parse().expect("a number"));
            }
            if seen.len() >= 300 && !killed {
                broker.kill();
                broker.restart();
                killed = true;
            }
        }
        writer.join().expect("the writer");
        assert!(killed);
        let mut times: HashMap<usize, usize> = HashMap::new();
        seen.iter().for_each(|number| *times.entry(*number).or_default() += 1);
        assert!((0..ALL).all(|number| times.get(&number) == Some(&1)), "each once");
        assert!(seen.is_sorted(), "in order");
    });
    let bounds = log.bounds(Topic::Events, Partition(0)).expect("bounds");
    assert_eq!(bounds.high_watermark, NextOffset(ALL as u64));
}
