//! The record that holds schemaless values.

use super::{KEY_FIELD, MAP_ENTRY, NAMESPACE, VALUE_FIELD};
use crate::schema::AvroSchema;
use std::sync::{Arc, LazyLock};

/// The schema of schemaless values.
pub(crate) static ANYTHING: LazyLock<Arc<AvroSchema>> = LazyLock::new(|| {
    let scalars = [
        "boolean", "bytes", "double", "float", "int", "long", "string",
    ];
    let scalars = scalars
        .map(|word| format!(r#"{{"name":"{word}","type":["null","{word}"],"default":null}},"#));
    let text = format!(
        r#"{{"type":"record","name":"Anything","namespace":"{NAMESPACE}","fields":[{}{{"name":"array","type":["null",{{"type":"array","items":"Anything"}}],"default":null}},{{"name":"map","type":["null",{{"type":"array","items":{{"type":"record","name":"{MAP_ENTRY}","fields":[{{"name":"{KEY_FIELD}","type":"Anything"}},{{"name":"{VALUE_FIELD}","type":"Anything"}}]}}}}],"default":null}}]}}"#,
        scalars.concat()
    );
    AvroSchema::parse(&text).expect("the text is a schema")
});
