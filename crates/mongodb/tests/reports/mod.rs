//! What the sink makes of records and of servers that are not as expected; each test is named after what it pins.

mod duplicates;
mod errors;
mod events;
mod order;
mod privileges;
mod reach;
mod time_series;

use bson::Document;
use millstream_core::{RawKind, RecordBatch};
use std::error::Error;
use std::sync::Arc;

use super::support::rig::{Rig, raw_batch};

pub(super) const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";

/// Texts of one partition as raw strings.
pub(super) fn texts(first_offset: i64, values: &[String]) -> Arc<RecordBatch> {
    let rows: Vec<Option<&[u8]>> = values.iter().map(|text| Some(text.as_bytes())).collect();
    Arc::new(raw_batch("orders", first_offset, &rows, RawKind::String))
}

/// A rig that shows no content, with these settings.
pub(super) async fn rig(more: &[(&str, &str)]) -> Rig {
    let config = serde_json::json!({"topics": "orders", "database": "shop"});
    let mut rig = Rig::new(&config, Vec::new()).await;
    rig.shows_content = false;
    for (key, value) in more {
        rig.properties.insert(*key, *value);
    }
    rig
}

/// An error with all its causes.
pub(super) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" / {cause}"));
        next = cause.source();
    }
    text
}

pub(super) fn value_of<'a>(documents: &'a [Document], id: &str) -> &'a str {
    let found = documents
        .iter()
        .find(|one| one.get_str("_id").is_ok_and(|found| found == id));
    found
        .and_then(|one| one.get_str("v").ok())
        .unwrap_or("none")
}
