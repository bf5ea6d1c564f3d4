//! Version ranges of `plugin.version`, as Maven writes them: `4.3.1`, `[4.0,5.0)`, `[4.3.1]`.

use crate::plugin::KAFKA_VERSION;
use std::cmp::Ordering;

/// Whether our version of a plugin lies in the range.
pub(super) fn check(class: &str, range: &str) -> Result<(), String> {
    let range = range.trim();
    let range = Range::parse(range)?;
    if range.contains(KAFKA_VERSION) {
        Ok(())
    } else {
        Err(format!(
            "Plugin {class} not found that matches the version range {}, available versions: [{KAFKA_VERSION}]",
            range.text
        ))
    }
}

struct Range<'a> {
    text: String,
    low: &'a str,
    high: &'a str,
    includes_low: bool,
    includes_high: bool,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix(['[', '(']) else {
            // A bare version is taken for exactly that one.
            return Ok(Range {
                text: format!("[{text},{text}]"),
                low: text,
                high: text,
                includes_low: true,
                includes_high: true,
            });
        };
        let Some(inner) = inner.strip_suffix([']', ')']) else {
            return Err(format!("Unbounded range: {text}"));
        };
        let (low, high) = inner.split_once(',').unwrap_or((inner, inner));
        Ok(Range {
            text: text.to_owned(),
            low: low.trim(),
            high: high.trim(),
            includes_low: text.starts_with('['),
            includes_high: text.ends_with(']'),
        })
    }

    fn contains(&self, version: &str) -> bool {
        if self.low.is_empty() && self.text == "[,]" {
            return false;
        }
        let above = self.low.is_empty()
            || match compare(version, self.low) {
                Ordering::Greater => true,
                Ordering::Equal => self.includes_low,
                Ordering::Less => false,
            };
        let below = self.high.is_empty()
            || match compare(version, self.high) {
                Ordering::Less => true,
                Ordering::Equal => self.includes_high,
                Ordering::Greater => false,
            };
        above && below
    }
}

/// By numbers where both parts are numbers; missing parts count as zero.
fn compare(a: &str, b: &str) -> Ordering {
    let parts =
        |version: &str| -> Vec<String> { version.split(['.', '-']).map(str::to_owned).collect() };
    let (a, b) = (parts(a), parts(b));
    for index in 0..a.len().max(b.len()) {
        let part = |of: &[String]| of.get(index).cloned().unwrap_or_else(|| "0".to_owned());
        let (left, right) = (part(&a), part(&b));
        let order = match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            _ => left.cmp(&right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_ranges_around_the_version() {
        for range in ["4.3.1", "[4.3.1]", "[4.0,5.0)", "(,4.3.1]", " [4.3.1,) "] {
            assert_eq!(check("X", range), Ok(()), "{range}");
        }
        assert_eq!(
            check("X", "9.9.9").unwrap_err(),
            "Plugin X not found that matches the version range [9.9.9,9.9.9], available versions: [4.3.1]"
        );
        assert!(check("X", "(4.3.1,)").is_err());
        assert!(check("X", "").is_err());
        assert_eq!(check("X", "[4.0").unwrap_err(), "Unbounded range: [4.0");
    }
}
