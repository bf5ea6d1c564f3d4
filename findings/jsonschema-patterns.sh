#!/usr/bin/env bash
# jsonschema 0.61.2 (crates.io) beside ajv 8.20.0 (npm): patterns of JSON Schema.
#
# One would expect, by JSON Schema Core, 6.4: a pattern is an expression of ECMA-262, with its flag u.
# Seen: jsonschema refuses a schema with [^], [], \0, [\b], two surrogates for a letter, or \k for the text of a group; a reference to a
# group that took no part matches nothing, where ECMA-262 has the empty text; \b takes é for a letter of words, though \w does not.
# ajv does as ECMA-262 says. Most other patterns are the same in both.
# To a user: where records are checked against a schema with such a pattern, none can be read, or some that others take are refused.
. "$(dirname "$0")/lib.sh"
node_packages ajv@8.20.0
rust_packages <<'END'
jsonschema = { version = "=0.61.2", default-features = false }
serde_json = "1"
END

cat >pairs.json <<'END'
[["^\\d+$", "\u0663"], ["^\\p{L}+$", "é"], ["^\\u{1F600}$", "\ud83d\ude00"], ["^(?<!a)b$", "b"], ["^[^]$", "\n"], ["^(?:a|[])$", "a"],
 ["^\\0$", "\u0000"], ["^[\\b]$", "\b"], ["^\\ud83d\\ude00$", "\ud83d\ude00"], ["^(?<n>a)\\k<n>$", "aa"], ["^(a)?\\1b$", "b"],
 ["^(?:(a)|b)\\1$", "b"], ["^\\w$", "é"], ["a\\b", "aé"], ["\\bé", "é"]]
END
cat >program.js <<'END'
const Ajv = require('ajv/dist/2020');
for (const [pattern, text] of JSON.parse(require('fs').readFileSync('pairs.json'))) {
  let told;
  try {
    told = new Ajv({ unicodeRegExp: true }).validate({ pattern }, text);
  } catch (error) {
    told = 'refused';
  }
  console.log(`${pattern} and ${JSON.stringify(text)}: ajv: ${told}`);
}
END
node program.js >first 2>node.log

cat >src/main.rs <<'END'
use serde_json::{Value, json};

fn main() {
    let pairs: Vec<(String, Value)> = serde_json::from_slice(&std::fs::read("pairs.json").unwrap()).unwrap();
    for (pattern, text) in pairs {
        match jsonschema::validator_for(&json!({ "pattern": pattern })) {
            Ok(validator) => println!("jsonschema: {}", validator.is_valid(&text)),
            Err(error) => println!("jsonschema: {error}"),
        }
    }
}
END
rust_program >second
paste -d ' ' first second >got

seen got <<'END'
^\d+$ and "٣": ajv: false jsonschema: false
^\p{L}+$ and "é": ajv: true jsonschema: true
^\u{1F600}$ and "😀": ajv: true jsonschema: true
^(?<!a)b$ and "b": ajv: true jsonschema: true
^[^]$ and "\n": ajv: true jsonschema: "^[^]$" is not a "regex"
^(?:a|[])$ and "a": ajv: true jsonschema: "^(?:a|[])$" is not a "regex"
^\0$ and "\u0000": ajv: true jsonschema: "^\\0$" is not a "regex"
^[\b]$ and "\b": ajv: true jsonschema: "^[\\b]$" is not a "regex"
^\ud83d\ude00$ and "😀": ajv: true jsonschema: "^\\ud83d\\ude00$" is not a "regex"
^(?<n>a)\k<n>$ and "aa": ajv: true jsonschema: "^(?<n>a)\\k<n>$" is not a "regex"
^(a)?\1b$ and "b": ajv: true jsonschema: false
^(?:(a)|b)\1$ and "b": ajv: true jsonschema: false
^\w$ and "é": ajv: false jsonschema: false
a\b and "aé": ajv: true jsonschema: false
\bé and "é": ajv: false jsonschema: true
END
