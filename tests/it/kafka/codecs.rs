use std::time::{Duration, Instant};

use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Assignment, Log, Purpose};
use inventory_store::types::{Header, NewRecord, NextOffset, Offset, Partition, Position, Topic};

use super::topic;
use crate::support::broker::Broker;

/// What every codec leaves of records, headers and nulls.
#[test]
fn topics_of_every_codec_are_read_as_they_were_written() {
    let Some(broker) = Broker::shared("kafka: reading every codec") else { return };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut config = broker.config();
        config.producer.compression = codec.into();
        let log = KafkaLog::connect(&config).expect(codec);
        log.create(Topic::Events, &topic(2)).expect(codec);
        let records: Vec<NewRecord> = (0..500)
            .map(|i: u32| NewRecord {
                topic: Topic::Events,
                partition: Partition((i % 2) as u16),
                timestamp: None,
                key: (!i.is_multiple_of(5)).then(|| format!("SKU-{i}").into_bytes()),
                value: match i % 7 {
                    0 => None,
                    1 => Some(Vec::new()),
                    _ => Some(format!("value {i} ").repeat(20).into_bytes()),
                },
                headers: vec![
                    Header::new("ce_id", i.to_string()),
                    Header { name: "null".into(), value: None },
                    Header::new("ce_id", "again"),
                    Header::new("empty", ""),
                ],
            })
            .collect();
        let positions = log.appender().expect(codec).append(records.clone());
        let mut reader = log
            .reader(
                Purpose::Bulk,
                &[0, 1].map(|p| Assignment {
                    topic: Topic::Events,
                    partition: Partition(p),
                    next: NextOffset::ZERO,
                }),
            )
            .expect(codec);
        let mut seen = 0;
        let mut ends = 0;
        let deadline = Instant::now() + Duration::from_secs(30);
        while seen < records.len() || ends < 2 {
            assert!(Instant::now() < deadline, "{codec}: {seen} records and {ends} ends after 30 s");
            let batch = reader.poll(100, Duration::from_millis(200)).expect(codec);
            for index in 0..batch.records.len() {
                let read = batch.records.get(index);
                let written = records
                    .iter()
                    .zip(&positions)
                    .find(|(_, position)| {
                        position.as_ref().is_ok_and(|position| *position == read.position())
                    })
                    .map(|(record, _)| record)
                    .expect("it was written");
                assert_eq!(read.key, written.key.as_deref(), "{codec}");
                assert_eq!(read.value, written.value.as_deref(), "{codec}");
                let mut headers = Vec::new();
                read.headers.visit(&mut |name, value| {
                    headers.push(Header { name: name.into(), value: value.map(<[u8]>::to_vec) });
                });
                assert_eq!(headers, written.headers, "{codec}");
                assert_eq!(read.headers.last("ce_id"), Some(Some(&b"again"[..])), "{codec}");
                seen += 1;
            }
            for end in batch.ends {
                assert_eq!(end.next, NextOffset(250), "{codec}");
                ends += 1;
            }
        }
        assert_eq!(
            positions[0].as_ref().expect("written"),
            &Position { partition: Partition(0), offset: Offset(0) }
        );
    }
}
