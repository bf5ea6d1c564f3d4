//! Lines as CloudWatch takes them: their shape, their bounds, their dimensions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::prometheus::tests::{facts, worked};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What CloudWatch's specification demands of a line: the metrics by name with their values.
fn check(line: &str) -> Result<BTreeMap<String, f64>, String> {
    let root: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let root = root.as_object().ok_or("no object")?;
    if line.len() > 256 * 1024 {
        return Err("larger than an event of CloudWatch Logs".to_owned());
    }
    let metadata = root["_aws"].as_object().ok_or("no metadata")?;
    let members: BTreeSet<&str> = metadata.keys().map(String::as_str).collect();
    if members != BTreeSet::from(["CloudWatchMetrics", "Timestamp"]) {
        return Err(format!("members {members:?}"));
    }
    metadata["Timestamp"].as_u64().ok_or("no timestamp")?;
    let directives = metadata["CloudWatchMetrics"]
        .as_array()
        .ok_or("no directives")?;
    let mut found = BTreeMap::new();
    for directive in directives {
        let namespace = directive["Namespace"].as_str().ok_or("no namespace")?;
        let is_namespace = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
        if !(1..=255).contains(&namespace.len()) || !namespace.chars().all(is_namespace) {
            return Err("the namespace".to_owned());
        }
        for set in directive["Dimensions"].as_array().ok_or("no dimensions")? {
            let set = set.as_array().ok_or("no set of dimensions")?;
            if !(1..=30).contains(&set.len()) {
                return Err("the number of dimensions".to_owned());
            }
            for name in set {
                let name = name.as_str().ok_or("no name")?;
                let value = root.get(name).and_then(Value::as_str).ok_or("no value")?;
                let is_printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                let is_short = (1..=1024).contains(&value.len());
                if !is_printable || !is_short || value.trim().is_empty() || value.starts_with(':') {
                    return Err(format!("the value {value:?} of a dimension"));
                }
            }
        }
        let metrics = directive["Metrics"].as_array().ok_or("no metrics")?;
        if !(1..=100).contains(&metrics.len()) {
            return Err("the number of metrics".to_owned());
        }
        for metric in metrics {
            let name = metric["Name"].as_str().ok_or("no name")?;
            let unit = metric["Unit"].as_str().ok_or("no unit")?;
            if !["Seconds", "Milliseconds", "Bytes", "Count", "None"].contains(&unit) {
                return Err(format!("the unit {unit}"));
            }
            let value = root.get(name).and_then(Value::as_f64).ok_or("no value")?;
            if found.insert(name.to_owned(), value).is_some() {
                return Err(format!("{name} twice"));
            }
        }
    }
    Ok(found)
}

#[test]
fn a_line_tells_what_has_come_since_the_one_before() {
    let now = Instant::now();
    let metrics = worked(&facts(), "t", 2, now);
    let mut lines = Lines::new("c".to_owned());
    let first = lines.write(&metrics.look(facts(), now), 1);
    let checked: Vec<_> = first.lines().map(|line| check(line).unwrap()).collect();
    assert_eq!(checked.len(), 4, "the worker and its tasks");
    assert_eq!(checked[0]["RunningTasks"], 3.0);
    assert_eq!(checked[0]["Rebalances"], 2.0);
    assert_eq!(
        (checked[1]["PositionLag"], checked[1]["RecordsRead"]),
        (20.0, 10.0)
    );
    assert_eq!(
        (checked[1]["UploadTime"], checked[1]["ObjectSize"]),
        (20.0, 1000.0)
    );
    assert!(!checked[3].contains_key("PositionLag"), "a source has none");
    let second = lines.write(&metrics.look(facts(), now), 2);
    let checked = check(second.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (checked["PositionLag"], checked["RecordsRead"]),
        (20.0, 0.0)
    );
    assert!(!checked.contains_key("UploadTime"), "nothing was uploaded");
}

#[test]
fn a_task_without_partitions_is_silent() {
    let now = Instant::now();
    let metrics = worked(&facts(), "t", 0, now);
    let text = Lines::new("c".to_owned()).write(&metrics.look(facts(), now), 1);
    assert_eq!(text.lines().count(), 2, "the worker and the source: {text}");
}

#[test]
fn names_stay_apart_in_what_cloudwatch_takes() {
    let plain = |name: &str| dimension(name);
    assert_eq!(plain("orders-1 a:b"), "orders-1 a:b");
    assert_eq!(plain(":a"), "%3Aa");
    assert_eq!(plain("a%\n"), "a%25%0A");
    assert_eq!(plain("ö"), "%C3%B6");
    assert_eq!((plain(""), plain(" ")), ("-".to_owned(), " -".to_owned()));
    assert_eq!(plain(&"ö".repeat(1000)).len(), 1024);
}

proptest! {
    #[test]
    fn whatever_things_are_called_lines_are_valid(name in any::<String>(), cluster in any::<String>()) {
        let now = Instant::now();
        let mut facts = facts();
        facts.connectors[0].name = name.as_str().into();
        let metrics = worked(&facts, &name, 1, now);
        let text = Lines::new(cluster).write(&metrics.look(facts, now), 1);
        for line in text.lines() {
            check(line).map_err(TestCaseError::fail)?;
        }
    }
}
