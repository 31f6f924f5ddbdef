use inventory_store::log::LogError;
use inventory_store::types::{Header, NewRecord, Partition, Timestamp, Topic};

use super::Harness;
use super::observe::{append, read, record};

pub fn gives_rising_positions_and_keeps_every_byte(harness: &mut dyn Harness) {
    let log = harness.log();
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut sent = Vec::new();
    for i in 0..50_u16 {
        sent.push(NewRecord {
            topic: Topic::Events,
            partition: Partition(i % 3),
            timestamp: Some(Timestamp(1_700_000_000_000 + i64::from(i))),
            key: Some(format!("SKU-{i}").into_bytes()),
            value: Some([every_byte.as_slice(), format!("{i}").as_bytes()].concat()),
            headers: vec![Header::new("ce_type", format!("t{i}")), Header::new("bytes", every_byte.clone())],
        });
    }
    let positions = append(&*log, sent.clone());
    assert_eq!(positions.len(), sent.len());
    for partition in 0..3 {
        let seen = read(&*log, Topic::Events, partition);
        let wanted: Vec<_> =
            sent.iter().zip(&positions).filter(|(new, _)| new.partition.0 == partition).collect();
        assert_eq!(seen.len(), wanted.len());
        for (seen, (new, position)) in seen.iter().zip(wanted) {
            assert_eq!(seen.position, *position);
            assert_eq!(Some(seen.timestamp), new.timestamp);
            assert_eq!((&seen.key, &seen.value, &seen.headers), (&new.key, &new.value, &new.headers));
        }
        assert!(seen.windows(2).all(|pair| pair[0].position.offset < pair[1].position.offset));
    }
}

pub fn takes_odd_records(harness: &mut dyn Harness) {
    let log = harness.log();
    let plain = record(Topic::Commands, 0, "");
    let many = (0..300).map(|i| Header::new(format!("h{i}"), vec![0; i])).collect();
    let twice = vec![
        Header::new("h", *b"1"),
        Header { name: "h".into(), value: None },
        Header::new("h", *b"2"),
        Header::new("H", *b"3"),
    ];
    let sent = vec![
        NewRecord { key: None, value: None, ..plain.clone() },
        NewRecord { key: Some(Vec::new()), value: Some(Vec::new()), ..plain.clone() },
        NewRecord { headers: many, ..plain.clone() },
        NewRecord { headers: twice, ..plain.clone() },
        NewRecord { headers: vec![Header { name: "null".into(), value: None }], value: None, ..plain },
    ];
    append(&*log, sent.clone());
    let seen = read(&*log, Topic::Commands, 0);
    assert_eq!(seen.len(), sent.len());
    for (i, (seen, new)) in seen.iter().zip(&sent).enumerate() {
        assert_eq!(
            (&seen.key, &seen.value, &seen.headers),
            (&new.key, &new.value, &new.headers),
            "record {i}"
        );
    }
}

pub fn refuses_too_large_records_one_by_one(harness: &mut dyn Harness) {
    let log = harness.log();
    let large = "x".repeat(harness.max_record_bytes() + 1024);
    let records = vec![
        record(Topic::Events, 0, "before"),
        record(Topic::Events, 0, &large),
        record(Topic::Events, 0, "after"),
    ];
    let answers = log.appender().expect("an appender").append(records);
    assert!(answers[0].is_ok(), "{:?}", answers[0]);
    assert!(matches!(answers[1], Err(LogError::TooLarge { .. })), "{:?}", answers[1]);
    assert!(answers[2].is_ok(), "{:?}", answers[2]);
    let seen = read(&*log, Topic::Events, 0);
    assert_eq!(super::observe::texts(&seen), ["before", "after"]);

    let nearly = "x".repeat(harness.max_record_bytes() - 1024);
    append(&*log, vec![record(Topic::Events, 1, &nearly)]);
    assert_eq!(read(&*log, Topic::Events, 1)[0].text(), nearly);
}

pub fn an_empty_batch_is_nothing(harness: &mut dyn Harness) {
    let log = harness.log();
    assert!(log.appender().expect("an appender").append(Vec::new()).is_empty());
    let bounds = log.bounds(Topic::Events, Partition(0)).expect("bounds");
    assert_eq!((bounds.start.0, bounds.high_watermark.0), (0, 0));
    assert!(read(&*log, Topic::Events, 0).is_empty());
}

#[expect(clippy::disallowed_methods, reason = "the log's clock is held to the machine's")]
pub fn uses_the_time_of_appending_where_none_is_given(harness: &mut dyn Harness) {
    let log = harness.log();
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        i64::try_from(since.as_millis()).expect("not that late")
    };
    let before = now();
    append(&*log, vec![NewRecord { timestamp: None, ..record(Topic::Events, 0, "now") }]);
    let seen = read(&*log, Topic::Events, 0);
    assert!((before..=now()).contains(&seen[0].timestamp.0), "{:?}", seen[0].timestamp);
}

pub fn describes_its_topics(harness: &mut dyn Harness) {
    let log = harness.log();
    for topic in Topic::ALL {
        assert_eq!(log.partitions(topic).expect("partitions"), harness.partitions());
        let is = log.describe(topic).expect("describes").expect("exists");
        assert_eq!(is.partitions, harness.partitions());
        let policy = if topic == Topic::Snapshots { "compact" } else { "delete" };
        assert_eq!(is.settings.get("cleanup.policy").map(String::as_str), Some(policy), "{topic}");
        assert!(matches!(log.create(topic, &is), Err(LogError::TopicExists { .. })));
    }
    let id = log.cluster_id().expect("an id");
    assert!(!id.is_empty());
    assert_eq!(log.cluster_id().expect("an id"), id);
}
