//! A parser of the text format that takes nothing but what the format allows, written without a look at what writes it.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Type by family.
    pub(super) types: BTreeMap<String, String>,
    /// Values by name and labels.
    pub(super) samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

impl Parsed {
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(l, v)| ((*l).to_owned(), (*v).to_owned()));
        let mut labels: Vec<_> = labels.collect();
        labels.sort();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }
}

/// Reads a whole text, or says what is wrong in which line.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut parsed = Parsed::default();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let mut ended = BTreeSet::new();
    // Not `lines`, which would take a carriage return away.
    for line in text.split_terminator('\n') {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            check_name(name).map_err(|why| wrong(&why))?;
            if help.contains('\\') {
                return Err(wrong("an escape in a help"));
            }
            if !helped.insert(name.to_owned()) {
                return Err(wrong("a second help"));
            }
            ended.insert(std::mem::replace(&mut current, name.to_owned()));
            if ended.contains(name) {
                return Err(wrong("a family in two places"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if name != current {
                return Err(wrong("a type without its help before it"));
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("an unknown type"));
            }
            if parsed
                .types
                .insert(name.to_owned(), kind.to_owned())
                .is_some()
            {
                return Err(wrong("a second type"));
            }
        } else {
            let (name, labels, value) = sample(line).map_err(|why| wrong(&why))?;
            let kind = parsed.types.get(&current).ok_or_else(|| wrong("no type"))?;
            let suffix = name.strip_prefix(current.as_str());
            let belongs = match kind.as_str() {
                "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
                _ => suffix == Some(""),
            };
            if !belongs {
                return Err(wrong("a sample of another family"));
            }
            if kind == "counter" && !(value >= 0.0 && value.is_finite()) {
                return Err(wrong("a counter that is no count"));
            }
            if parsed.samples.insert((name, labels), value).is_some() {
                return Err(wrong("a second sample of one series"));
            }
        }
    }
    let typed: BTreeSet<&String> = parsed.types.keys().collect();
    let unused = typed.iter().find(|name| {
        let mut samples = parsed.samples.keys();
        !samples.any(|(sample, _)| sample.starts_with(name.as_str()))
    });
    if let Some(unused) = unused {
        return Err(format!("a family without samples: {unused}"));
    }
    check_histograms(&parsed)?;
    Ok(parsed)
}

/// A name, its labels in order, and the value.
type Sample = (String, Vec<(String, String)>, f64);

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    check_name(name)?;
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            check_name(label)?;
            if label.contains(':') || label.starts_with("__") {
                return Err("a label's name".to_owned());
            }
            let (value, after) = quoted(after)?;
            if labels.iter().any(|(known, _)| known == label) {
                return Err("a label twice".to_owned());
            }
            labels.push((label.to_owned(), value));
            if let Some(after) = after.strip_prefix(',') {
                rest = after;
            } else {
                rest = after.strip_prefix('}').ok_or("labels do not end")?;
                break;
            }
        }
    }
    labels.sort();
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let is_special = matches!(value, "NaN" | "+Inf" | "-Inf");
    let is_number = value
        .chars()
        .all(|c| c.is_ascii_digit() || "+-.e".contains(c));
    let value = match value {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        value => value.parse().map_err(|_| "no number".to_owned())?,
    };
    if !is_special && !is_number {
        return Err("no number".to_owned());
    }
    Ok((name.to_owned(), labels, value))
}

/// The value up to its closing quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\n' => return Err("a line break in a label".to_owned()),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => return Err("an unknown escape".to_owned()),
            },
            char => value.push(char),
        }
    }
    Err("a quote does not end".to_owned())
}

fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || "_:".contains(c));
    if first && chars.all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)) {
        return Ok(());
    }
    Err(format!("the name {name:?}"))
}

/// Each has a bucket for all, grows from bucket to bucket, and counts what that one counts.
fn check_histograms(parsed: &Parsed) -> Result<(), String> {
    for (family, _) in parsed.types.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut series: BTreeMap<Vec<(String, String)>, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &parsed.samples {
            if *name != format!("{family}_bucket") {
                continue;
            }
            let mut labels = labels.clone();
            let le = labels.iter().position(|(label, _)| label == "le");
            let (_, bound) = labels.remove(le.ok_or("a bucket without a bound")?);
            let bound = match bound.as_str() {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().map_err(|_| format!("the bound {bound}"))?,
            };
            series.entry(labels).or_default().push((bound, *value));
        }
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let grows = buckets.windows(2).all(|two| two[0].1 <= two[1].1);
            let last = buckets.last().ok_or("no bucket")?;
            let of = |suffix: &str| {
                parsed
                    .samples
                    .get(&(format!("{family}{suffix}"), labels.clone()))
            };
            let count = of("_count").ok_or("no count")?;
            of("_sum").ok_or("no sum")?;
            if !grows || last.0 != f64::INFINITY || last.1 != *count {
                return Err(format!(
                    "the histogram {family} of {labels:?}: {buckets:?}, {count}"
                ));
            }
        }
    }
    Ok(())
}
