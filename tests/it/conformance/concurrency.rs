use inventory_store::types::Topic;

use super::Harness;
use super::observe::{append, read, record, texts};

pub fn many_appenders_keep_their_own_order(harness: &mut dyn Harness) {
    let log = harness.log();
    let appender = log.appender().expect("an appender");
    std::thread::scope(|scope| {
        for writer in 0..6_u16 {
            let appender = &appender;
            scope.spawn(move || {
                for i in 0..20 {
                    let records =
                        (0..3).map(|part| record(Topic::Events, writer % 2, &format!("{writer} {i} {part}")));
                    for answer in appender.append(records.collect()) {
                        answer.expect("acknowledged");
                    }
                }
            });
        }
    });
    for partition in 0..2_u16 {
        let seen = texts(&read(&*log, Topic::Events, partition));
        assert_eq!(seen.len(), 3 * 20 * 3);
        for writer in (0..6_u16).filter(|w| w % 2 == partition) {
            let own: Vec<&String> = seen.iter().filter(|s| s.starts_with(&format!("{writer} "))).collect();
            let wanted: Vec<String> =
                (0..20).flat_map(|i| (0..3).map(move |part| format!("{writer} {i} {part}"))).collect();
            assert_eq!(own, wanted.iter().collect::<Vec<_>>());
        }
    }
}

/// Readers that begin while others write see the same records at the same offsets, without holes.
pub fn readers_see_one_order(harness: &mut dyn Harness) {
    let log = harness.log();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..60 {
                append(&*log, (0..5).map(|part| record(Topic::Events, 0, &format!("{i} {part}"))).collect());
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let mut longest = Vec::new();
                while longest.len() < 300 {
                    let seen = read(&*log, Topic::Events, 0);
                    assert!(seen.len() >= longest.len());
                    assert_eq!(seen[..longest.len()], longest[..], "what was read stays");
                    longest = seen;
                }
                let wanted: Vec<String> =
                    (0..60).flat_map(|i| (0..5).map(move |part| format!("{i} {part}"))).collect();
                assert_eq!(texts(&longest), wanted);
            });
        }
        writer.join().expect("written");
    });
}
