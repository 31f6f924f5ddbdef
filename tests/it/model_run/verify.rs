//! Holds what stands in the log to the contract.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use inventory_store::types::{Position, Topic};
use serde_json::Value;

use super::clients::Heard;
use super::stock::Stock;
use crate::support::topics::Found;

/// Everything of a run.
#[derive(Clone)]
pub struct Run {
    pub own_source: String,
    pub events: Vec<Found>,
    pub results: Vec<Found>,
    pub commands: Vec<Found>,
    pub letters: Vec<Found>,
    pub heard: Vec<Heard>,
    /// Records of the commands topic that nobody can read.
    pub unreadable: usize,
}

/// SKU, source, id.
type Name = (String, String, String);

/// An event that counts: a foreign one seen before is passed over.
#[derive(Clone)]
struct Event {
    at: Position,
    json: Value,
    is_own: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

fn position(value: &Value) -> Position {
    text(value).parse().expect("a position")
}

impl Run {
    /// Positions of commands that came to nothing but a dead letter.
    fn put_aside(&self) -> BTreeSet<Position> {
        let header = |found: &Found, name: &str| {
            let value = found.headers.iter().rfind(|(known, _)| known == name);
            value.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let of_commands =
            |found: &&Found| header(found, "x-dead-letter-topic") == Topic::Commands.default_name();
        let origin = |found: &Found| {
            let (partition, offset) =
                (header(found, "x-dead-letter-partition"), header(found, "x-dead-letter-offset"));
            format!("{partition}:{offset}").parse().expect("an origin")
        };
        self.letters.iter().filter(of_commands).map(origin).collect()
    }

    /// Commands that have no result yet.
    pub fn undecided(&self) -> usize {
        let decided: HashSet<Position> = self.results.iter().map(result_of).collect();
        let aside = self.put_aside();
        self.commands
            .iter()
            .filter(|found| !decided.contains(&found.at) && !aside.contains(&found.at))
            .count()
    }

    /// # Panics
    /// Where anything differs from the contract, naming it.
    pub fn verify(&self) -> BTreeMap<String, Stock> {
        let by_sku = self.events_by_sku();
        self.sequences_have_no_gap(&by_sku);
        self.every_command_has_one_result();
        self.results_name_their_events(&by_sku);
        self.verdicts_are_justified(&by_sku);
        self.answers_are_true();
        self.nothing_is_oversold(&by_sku)
    }

    /// The run with something amiss, a thing each, and what it is.
    pub fn doctored(&self) -> Vec<(&'static str, Self)> {
        let own = |found: &Found| {
            found.json.as_ref().is_some_and(|json| json["source"] == self.own_source.as_str())
        };
        let rejected =
            |found: &Found| found.json.as_ref().is_some_and(|json| json["data"]["outcome"] == "rejected");
        let mut doctored = Vec::new();
        let mut with = |what, change: &dyn Fn(&mut Self)| {
            let mut run = self.clone();
            change(&mut run);
            doctored.push((what, run));
        };
        let middle = self.events.iter().rposition(own).expect("an event of ours") / 2;
        let an_event = (middle..self.events.len()).find(|n| own(&self.events[*n])).expect("an event of ours");
        let a_refusal = self.results.iter().position(rejected).expect("a refusal");
        with("an event lost", &|run| drop(run.events.remove(an_event)));
        with("an event twice", &|run| run.events.insert(an_event, run.events[an_event].clone()));
        with("a result lost", &|run| drop(run.results.remove(a_refusal)));
        with("a result twice", &|run| run.results.insert(0, run.results[a_refusal].clone()));
        with("another reason", &|run| {
            let json = run.results[a_refusal].json.as_mut().expect("a result");
            json["data"]["code"] = "UNKNOWN_SERIAL".into();
        });
        with("refused at another version", &|run| {
            let json = run.results[a_refusal].json.as_mut().expect("a result");
            json["data"]["version"] = 1_000_000.into();
        });
        with("a gap", &|run| {
            let json = run.events[an_event].json.as_mut().expect("an event");
            json["sequence"] = "1000000".into();
        });
        with("a false answer", &|run| {
            let one = run.heard.iter_mut().find(|heard| heard.status == 200).expect("an accepted one");
            one.body["event_ids"] = serde_json::json!(["another"]);
        });
        with("a broken promise", &|run| {
            let one = run.heard.iter_mut().find(|heard| heard.status == 202).expect("a promise");
            one.body["command_position"] = "0:1000000".into();
        });
        doctored
    }

    fn events_by_sku(&self) -> BTreeMap<String, Vec<Event>> {
        let mut by_sku: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        let mut ids = HashSet::new();
        for found in &self.events {
            let json = found.json.clone().expect("an event");
            let is_own = json["source"] == self.own_source.as_str();
            // Foreign duplicates come at once after the first; ours there must be none.
            let is_new = ids.insert((text(&json["source"]), text(&json["id"])));
            assert!(is_new || !is_own, "an event of ours twice: {json}");
            if is_new {
                let sku = text(&json["subject"]);
                by_sku.entry(sku).or_default().push(Event { at: found.at, json, is_own });
            }
        }
        by_sku
    }

    fn sequences_have_no_gap(&self, by_sku: &BTreeMap<String, Vec<Event>>) {
        for (sku, events) in by_sku {
            let own = events.iter().filter(|event| event.is_own);
            for (index, event) in own.enumerate() {
                assert_eq!(
                    event.json["sequence"],
                    (index + 1).to_string(),
                    "{sku} {}: {}",
                    event.at,
                    event.json
                );
            }
        }
    }

    fn every_command_has_one_result(&self) {
        let mut decided = HashMap::new();
        for found in &self.results {
            let json = found.json.as_ref().expect("a result");
            assert_eq!(json["source"], self.own_source.as_str());
            let before = decided.insert(result_of(found), found.at);
            assert!(before.is_none(), "two results of one command: {before:?} and {}", found.at);
        }
        let aside = self.put_aside();
        assert_eq!(aside.len(), self.unreadable, "what nobody can read is put aside, nothing else is");
        let all: BTreeSet<Position> = self.commands.iter().map(|found| found.at).collect();
        let wanted: BTreeSet<Position> = all.difference(&aside).copied().collect();
        assert_eq!(
            decided.keys().copied().collect::<BTreeSet<_>>(),
            wanted,
            "a result for each, and for no other"
        );
    }

    /// The events of a command stand together, in the order of its result, and belong to no other.
    fn results_name_their_events(&self, by_sku: &BTreeMap<String, Vec<Event>>) {
        let mut of_command: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for (sku, events) in by_sku {
            for event in events.iter().filter(|event| event.is_own) {
                let json = &event.json;
                let name = (sku.clone(), text(&json["causationsource"]), text(&json["causationid"]));
                of_command.entry(name).or_default().push(text(&json["id"]));
            }
        }
        let mut accepted: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for found in &self.results {
            let data = &found.json.as_ref().expect("a result")["data"];
            if data["outcome"] == "accepted" {
                let ids: Vec<String> = data["event_ids"].as_array().expect("ids").iter().map(text).collect();
                let before = accepted.insert(name_of(data), ids.clone());
                assert!(before.is_none_or(|before| before == ids), "two outcomes: {data}");
            }
        }
        assert_eq!(of_command, accepted, "each command at most once, every accepted one there");
    }

    /// Each verdict is what the contract says of the state at its place.
    fn verdicts_are_justified(&self, by_sku: &BTreeMap<String, Vec<Event>>) {
        let commands: HashMap<Position, &Value> =
            self.commands.iter().filter_map(|found| Some((found.at, found.json.as_ref()?))).collect();
        let mut in_order: Vec<&Found> = self.results.iter().collect();
        in_order.sort_by_key(|found| result_of(found));
        let mut first: HashMap<Name, (&Value, &Value)> = HashMap::new();
        for found in in_order {
            let data = &found.json.as_ref().expect("a result")["data"];
            let command = commands[&result_of(found)];
            assert_eq!((&command["id"], &command["source"]), (&data["command_id"], &data["command_source"]));
            let Some((original, outcome)) = first.get(&name_of(data)) else {
                first.insert(name_of(data), (command, data));
                justified(command, data, by_sku.get(&text(&data["sku"])).map_or(&[], Vec::as_slice));
                continue;
            };
            let content = |command: &Value| {
                (command["type"].clone(), command["expectedversion"].clone(), command["data"].clone())
            };
            if content(original) == content(command) {
                for field in ["outcome", "version", "event_ids", "code", "command_hash"] {
                    assert_eq!(data[field], outcome[field], "the first outcome again: {data}");
                }
            } else {
                assert_eq!(data["code"], "COMMAND_ID_REUSED", "{command}: {data}");
            }
        }
    }

    fn answers_are_true(&self) {
        let events: HashMap<Position, &Value> =
            self.events.iter().filter_map(|found| Some((found.at, &found.json.as_ref()?["id"]))).collect();
        let told = |data: &Value| {
            ["outcome", "version", "event_ids", "code", "message", "details"]
                .map(|field| data[field].to_string())
        };
        let mut known: HashMap<Name, Vec<[String; 6]>> = HashMap::new();
        for found in &self.results {
            let data = &found.json.as_ref().expect("a result")["data"];
            known.entry(name_of(data)).or_default().push(told(data));
        }
        let decided: HashSet<Position> = self.results.iter().map(result_of).collect();
        for Heard { status, body } in &self.heard {
            if *status == 202 {
                assert!(decided.contains(&position(&body["command_position"])), "a promise: {body}");
                continue;
            }
            if *status == 503 {
                continue;
            }
            let outcomes = known.get(&name_of(body)).unwrap_or_else(|| panic!("no result of {body}"));
            assert!(outcomes.contains(&told(body)), "{body} is none of {outcomes:?}");
            let expected = match body["code"].as_str() {
                None => 200,
                Some("VERSION_CONFLICT") => 412,
                Some("INVALID_COMMAND") => 422,
                Some(_) => 409,
            };
            assert_eq!(*status, expected, "{body}");
            let positions = body["positions"].as_array().expect("positions");
            for (at, id) in positions.iter().map(position).zip(body["event_ids"].as_array().expect("ids")) {
                assert_eq!(events.get(&at).copied(), Some(id), "{at} in {body}");
            }
        }
    }

    /// Each SKU at the end; on the way, none that only commands change promises more than there is.
    fn nothing_is_oversold(&self, by_sku: &BTreeMap<String, Vec<Event>>) -> BTreeMap<String, Stock> {
        let mut last = BTreeMap::new();
        for (sku, events) in by_sku {
            let is_own = events.iter().all(|event| event.is_own);
            let mut stock = Stock::default();
            for event in events {
                stock.apply(&event.json);
                assert!(!is_own || stock.free() >= 0, "{sku} is oversold at {}: {stock:?}", event.at);
                assert!(!is_own || stock.on_hand >= stock.unavailable(), "{sku} at {}: {stock:?}", event.at);
            }
            last.insert(sku.clone(), stock);
        }
        last
    }
}

fn result_of(found: &Found) -> Position {
    position(&found.json.as_ref().expect("a result")["data"]["command_position"])
}

fn name_of(data: &Value) -> Name {
    (text(&data["sku"]), text(&data["command_source"]), text(&data["command_id"]))
}

/// The verdict follows from the version it names: from the one state there is where only commands change the
/// SKU; else from one that a lane may have seen, with so many of the foreign events there were.
fn justified(command: &Value, data: &Value, events: &[Event]) {
    let version = data["version"].as_u64().expect("a version");
    let is_accepted = data["outcome"] == "accepted";
    let own_events = data["event_ids"].as_array().map_or(0, Vec::len) as u64;
    let before = version - if is_accepted { own_events } else { 0 };
    let (own, foreign): (Vec<&Event>, Vec<&Event>) = events.iter().partition(|event| event.is_own);
    let mut candidates = Vec::new();
    for seen in 0..=foreign.len().min(before as usize) {
        let own_seen = before as usize - seen;
        if own_seen > own.len() {
            continue;
        }
        let mut some: Vec<&&Event> = own[..own_seen].iter().chain(&foreign[..seen]).collect();
        some.sort_by_key(|event| event.at);
        let mut stock = Stock::default();
        for event in some {
            stock.apply(&event.json);
        }
        let expected = stock.decide(command);
        let agrees = match &expected {
            Ok(after) => is_accepted && after.version == version,
            Err(code) => data["code"] == *code,
        };
        if agrees {
            return;
        }
        candidates.push((stock, expected));
    }
    let shown: Vec<_> = candidates.iter().take(5).collect();
    panic!("{command}\ncame to {data}\nwhich follows from none of {} states: {shown:#?}", candidates.len());
}
