//! Records of the internal topics beside recorded ones, as the recordings' README says what is significant.

use millstream_embedded::broker::Broker;
use regex::Regex;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Topic and key.
type Key = (String, String);

/// A record; `None` is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) topic: String,
    /// `None` where it depends on the names of this run.
    partition: Option<i32>,
    key: String,
    value: Option<String>,
}

impl Told {
    fn of(recorded: &Json, fill: impl Fn(&str) -> String) -> Self {
        let key = recorded["key"]["text"].as_str().unwrap();
        let partition = recorded["partition"].as_i64().unwrap() as i32;
        Told {
            topic: recorded["topic"].as_str().unwrap().to_owned(),
            partition: (!key.contains("{{")).then_some(partition),
            key: fill(key),
            value: recorded["value"]["text"].as_str().map(fill),
        }
    }

    fn key(&self) -> Key {
        (self.topic.clone(), self.key.clone())
    }

    /// How often this is told in a row is a race.
    fn may_repeat(&self) -> bool {
        self.value.is_none() || self.key.starts_with("status-topic-")
    }
}

/// What was written since the start, and what of it has been compared.
pub(crate) struct Topics<'a> {
    broker: &'a Broker,
    seen: BTreeMap<(String, i32), usize>,
    waiting: Vec<Told>,
    last: BTreeMap<Key, Option<String>>,
    /// Of both sides, what was told of a key last.
    last_recorded: BTreeMap<Key, Option<String>>,
    /// Recorded generations, each with the lowest and the highest that stood in their place.
    generations: BTreeMap<i64, (i64, i64)>,
}

pub(crate) const TOPICS: [&str; 3] = ["kc_config", "kc_status", "kc_offset"];

impl<'a> Topics<'a> {
    pub(crate) fn new(broker: &'a Broker) -> Self {
        Topics {
            broker,
            seen: BTreeMap::new(),
            waiting: Vec::new(),
            last: BTreeMap::new(),
            last_recorded: BTreeMap::new(),
            generations: BTreeMap::new(),
        }
    }

    /// Takes what is new, without repetitions that do not count.
    fn read(&mut self) {
        for topic in TOPICS {
            for partition in 0..25 {
                let Ok(records) = self.broker.read(topic, partition) else {
                    break;
                };
                let seen = self.seen.entry((topic.to_owned(), partition)).or_default();
                let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                for record in &records[*seen..] {
                    let told = Told {
                        topic: topic.to_owned(),
                        partition: Some(partition),
                        key: record.key.as_ref().map(text).unwrap(),
                        value: record.value.as_ref().map(text),
                    };
                    if is_new(&mut self.last, &told) {
                        self.waiting.push(told);
                    }
                }
                *seen = records.len();
            }
        }
    }

    /// What differs from the recorded records of a step, if anything does; else they are taken as compared.
    pub(crate) fn compare(
        &mut self,
        step: &Json,
        fill: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        self.read();
        let recorded = step["records"].as_array().unwrap();
        let recorded = recorded.iter().map(|record| Told::of(record, &fill));
        let mut last = self.last_recorded.clone();
        let recorded: Vec<Told> = recorded.filter(|told| is_new(&mut last, told)).collect();
        let recorded = without_last_breaths(recorded);
        let (ours, theirs) = (by_key(&self.waiting), by_key(&recorded));
        let mut generations = self.generations.clone();
        let mut differ = Vec::new();
        let keys = ours
            .keys()
            .chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
        for key in keys {
            let none = Vec::new();
            let (ours, theirs) = (
                ours.get(key).unwrap_or(&none),
                theirs.get(key).unwrap_or(&none),
            );
            let alike = ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| is_alike(ours, theirs, &mut generations));
            if !alike && !was_overtaken(ours, theirs, &mut generations) {
                differ.push(format!("{key:?}\n     ours {ours:?}\n recorded {theirs:?}"));
            }
        }
        // In the one partition of the configurations the order of keys counts, too.
        let order = |told: &[Told]| -> Vec<String> {
            let config = told.iter().filter(|told| told.topic == TOPICS[0]);
            config.map(|told| told.key.clone()).collect()
        };
        if order(&self.waiting) != order(&recorded) {
            let (ours, theirs) = (order(&self.waiting), order(&recorded));
            differ.push(format!("order\n     ours {ours:?}\n recorded {theirs:?}"));
        }
        if !is_ascending(&generations) {
            differ.push(format!("generations {generations:?}"));
        }
        if !differ.is_empty() {
            return Err(differ.join("\n"));
        }
        self.generations = generations;
        self.last_recorded = last;
        self.waiting.clear();
        Ok(())
    }
}

fn state(told: &Told) -> Option<String> {
    let value: Json = serde_json::from_str(told.value.as_ref()?).unwrap_or_default();
    value["state"].as_str().map(str::to_owned)
}

fn states<'a>(told: impl Iterator<Item = &'a Told>) -> Vec<String> {
    told.map(|told| state(told).unwrap_or_else(|| "none".to_owned()))
        .collect()
}

/// A task that is resumed as the group rebalances may be stopped before it has said that it runs: a race of two writers, in
/// Java's worker as in ours.
fn was_overtaken(
    ours: &[&Told],
    theirs: &[&Told],
    generations: &mut BTreeMap<i64, (i64, i64)>,
) -> bool {
    let (Some(last), Some(last_of_theirs)) = (ours.last(), theirs.last()) else {
        return false;
    };
    last.key.starts_with("status-task-")
        && states(ours.iter().copied()) == ["UNASSIGNED", "RUNNING"]
        && states(theirs.iter().copied()) == ["RUNNING", "UNASSIGNED", "RUNNING"]
        && is_alike(last, last_of_theirs, generations)
}

/// Java's paused source says RUNNING once more when it is stopped for good: a deliberate difference.
fn without_last_breaths(recorded: Vec<Told>) -> Vec<Told> {
    let is_last_breath = |at: usize| {
        let of_task = recorded[at..]
            .iter()
            .filter(|told| told.key == recorded[at].key);
        recorded[at].key.starts_with("status-task-")
            && states(of_task.take(3)) == ["RUNNING", "UNASSIGNED", "none"]
    };
    let kept = (0..recorded.len()).filter(|at| !is_last_breath(*at));
    kept.map(|at| recorded[at].clone()).collect()
}

/// Whether it is more than a repetition that does not count.
fn is_new(last: &mut BTreeMap<Key, Option<String>>, told: &Told) -> bool {
    let before = last.insert(told.key(), told.value.clone());
    let is_again = before.is_some_and(|before| before.is_some() == told.value.is_some());
    !(is_again && told.may_repeat())
}

fn by_key(told: &[Told]) -> BTreeMap<Key, Vec<&Told>> {
    let mut by_key: BTreeMap<Key, Vec<&Told>> = BTreeMap::new();
    for told in told {
        by_key.entry(told.key()).or_default().push(told);
    }
    by_key
}

/// Greater generations stand for greater ones.
fn is_ascending(generations: &BTreeMap<i64, (i64, i64)>) -> bool {
    let all: Vec<_> = generations.values().collect();
    all.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

fn is_alike(ours: &Told, theirs: &Told, generations: &mut BTreeMap<i64, (i64, i64)>) -> bool {
    if theirs.partition.is_some() && ours.partition != theirs.partition {
        return false;
    }
    let (Some(ours), Some(theirs)) = (&ours.value, &theirs.value) else {
        return ours.value == theirs.value;
    };
    let (mut ours, mut theirs) = (parts(ours), parts(theirs));
    if let (Some(ours), Some(theirs)) = (ours.generation.take(), theirs.generation.take()) {
        let known = generations.entry(theirs).or_insert((ours, ours));
        *known = (known.0.min(ours), known.1.max(ours));
    }
    ours.properties == theirs.properties && matches(&theirs.text, &ours.text)
}

/// A value apart from what is compared in another way than by its bytes.
struct Parts {
    text: String,
    generation: Option<i64>,
    properties: Option<BTreeMap<String, String>>,
}

fn parts(value: &str) -> Parts {
    let mut text = value.to_owned();
    let mut generation = None;
    if let Some((before, rest)) = value.split_once("\"generation\":") {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        generation = rest[..end].parse().ok();
        text = format!("{before}\"generation\":{}", &rest[end..]);
    }
    if text.starts_with(r#"{"state":"UNASSIGNED""#)
        && let Some((before, _)) = text.split_once("\"version\":")
    {
        text = format!("{before}\"version\":}}");
    }
    // Pairs stand in the order of a hash map there, in another one here; apart from it, bytes are compared.
    let inner = text
        .strip_prefix(r#"{"properties":{"#)
        .and_then(|rest| rest.strip_suffix("}}"));
    let properties = inner.map(|inner| {
        let pair = Regex::new(r#"("(?:[^"\\]|\\.)*"):("(?:[^"\\]|\\.)*"|null)(,|$)"#).unwrap();
        let pairs = pair
            .captures_iter(inner)
            .map(|found| (found[1].to_owned(), found[2].to_owned()));
        let rest = pair.replace_all(inner, "").into_owned();
        pairs.chain([("rest".to_owned(), rest)]).collect()
    });
    if properties.is_some() {
        text.clear();
    }
    Parts {
        text,
        generation,
        properties,
    }
}

/// Whether a text is what was recorded; placeholders that are left stand for patterns.
fn matches(recorded: &str, text: &str) -> bool {
    if !recorded.contains("{{") {
        return recorded == text;
    }
    let mut pattern = regex::escape(recorded);
    // A trace of ours has no frames, and ends without the line's end before them.
    let frames = r"(?:\\t(?:[^\\]|\\[^n])*\\n)*";
    let last = regex::escape("\\n{{FRAMES}}\"");
    pattern = pattern.replace(&last, &format!("(?:\\\\n{frames})?\""));
    for (name, part) in [
        ("MILLIS", "[0-9]+"),
        ("SESSION_KEY", "[A-Za-z0-9+/=]+"),
        // Escaped as in JSON.
        ("FRAMES", frames),
    ] {
        pattern = pattern.replace(&regex::escape(&format!("{{{{{name}}}}}")), part);
    }
    Regex::new(&format!("^{pattern}$")).unwrap().is_match(text)
}
