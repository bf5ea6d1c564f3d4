//! Totals in place of records, as settings of the sink.

use millstream_core::Properties;

/// By what records belong together, and what is kept of them.
pub(crate) struct Totals<'a> {
    /// A field of what the chain makes of a record.
    pub(crate) key: &'a str,
    pub(crate) window_ms: i64,
    pub(crate) fields: String,
    /// The sink's own defaults where they are not set.
    pub(crate) lateness_ms: Option<i64>,
    pub(crate) linger_ms: Option<i64>,
    /// `skip` or `fail`.
    pub(crate) without_key: &'a str,
}

impl Totals<'_> {
    pub(super) fn put(&self, connector: &mut Properties) {
        let mut set = |name: &str, value: String| {
            connector.insert(format!("millstream.mongo.aggregate.{name}"), value);
        };
        set("window.ms", self.window_ms.to_string());
        set("key", self.key.to_owned());
        set("fields", self.fields.clone());
        set("without.key", self.without_key.to_owned());
        for (name, millis) in [
            ("lateness.ms", self.lateness_ms),
            ("linger.ms", self.linger_ms),
        ] {
            if let Some(millis) = millis {
                set(name, millis.to_string());
            }
        }
    }
}
