//! A `ConfigDef` as a table for the documentation.

use super::{ConfigDef, Default};
use std::fmt::Write;

/// One Markdown row for each key: name, type, default, importance, text.
pub fn markdown_table(definition: &ConfigDef) -> String {
    let mut table =
        String::from("| key | type | default | importance | |\n|---|---|---|---|---|\n");
    for key in definition.keys() {
        let default = match &key.default {
            Default::Required => "**required**".to_owned(),
            Default::Null => String::new(),
            Default::Text(text) => format!("`{text}`"),
        };
        let doc = key.doc.replace('\n', " ").replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} | {doc} |",
            key.name,
            key.kind.name(),
            key.importance.name()
        );
    }
    table
}
