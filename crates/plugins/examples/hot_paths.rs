//! How long the hot paths take: quoting text, bringing JSON objects into Java's form, digests. Prints nanoseconds a record.
#![allow(clippy::print_stdout)]

use bytes::Bytes;
use millstream_core::digest::{Digester, HashFunction, HashSettings};
use millstream_core::{ByteColumn, ConverterUse, Properties, RawKind};
use millstream_java::json as java_json;
use millstream_plugins::CONVERTERS;
use std::hint::black_box;
use std::time::Instant;

const RECORDS: usize = 10_000;
const ROUNDS: usize = 300;

fn main() {
    for (name, sample) in [
        (
            "ascii 100",
            "a quick brown fox jumps over the lazy dog and goes on until it has one hundred bytes in all, really.",
        ),
        (
            "2 quotes",
            "a quick \"brown\" fox jumps over the lazy dog and goes on until it has one hundred bytes in all, yes.",
        ),
        (
            "json text",
            r#"{"order_id":123456,"customer":"c-4711","total":99.95,"items":["a","b","c"],"currency":"EUR","z":"q"}"#,
        ),
        (
            "accents",
            "à quick brown fôx jumps over the lazy dog and goes ön until it has one hundred bytes in all, reàlly",
        ),
    ] {
        quote(name, sample);
    }
    digest(HashFunction::Md5);
    digest(HashFunction::Sha224);
    canonical("plain", |i| {
        format!(
            r#"{{"order_id":{},"customer":"customer-{:06}","total":{}.95,"currency":"EUR","note":"left at the front door {:04}"}}"#,
            100_000 + i,
            i,
            10 + i % 900,
            i % 10_000
        )
    });
    canonical("zeros", |i| {
        format!(
            r#"{{"order_id":{},"customer":"customer-{:06}","total":{}.30,"currency":"EUR","note":"left at the front door {:04}"}}"#,
            100_000 + i,
            i,
            1000 + i % 900,
            i % 10_000
        )
    });
    canonical("doubles", |i| {
        format!(
            r#"{{"order_id":{},"customer":"customer-{:06}","total":{:.13},"lat":{:.14},"note":"left at door {:04}"}}"#,
            100_000 + i,
            i,
            1.0 / (i + 3) as f64 + 100.0,
            1.0 / (i + 7) as f64 + 52.0,
            i % 10_000
        )
    });
    canonical("blanks", |i| {
        format!(
            r#"{{ "order_id": {}, "customer": "customer-{:06}", "total": {}.95, "currency": "EUR", "note": "left at door {:04}" }}"#,
            100_000 + i,
            i,
            10 + i % 900,
            i % 10_000
        )
    });
    canonical("nested", |i| {
        format!(
            r#"{{"order_id":{},"customer":{{"id":{},"name":"n"}},"total":{}.95,"items":[1,2,3],"note":"left at door {:04}"}}"#,
            100_000 + i,
            i,
            10 + i % 900,
            i % 10_000
        )
    });
    canonical("escapes", |i| {
        format!(
            r#"{{"order_id":{},"customer":"customer-{:06}","total":{}.95,"currency":"EUR","note":"left at \"door\" {:04}"}}"#,
            100_000 + i,
            i,
            10 + i % 900,
            i % 10_000
        )
    });
}

fn digest(function: HashFunction) {
    let digester = Digester::new(&HashSettings::plain(function)).expect("the settings are right");
    let messages: Vec<String> = (0..RECORDS)
        .map(|i| format!("a message of one hundred bytes {i:069}"))
        .collect();
    let inputs: Vec<&[u8]> = messages.iter().map(String::as_bytes).collect();
    let mut out = Vec::new();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS / 6 {
        out.clear();
        let start = Instant::now();
        digester.digest_all(black_box(&inputs), &mut out);
        best = best.min(start.elapsed().as_nanos() as f64 / RECORDS as f64);
        black_box(&out);
    }
    println!("hash  {:<12}{best:>8.1} ns (100 bytes)", function.name());
}

fn quote(name: &str, sample: &str) {
    let mut out = Vec::with_capacity(RECORDS * sample.len() * 2);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        out.clear();
        let start = Instant::now();
        for _ in 0..RECORDS {
            java_json::write_string(&mut out, black_box(sample.as_bytes()));
            out.push(b'\n');
        }
        best = best.min(start.elapsed().as_nanos() as f64 / RECORDS as f64);
        black_box(&out);
    }
    println!("quote {name:<12}{best:>8.1} ns ({} bytes)", sample.len());
}

fn canonical(name: &str, record: impl Fn(usize) -> String) {
    let plugin = CONVERTERS
        .iter()
        .find(|plugin| plugin.class.ends_with(".JsonConverter"))
        .expect("JsonConverter is in the list");
    let settings = Properties::from_iter([("schemas.enable", "false")]);
    let made = (plugin.make)(&settings, ConverterUse::Value);
    let mut converter = made.expect("the settings are right");
    let mut buffer = Vec::new();
    let mut spans = Vec::new();
    for i in 0..RECORDS {
        let text = record(i);
        // A header of twelve bytes stands between records in a fetch.
        buffer.extend_from_slice(&[0; 12]);
        spans.push((buffer.len(), text.len()));
        buffer.extend_from_slice(text.as_bytes());
    }
    let mut column = ByteColumn::new();
    let buffer = column.add_buffer(Bytes::from(buffer));
    for &(start, len) in &spans {
        column.push_span(buffer, start, len);
    }
    for (form, kind) in [("json", RawKind::Json), ("bson", RawKind::Document)] {
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS / 3 {
            let start = Instant::now();
            let mut errors = Vec::new();
            black_box(converter.to_raw("t", black_box(&column), kind, &mut errors));
            best = best.min(start.elapsed().as_nanos() as f64 / RECORDS as f64);
            assert!(errors.is_empty());
        }
        println!("{form}  {name:<12}{best:>8.1} ns ({} bytes)", spans[0].1);
    }
}
