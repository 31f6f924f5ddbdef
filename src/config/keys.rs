//! The keys there are: which tables are closed, which value a text stands for, which key was meant.

use figment::value::{Dict, Num, Value};

/// A table whose keys are not ours: whatever stands in it is passed on.
const OPEN_TABLES: &[&str] =
    &["archive.options", "kafka.properties", "kafka.producer.properties", "kafka.consumer.properties"];

/// One setting as a layer states it.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    /// From the section down, for example `["log", "retention", "events_hours"]`.
    pub path: Vec<String>,
    pub value: Value,
}

impl Stated {
    /// The setting as a document of its own.
    pub fn as_dict(&self) -> Dict {
        let mut path = self.path.iter().rev();
        let Some(last) = path.next() else { return Dict::new() };
        path.fold(Dict::from([(last.clone(), self.value.clone())]), |inner, name| {
            Dict::from([(name.clone(), Value::from(inner))])
        })
    }
}

/// What a document states, and every key in it that does not exist.
pub(super) fn flatten(document: &Dict, known: &Dict) -> (Vec<Stated>, Vec<String>) {
    let (mut stated, mut unknown) = (Vec::new(), Vec::new());
    walk(document, known, &mut Vec::new(), &mut stated, &mut unknown);
    (stated, unknown)
}

fn walk(
    document: &Dict,
    known: &Dict,
    path: &mut Vec<String>,
    stated: &mut Vec<Stated>,
    unknown: &mut Vec<String>,
) {
    for (name, value) in document {
        path.push(name.clone());
        let key = path.join(".");
        match (known.get(name), value) {
            _ if is_open(&path[..path.len() - 1]) => {
                stated.push(Stated { path: path.clone(), value: value.clone() })
            }
            (None, _) => unknown.push(unknown_key(&key, known, &path[..path.len() - 1])),
            (Some(Value::Dict(_, below)), Value::Dict(_, inner)) => walk(inner, below, path, stated, unknown),
            (Some(Value::Dict(..)), _) => unknown.push(format!("{key} is a section, not a value")),
            (Some(_), _) => stated.push(Stated { path: path.clone(), value: value.clone() }),
        }
        path.pop();
    }
}

/// Whether the keys of this table have dots where the environment can only have `_`: librdkafka's do.
pub(super) fn is_dotted(path: &[String]) -> bool {
    is_open(path) && path.first().is_some_and(|section| section == "kafka")
}

pub(super) fn is_open(path: &[String]) -> bool {
    OPEN_TABLES.contains(&path.join(".").as_str())
}

/// Says that `key` does not exist, and which one was probably meant.
fn unknown_key(key: &str, siblings: &Dict, section: &[String]) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let what = if section.is_empty() { "section" } else { "key" };
    match nearest(name, siblings.keys()) {
        Some(meant) if section.is_empty() => format!("unknown {what} `{key}`; did you mean `{meant}`?"),
        Some(meant) => format!("unknown {what} `{key}`; did you mean `{}.{meant}`?", section.join(".")),
        None => {
            let all: Vec<&str> = siblings.keys().map(String::as_str).collect();
            format!("unknown {what} `{key}`; there are {}", all.join(", "))
        }
    }
}

/// The key most like `name`, where one is like it at all.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    known
        .map(|key| (distance(name, key), key.as_str()))
        .filter(|(distance, key)| *distance <= 2 + key.len() / 4)
        .min()
        .map(|(_, key)| key)
}

/// Edits (insert, delete, replace) from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            let cost = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            (diagonal, left) = (above, cost);
            *cell = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// What a text from the environment or the command line may stand for, the likeliest first: text, number,
/// truth, a size such as `512MiB`, a list. The first one that the setting's type takes is it, so that a
/// password of digits stays a text.
pub(super) fn readings(text: &str) -> Vec<Value> {
    let mut readings = vec![Value::from(text)];
    if let Ok(number) = text.parse::<u64>() {
        readings.push(Value::from(Num::U64(number)));
    } else if let Ok(number) = text.parse::<i64>() {
        readings.push(Value::from(Num::I64(number)));
    } else if let Ok(number) = text.parse::<f64>() {
        readings.push(Value::from(Num::F64(number)));
    }
    if let Ok(truth) = text.parse::<bool>() {
        readings.push(Value::from(truth));
    }
    if let Some(bytes) = size(text) {
        readings.push(Value::from(Num::U64(bytes)));
    }
    let list = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    readings.push(Value::from(list.map(Value::from).collect::<Vec<_>>()));
    readings
}

/// `64KiB`, `512MiB`, `1GiB` in bytes.
fn size(text: &str) -> Option<u64> {
    [("KiB", 1_u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix)?.trim().parse::<u64>().ok()?.checked_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "", 3), ("listen", "lisent", 2), ("level", "levle", 2), ("a", "b", 1)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(size("1GiB"), Some(1 << 30));
        assert_eq!(size("64 KiB"), Some(65536));
        for text in ["", "KiB", "1GB", "-1MiB", "1.5GiB", "99999999999999999999GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
