#!/usr/bin/env bash
# prometheus-parse 0.2.5 (crates.io) beside prometheus-client 0.26.0 (PyPI): pages of metrics in Prometheus' text format.
#
# One would expect, by Prometheus' description of the format: the value of a label is any text, in which only backslash, quote and line
# feed are escaped; a name may have colons, as those of recording rules; tokens may have blanks and tabs between them.
# Seen: lines with braces in a value or a colon in the name are left out; a value ends at a comma, and has none left with an equals
# sign; what follows the comma can be a label of its own; escapes stay as they are; blanks become part of names and values. No errors.
# To a user: series are missing without a word, or become one because the labels that tell them apart are gone.
. "$(dirname "$0")/lib.sh"
python_packages prometheus-client==0.26.0
rust_packages <<'END'
prometheus-parse = "=0.2.5"
END
cat >page <<'END'
plain{topic="orders"} 1
empty{topic=""} 1
backslash{path="C:\\new"} 1
quote{name="a\"b"} 1
comma{name="a,b"} 1
equals{name="a=b"} 1
comma_and_equals{name="type=x,id=1"} 1
braces{uri="/topics/{name}"} 1
brace{uri="}"} 1
blank_behind_comma{a="1", b="2"} 1
comma_at_end{a="1",} 1
blanks{a = "1"} 1
job:records:rate5m 1
time{a="1"} 1 1700000000123
END
cat >src/main.rs <<'END'
use prometheus_parse::{Scrape, Value};

fn main() {
    for line in std::fs::read_to_string("page").unwrap().lines() {
        let scrape = Scrape::parse([Ok(line.to_owned())].into_iter()).unwrap();
        let told: Vec<String> = scrape.samples.iter().map(|sample| {
            let mut labels: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name:?}: {value:?}")).collect();
            labels.sort();
            let value = match sample.value { Value::Untyped(value) => value, _ => f64::NAN };
            format!("{} {{{}}} {value}", sample.metric, labels.join(", "))
        }).collect();
        println!("{line}\t{}", if told.is_empty() { "nothing".to_owned() } else { told.join("; ") });
    }
}
END
rust_program >rust

cat >program.py <<'END'
import json
from prometheus_client.parser import text_string_to_metric_families

for line in open("rust"):
    text, rust = line.rstrip("\n").split("\t")
    sample = next(text_string_to_metric_families(text + "\n")).samples[0]
    labels = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(sample.labels.items()))
    python = f"{sample.name} {{{labels}}} {sample.value:g}"
    print(f"{text}\n  Python: {python}" + ("; Rust: the same" if python == rust else f"\n  Rust: {rust}"))
END
venv/bin/python program.py >got

seen got <<'END'
plain{topic="orders"} 1
  Python: plain {"topic": "orders"} 1; Rust: the same
empty{topic=""} 1
  Python: empty {"topic": ""} 1; Rust: the same
backslash{path="C:\\new"} 1
  Python: backslash {"path": "C:\\new"} 1
  Rust: backslash {"path": "C:\\\\new"} 1
quote{name="a\"b"} 1
  Python: quote {"name": "a\"b"} 1
  Rust: quote {"name": "a\\\"b"} 1
comma{name="a,b"} 1
  Python: comma {"name": "a,b"} 1
  Rust: comma {"name": "a"} 1
equals{name="a=b"} 1
  Python: equals {"name": "a=b"} 1
  Rust: equals {} 1
comma_and_equals{name="type=x,id=1"} 1
  Python: comma_and_equals {"name": "type=x,id=1"} 1
  Rust: comma_and_equals {"id": "1"} 1
braces{uri="/topics/{name}"} 1
  Python: braces {"uri": "/topics/{name}"} 1
  Rust: nothing
brace{uri="}"} 1
  Python: brace {"uri": "}"} 1
  Rust: nothing
blank_behind_comma{a="1", b="2"} 1
  Python: blank_behind_comma {"a": "1", "b": "2"} 1
  Rust: blank_behind_comma {" b": "2", "a": "1"} 1
comma_at_end{a="1",} 1
  Python: comma_at_end {"a": "1"} 1; Rust: the same
blanks{a = "1"} 1
  Python: blanks {"a": "1"} 1
  Rust: blanks {"a ": " \"1"} 1
job:records:rate5m 1
  Python: job:records:rate5m {} 1
  Rust: nothing
time{a="1"} 1 1700000000123
  Python: time {"a": "1"} 1; Rust: the same
END
