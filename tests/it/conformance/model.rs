use std::collections::BTreeMap;
use std::sync::Arc;

use inventory_store::log::{Consumed, Log, Transactor};
use inventory_store::types::{Header, NewRecord, NextOffset, Partition, Position, Timestamp, Topic};

use super::Harness;
use super::observe::{Owner, Seen, read_from};

const GROUP: &str = "model";
const TOPICS: [Topic; 3] = [Topic::Events, Topic::Commands, Topic::Results];

/// A small generator of numbers (xorshift*): a run is its seed.
struct Random(fastrand::Rng);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(0..bound)
    }

    fn partition(&mut self) -> u16 {
        u16::try_from(self.below(3)).expect("small")
    }

    fn records(&mut self) -> Vec<NewRecord> {
        (0..self.below(6)).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> NewRecord {
        let bytes = |random: &mut Self, most| -> Option<Vec<u8>> {
            let length = random.below(most);
            (length > 0).then(|| (1..length).map(|i| (i ^ most) as u8).collect())
        };
        NewRecord {
            topic: TOPICS[usize::try_from(self.below(3)).expect("small")],
            partition: Partition(self.partition()),
            timestamp: Some(Timestamp(1_700_000_000_000 + self.below(1000) as i64)),
            key: bytes(self, 10),
            value: bytes(self, 200),
            headers: (0..self.below(3))
                .map(|i| Header { name: format!("h{i}"), value: bytes(self, 5) })
                .collect(),
        }
    }
}

#[derive(Default)]
struct Model {
    records: BTreeMap<(Topic, u16), Vec<Seen>>,
    starts: BTreeMap<(Topic, u16), u64>,
    consumed: BTreeMap<u16, Consumed>,
}

impl Model {
    fn take(&mut self, new: &NewRecord, position: Position) {
        assert_eq!(position.partition, new.partition);
        let records = self.records.entry((new.topic, new.partition.0)).or_default();
        assert!(records.last().is_none_or(|last| last.position.offset < position.offset), "offsets rise");
        records.push(Seen {
            position,
            timestamp: new.timestamp.expect("given"),
            key: new.key.clone(),
            value: new.value.clone(),
            headers: new.headers.clone(),
        });
    }

    fn from(&self, topic: Topic, partition: u16, from: u64) -> Vec<Seen> {
        let records = self.records.get(&(topic, partition)).map_or(&[][..], Vec::as_slice);
        records.iter().filter(|seen| seen.position.offset.0 >= from).cloned().collect()
    }

    fn start(&self, topic: Topic, partition: u16) -> u64 {
        self.starts.get(&(topic, partition)).copied().unwrap_or_default()
    }
}

pub fn random_operations_agree_with_a_model(harness: &mut dyn Harness) {
    let seed = crate::support::seed();
    let mut random = Random(fastrand::Rng::with_seed(seed));
    let mut model = Model::default();
    for _ in 0..3 {
        {
            let log = harness.log();
            let owner = Owner::of_all(&*log, GROUP, harness.partitions());
            let mut transactor = log.transactor("t").expect("a transactor");
            for _ in 0..60 {
                step(harness, &log, &owner, &mut *transactor, &mut model, &mut random);
            }
        }
        harness.stop_and_start();
        compare(&harness.log(), &model);
    }
}

fn step(
    harness: &dyn Harness,
    log: &Arc<dyn Log>,
    owner: &Owner,
    transactor: &mut dyn Transactor,
    model: &mut Model,
    random: &mut Random,
) {
    let (topic, partition) = (TOPICS[usize::try_from(random.below(3)).expect("small")], random.partition());
    match random.below(10) {
        0..=2 => {
            let records = random.records();
            let answers = log.appender().expect("an appender").append(records.clone());
            assert_eq!(answers.len(), records.len());
            for (new, answer) in records.iter().zip(answers) {
                model.take(new, answer.expect("acknowledged"));
            }
        }
        3 | 4 => {
            let records = random.records();
            let consumed = Consumed {
                partition: Partition(partition),
                next: NextOffset(random.below(99)),
                metadata: seed_text(random),
            };
            let (one, other) = records.split_at(records.len() / 2);
            transactor.stage(one).expect("stages");
            transactor.stage(other).expect("stages");
            let positions =
                transactor.commit(std::slice::from_ref(&consumed), &owner.generation()).expect("commits");
            assert_eq!(positions.len(), records.len());
            records.iter().zip(positions).for_each(|(new, position)| model.take(new, position));
            model.consumed.insert(partition, consumed);
        }
        5 => {
            transactor.stage(&random.records()).expect("stages");
            transactor.abort().expect("aborts");
        }
        6 => {
            let bounds = log.bounds(topic, Partition(partition)).expect("bounds");
            let from = bounds.start.0 + random.below(bounds.last_stable.0 - bounds.start.0 + 1);
            assert_eq!(
                read_from(&**log, topic, partition, NextOffset(from)),
                model.from(topic, partition, from)
            );
        }
        7 => {
            let time = Timestamp(1_700_000_000_000 + random.below(1100) as i64);
            let found = log.offset_at(topic, Partition(partition), time).expect("an offset");
            let first = model.from(topic, partition, 0).into_iter().find(|seen| seen.timestamp >= time);
            // Kafka finds control and aborted records too; `times` asks for the exact answer without any. And of a
            // segment whose beginning was deleted it may find none, with times as out of order as these.
            if let Some(first) = first.filter(|_| model.start(topic, partition) == 0) {
                assert!(found.0 <= first.position.offset.0, "{topic} {partition} {time:?}");
            }
            let bounds = log.bounds(topic, Partition(partition)).expect("bounds");
            assert!((bounds.start..=bounds.last_stable).contains(&found), "{topic} {partition} {time:?}");
        }
        8 => compare(log, model),
        _ => {
            let bounds = log.bounds(topic, Partition(partition)).expect("bounds");
            let before = bounds.start.0 + random.below(bounds.last_stable.0 - bounds.start.0 + 1) / 3;
            if before > bounds.start.0 {
                harness.drop_below(topic, Partition(partition), NextOffset(before));
                model
                    .records
                    .entry((topic, partition))
                    .or_default()
                    .retain(|s| s.position.offset.0 >= before);
                model.starts.insert((topic, partition), before);
            }
        }
    }
}

fn seed_text(random: &mut Random) -> String {
    format!("m{}", random.below(1000))
}

fn compare(log: &Arc<dyn Log>, model: &Model) {
    for topic in TOPICS {
        for partition in 0..3 {
            let bounds = log.bounds(topic, Partition(partition)).expect("bounds");
            assert_eq!(bounds.start.0, model.start(topic, partition), "{topic} {partition}");
            assert!(bounds.start <= bounds.last_stable && bounds.last_stable <= bounds.high_watermark);
            let wanted = model.from(topic, partition, 0);
            assert_eq!(read_from(&**log, topic, partition, bounds.start), wanted, "{topic} {partition}");
            assert!(wanted.last().is_none_or(|last| bounds.last_stable.is_past(last.position.offset)));
        }
    }
    for partition in 0..3 {
        let committed = log.committed(GROUP, &[Partition(partition)]).expect("committed");
        assert_eq!(committed, [model.consumed.get(&partition).cloned()]);
    }
}
