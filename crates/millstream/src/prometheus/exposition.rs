//! Exposition: Prometheus' text format, version 0.0.4. A family has its help and its type once, whatever is put into it.

use millstream_core::meters::HistogramCounts;
use std::fmt::{self, Display, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Labels of a sample: names of ours, values of anybody's.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// A family that is being written. One without samples leaves nothing behind.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
    kind: Kind,
    help: &'a str,
    is_begun: bool,
}

impl Exposition {
    /// Begins a family; each name is begun once.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> Family<'a> {
        Family {
            text: &mut self.text,
            name,
            kind,
            help,
            is_begun: false,
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels, value: f64) {
        self.write("", labels, None, value);
    }

    /// A histogram's buckets, each with those below it, its sum and its count. What was counted as whole numbers is shown
    /// as so many of a unit: microseconds as seconds with a unit of a million.
    pub(super) fn histogram(&mut self, labels: Labels, counts: &HistogramCounts, unit: f64) {
        let mut within = 0;
        for (bound, count) in counts.bounds.iter().zip(&counts.counts) {
            within += count;
            let bound = Number(*bound as f64 / unit).to_string();
            self.write("_bucket", labels, Some(&bound), within as f64);
        }
        let total = counts.total() as f64;
        self.write("_bucket", labels, Some("+Inf"), total);
        self.write("_sum", labels, None, counts.sum as f64 / unit);
        self.write("_count", labels, None, total);
    }

    fn write(&mut self, suffix: &str, labels: Labels, bound: Option<&str>, value: f64) {
        // Writing to a String cannot fail.
        let _ = self.try_write(suffix, labels, bound, value);
    }

    fn try_write(
        &mut self,
        suffix: &str,
        labels: Labels,
        bound: Option<&str>,
        value: f64,
    ) -> fmt::Result {
        let (text, name) = (&mut *self.text, self.name);
        if !std::mem::replace(&mut self.is_begun, true) {
            let kind = self.kind.name();
            writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", self.help)?;
        }
        write!(text, "{name}{suffix}")?;
        let bound = bound.map(|bound| ("le", bound));
        let labels = labels.iter().copied().chain(bound);
        let mut separator = '{';
        for (label, value) in labels {
            write!(text, "{separator}{label}=\"{}\"", Escaped(value))?;
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        writeln!(text, " {}", Number(value))
    }
}

/// A label's value may hold any text; three characters need a backslash.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            let mut plain = part.chars();
            match plain.next_back() {
                Some('\n') => write!(f, "{}\\n", plain.as_str())?,
                Some(last @ ('\\' | '"')) => write!(f, "{}\\{last}", plain.as_str())?,
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// A value as Prometheus reads it.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::meters::Histogram;

    #[test]
    fn a_family_has_its_help_once_and_escaped_labels() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("a", Kind::Gauge, "What.");
        family.sample(&[("l", "x\\y\"z\nw")], 1.0);
        family.sample(&[], f64::NAN);
        let _ = exposition.family("b", Kind::Counter, "Nothing.");
        let text = "# HELP a What.\n# TYPE a gauge\na{l=\"x\\\\y\\\"z\\nw\"} 1\na NaN\n";
        assert_eq!(exposition.finish(), text);
    }

    #[test]
    fn a_histogram_is_cumulative() {
        let histogram = Histogram::of_times();
        for micros in [500, 2_000, 90_000_000] {
            histogram.count(micros);
        }
        let mut exposition = Exposition::default();
        let mut family = exposition.family("h", Kind::Histogram, "Times.");
        family.histogram(&[("c", "d")], &histogram.counts(), 1e6);
        let text = exposition.finish();
        for line in [
            "h_bucket{c=\"d\",le=\"0.001\"} 1",
            "h_bucket{c=\"d\",le=\"0.005\"} 2",
            "h_bucket{c=\"d\",le=\"60\"} 2",
            "h_bucket{c=\"d\",le=\"+Inf\"} 3",
            "h_sum{c=\"d\"} 90.0025",
            "h_count{c=\"d\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
