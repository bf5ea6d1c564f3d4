//! What was done against what was recorded.

use super::parquet_files;
use super::server::{Object, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use millstream_avro::container::FileReader;
use millstream_core::rejected::RejectedRow;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::Read;

type Verdict = Result<(), String>;

/// Texts that only a JVM can write; there it is enough that the task fails.
const JVM_TEXTS: [&str; 8] = [
    "Request ID",
    "Cannot invoke",
    "cannot be cast",
    "/ by zero",
    "java.lang.reflect",
    "Index ",
    "Flags = ",
    "Part upload failed: ",
];

/// Compares messages, not classes.
pub(crate) fn error(said: Option<&str>, expected: Option<&Json>) -> Verdict {
    match (said, expected) {
        (None, None) => Ok(()),
        (Some(said), None) => Err(format!("failed: {said}")),
        (None, Some(expected)) => Err(format!("did not fail with {expected}")),
        (Some(said), Some(expected)) => {
            let message = expected["message"].as_str().unwrap_or("");
            let repeats_class = message.starts_with("java.") || message.starts_with("software.");
            let is_jvm = JVM_TEXTS.iter().any(|text| message.contains(text));
            if told(said) == told(message) || repeats_class || is_jvm {
                Ok(())
            } else {
                Err(format!("said {said:?}, expected {message:?}"))
            }
        }
    }
}

pub(crate) fn reported(rows: &[RejectedRow], expected: Option<&Json>) -> Verdict {
    let actual: Vec<Json> = rows
        .iter()
        .map(|row| {
            let message = told(&row.error.message);
            json!([*row.origin.topic, row.origin.partition, row.offset, message])
        })
        .collect();
    let none = Vec::new();
    let expected: Vec<Json> = expected
        .and_then(Json::as_array)
        .unwrap_or(&none)
        .iter()
        .map(|row| {
            let message = told(row["error"]["message"].as_str().unwrap_or(""));
            json!([row["topic"], row["partition"], row["offset"], message])
        })
        .collect();
    if actual == expected {
        Ok(())
    } else {
        Err(format!("reported {actual:?}, expected {expected:?}"))
    }
}

/// The part of a message that says what is wrong; some go on with the record as a JVM prints it.
fn told(message: &str) -> &str {
    match message.find(" for record: SinkRecord{") {
        Some(end) => &message[..end],
        None => message,
    }
}

/// What two implementations may do differently.
#[derive(Clone, Copy, Default)]
pub(crate) struct LeaveOut {
    /// Of requests that only one SDK adds them to.
    pub(crate) digests: bool,
    /// Of compressed parts.
    pub(crate) sizes: bool,
}

/// Compares requests key by key; parts may arrive in any order. To clean up or look more than the original is fine.
pub(crate) fn requests(actual: &[Json], expected: &Json, leave_out: LeaveOut) -> Verdict {
    let expected = expected.as_array().map_or(&[][..], Vec::as_slice);
    let may_be_more = |request: &Json| {
        let op = &request["op"];
        (op == "AbortMultipartUpload" || op == "HeadObject")
            && expected.iter().all(|wanted| wanted["op"] != *op)
    };
    let actual: Vec<Json> = actual
        .iter()
        .filter(|request| !may_be_more(request))
        .cloned()
        .collect();
    let (actual, expected) = (by_key(&actual, leave_out), by_key(expected, leave_out));
    if actual == expected {
        return Ok(());
    }
    Err(format!(
        "requests\n   actual {actual:#?}\n expected {expected:#?}"
    ))
}

fn by_key(requests: &[Json], leave_out: LeaveOut) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for (place, request) in requests.iter().enumerate() {
        let mut request = request.clone();
        if let Some(headers) = request["headers"].as_object_mut() {
            headers.remove("expect");
            if leave_out.digests {
                headers.remove("content-md5");
            }
            headers.sort_keys();
        }
        if request["headers"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
        {
            request
                .as_object_mut()
                .map(|request| request.remove("headers"));
        }
        let is_parquet = request["key"]
            .as_str()
            .is_some_and(|key| key.ends_with(".parquet"));
        if leave_out.sizes || is_parquet {
            request
                .as_object_mut()
                .map(|request| request.remove("size"));
        }
        request.sort_all_objects();
        let key = request["key"].as_str().unwrap_or("").to_owned();
        let group = keys.entry(key).or_default();
        let is_part = request["op"] == "UploadPart";
        // Parts in a row sort by their numbers, all else stays where it is.
        let rank = if is_part {
            request["part"].as_u64().unwrap_or(0)
        } else {
            1000 * (place as u64 + 1)
        };
        group.push((rank, request.to_string()));
        if is_part {
            let from = group
                .iter()
                .rposition(|(rank, _)| *rank >= 1000)
                .map_or(0, |at| at + 1);
            group[from..].sort();
        }
    }
    keys.into_iter()
        .map(|(key, group)| (key, group.into_iter().map(|(_, text)| text).collect()))
        .collect()
}

pub(crate) fn objects(actual: &BTreeMap<String, Object>, expected: &Json) -> Verdict {
    let expected = expected.as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = expected
        .iter()
        .filter_map(|object| object["key"].as_str())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let stored: Vec<&str> = actual.keys().map(String::as_str).collect();
    let mut stored_sorted = stored.clone();
    stored_sorted.sort_unstable();
    if stored_sorted != sorted {
        return Err(format!("objects {stored:?}, expected {sorted:?}"));
    }
    for wanted in expected {
        let key = wanted["key"].as_str().unwrap_or("");
        object(&actual[key], wanted).map_err(|why| format!("object {key}: {why}"))?;
    }
    Ok(())
}

fn object(object: &Object, wanted: &Json) -> Verdict {
    let is_gzip = wanted["gzip"] == true;
    let mut body = object.body.to_vec();
    if is_gzip {
        let header = hex(&body[..10.min(body.len())]);
        let wanted_header = wanted["gzip_header"].as_str().unwrap_or("");
        if header != wanted_header {
            return Err(format!("gzip header {header}, expected {wanted_header}"));
        }
        let mut plain = Vec::new();
        GzDecoder::new(&object.body[..])
            .read_to_end(&mut plain)
            .map_err(|error| error.to_string())?;
        body = plain;
    }
    if let Some(text) = wanted["text"].as_str() {
        if body != text.as_bytes() {
            let actual = String::from_utf8_lossy(&body);
            return Err(format!("\n   actual {actual}\n expected {text}"));
        }
    } else if wanted["parquet"].is_object() {
        let recorded = millstream_golden::bytes_of(&wanted["base64"]);
        parquet_files::compare(&object.body, recorded.to_vec())?;
    } else if let Some(base64) = wanted["base64"].as_str() {
        let actual = STANDARD.encode(&body);
        if actual != base64 {
            return Err(format!("\n   actual {actual}\n expected {base64}"));
        }
    } else if let Some(length) = wanted["length"].as_u64()
        && body.len() as u64 != length
    {
        return Err(format!("{} bytes, expected {length}", body.len()));
    }
    if !is_gzip
        && let Some(etag) = wanted["etag"].as_str()
        && object.etag != etag
    {
        return Err(format!("etag {}, expected {etag}", object.etag));
    }
    if wanted["avro"].is_object() {
        avro(&body, &wanted["avro"])?;
    }
    if wanted["tags"].is_object() && object.tags.as_ref() != Some(&wanted["tags"]) {
        return Err(format!(
            "tags {:?}, expected {}",
            object.tags, wanted["tags"]
        ));
    }
    if let Some(kind) = wanted["content_type"].as_str()
        && object.content_type.as_deref() != Some(kind)
        && object.content_type.is_some()
    {
        return Err(format!("content type {:?}", object.content_type));
    }
    Ok(())
}

/// Everything but the marker between blocks, which is random, and the compressed bytes.
fn avro(body: &[u8], wanted: &Json) -> Verdict {
    let text = |error: millstream_avro::container::ContainerError| error.to_string();
    let mut file = FileReader::open(body, 1 << 26).map_err(text)?;
    let keys: Vec<&str> = file
        .metadata()
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let schema = file.schema().to_owned();
    let header = json!({"meta_keys": keys, "codec": file.codec().name(), "schema": schema});
    let mut blocks = Vec::new();
    while let Some(block) = file.next_block().map_err(text)? {
        blocks.push(block);
    }
    for (part, actual) in header.as_object().into_iter().flatten() {
        if *actual != wanted[part] {
            return Err(format!(
                "{part}\n   actual {actual}\n expected {}",
                wanted[part]
            ));
        }
    }
    let expected = wanted["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    let actual = blocks
        .iter()
        .zip(expected)
        .map(|(block, wanted)| match wanted.get("base64") {
            Some(_) => json!({"count": block.count, "base64": STANDARD.encode(&block.bytes)}),
            None => json!({"count": block.count, "length": block.bytes.len()}),
        });
    let actual: Vec<Json> = actual.collect();
    if blocks.len() == expected.len() && actual == expected {
        Ok(())
    } else {
        Err(format!(
            "blocks\n   actual {actual:?}\n expected {expected:?}"
        ))
    }
}
