use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// What librdkafka counts of its own work, the newest of each client.
#[derive(Default)]
pub struct Statistics(Mutex<BTreeMap<String, ClientStatistics>>);

/// One client's numbers. Totals are since its start; times are of the last window, in seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientStatistics {
    /// What the client is for: `reader`, `appender`, `transactor`, `member`.
    pub purpose: &'static str,
    pub is_producer: bool,
    /// librdkafka's clock at which these were taken, in microseconds.
    pub taken_at: i64,
    pub sent_messages: u64,
    pub sent_bytes: u64,
    /// Since the statistics before these.
    pub sent_per_second: f64,
    pub received_messages: u64,
    /// Waiting to be sent, or fetched and not yet taken.
    pub queued_messages: u64,
    pub brokers: Vec<BrokerStatistics>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct BrokerStatistics {
    /// `host:port`.
    pub name: String,
    /// Round trips, long polls of fetches included: mean, median, 95th and 99th percentile, longest.
    pub request_mean: f64,
    pub request_p50: f64,
    pub request_p95: f64,
    pub request_p99: f64,
    pub request_max: f64,
    pub transmit_errors: u64,
    pub receive_errors: u64,
    pub timeouts: u64,
}

/// As librdkafka writes them; only what is used.
#[derive(Deserialize)]
struct Raw<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    ts: i64,
    txmsgs: u64,
    txmsg_bytes: u64,
    rxmsgs: u64,
    msg_cnt: u64,
    brokers: HashMap<String, RawBroker>,
    topics: HashMap<String, RawTopic>,
}

#[derive(Deserialize)]
struct RawBroker {
    nodename: String,
    nodeid: i32,
    txerrs: u64,
    rxerrs: u64,
    req_timeouts: u64,
    rtt: RawWindow,
}

#[derive(Deserialize)]
struct RawWindow {
    avg: f64,
    max: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Deserialize)]
struct RawTopic {
    partitions: HashMap<String, RawPartition>,
}

#[derive(Deserialize)]
struct RawPartition {
    fetchq_cnt: i64,
}

impl Statistics {
    /// Takes what librdkafka gave out. What cannot be read is no reason to stop anything.
    pub(super) fn take(&self, purpose: &'static str, json: &[u8]) {
        match serde_json::from_slice::<Raw<'_>>(json) {
            Ok(raw) => self.keep(purpose, raw),
            Err(error) => {
                tracing::debug!(client = purpose, %error, "librdkafka's statistics could not be read")
            }
        }
    }

    fn keep(&self, purpose: &'static str, raw: Raw<'_>) {
        const MICROSECONDS: f64 = 1e-6;
        let fetched = raw.topics.values().flat_map(|topic| topic.partitions.values());
        let queued = fetched.map(|partition| u64::try_from(partition.fetchq_cnt).unwrap_or(0)).sum::<u64>();
        let is_producer = raw.kind == "producer";
        // Only real brokers, not the addresses of the bootstrap or the coordinator's alias.
        let known = raw.brokers.into_values().filter(|broker| broker.nodeid >= 0);
        let brokers = known
            .map(|broker| BrokerStatistics {
                request_mean: broker.rtt.avg * MICROSECONDS,
                request_p50: broker.rtt.p50 * MICROSECONDS,
                request_p95: broker.rtt.p95 * MICROSECONDS,
                request_p99: broker.rtt.p99 * MICROSECONDS,
                request_max: broker.rtt.max * MICROSECONDS,
                transmit_errors: broker.txerrs,
                receive_errors: broker.rxerrs,
                timeouts: broker.req_timeouts,
                name: broker.nodename,
            })
            .collect();
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = clients.get(raw.name);
        let sent_per_second = before.filter(|before| raw.ts > before.taken_at).map_or(0.0, |before| {
            let seconds = (raw.ts - before.taken_at) as f64 * MICROSECONDS;
            raw.txmsgs.saturating_sub(before.sent_messages) as f64 / seconds
        });
        let taken = ClientStatistics {
            purpose,
            is_producer,
            taken_at: raw.ts,
            sent_messages: raw.txmsgs,
            sent_bytes: raw.txmsg_bytes,
            sent_per_second,
            received_messages: raw.rxmsgs,
            queued_messages: if is_producer { raw.msg_cnt } else { queued },
            brokers,
        };
        clients.insert(raw.name.to_owned(), taken);
    }

    /// The newest numbers of every client, by librdkafka's name for it.
    #[must_use]
    pub fn clients(&self) -> BTreeMap<String, ClientStatistics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
