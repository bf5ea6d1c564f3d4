//! The transforms of the hashing job: what of a record is hashed, how, and what else is written with it.

use millstream_core::Properties;

/// What a document of the job is like. The default is one digest of the whole value, in hex.
pub(crate) struct Shape<'a> {
    /// A name of the hash transform, and a reference to its key.
    pub(crate) algorithm: &'a str,
    pub(crate) key: Option<&'a str>,
    /// `utf8`, `hex` or `base64`.
    pub(crate) key_encoding: &'a str,
    /// Written into each document.
    pub(crate) key_id: Option<&'a str>,
    /// Paths of fields that are hashed in place; none for the whole value.
    pub(crate) fields: &'a [String],
    /// Whether values are JSON though none of their fields is hashed.
    pub(crate) keeps_json: bool,
    /// As the hash transform has it.
    pub(crate) encoding: &'a str,
    /// Whether topic, partition, offset and timestamp are written.
    pub(crate) has_provenance: bool,
    /// `skip` or `fail`.
    pub(crate) null_value: &'a str,
}

impl<'a> Shape<'a> {
    /// One digest of the whole value.
    pub(crate) fn plain(algorithm: &'a str, null_value: &'a str) -> Self {
        Shape {
            algorithm,
            key: None,
            key_encoding: "utf8",
            key_id: None,
            fields: &[],
            keeps_json: false,
            encoding: "hex",
            has_provenance: false,
            null_value,
        }
    }

    /// Adds the converters and transforms to a connector's settings.
    pub(crate) fn put(&self, connector: &mut Properties) {
        const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
        let mut chain = Vec::new();
        connector.insert("key.converter", BYTES);
        if self.fields.is_empty() && !self.keeps_json {
            connector.insert("value.converter", BYTES);
            self.put_whole(&mut chain, connector);
        } else {
            self.put_fields(&mut chain, connector);
        }
        if chain.contains(&"hash") {
            self.put_hash(connector);
        }
        self.put_origin(&mut chain, connector);
        if !chain.is_empty() {
            connector.insert("transforms", chain.join(","));
        }
    }

    fn put_hash(&self, connector: &mut Properties) {
        connector.insert("transforms.hash.function", self.algorithm);
        if let Some(key) = self.key {
            connector.insert("transforms.hash.key", key);
        }
        if self.key_encoding != "utf8" {
            connector.insert("transforms.hash.key.encoding", self.key_encoding);
        }
        if self.encoding != "hex" {
            connector.insert("transforms.hash.encoding", self.encoding);
        }
    }

    /// The hash is over the raw bytes of the value.
    fn put_whole(&self, chain: &mut Vec<&'static str>, connector: &mut Properties) {
        chain.extend(["hash", "wrap"]);
        for (key, value) in [
            ("hash.type", HASH),
            ("hash.input", "raw"),
            ("hash.null.value", self.null_value),
            (
                "wrap.type",
                "org.apache.kafka.connect.transforms.HoistField$Value",
            ),
            ("wrap.field", "value"),
        ] {
            connector.insert(format!("transforms.{key}"), value);
        }
    }

    /// The hash is over the texts of fields; where nulls are skipped, so are fields that are not there.
    fn put_fields(&self, chain: &mut Vec<&'static str>, connector: &mut Properties) {
        connector.insert(
            "value.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        );
        connector.insert("value.converter.schemas.enable", "false");
        let skips = self.null_value == "skip";
        if skips {
            chain.push("drop");
            for (key, value) in [
                (
                    "transforms.drop.type",
                    "org.apache.kafka.connect.transforms.Filter",
                ),
                ("transforms.drop.predicate", "null"),
                ("predicates", "null"),
                (
                    "predicates.null.type",
                    "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
                ),
            ] {
                connector.insert(key, value);
            }
        }
        if self.fields.is_empty() {
            return;
        }
        chain.push("hash");
        connector.insert("transforms.hash.type", HASH);
        connector.insert("transforms.hash.field.names", self.fields.join(","));
        connector.insert("transforms.hash.skip.missing.or.null", skips.to_string());
        // An _id in the value would keep a replay from being told.
        connector.insert("document.id.strategy.overwrite.existing", "true");
    }

    fn put_origin(&self, chain: &mut Vec<&'static str>, connector: &mut Properties) {
        if self.key_id.is_none() && !self.has_provenance {
            return;
        }
        chain.push("origin");
        connector.insert(
            "transforms.origin.type",
            "org.apache.kafka.connect.transforms.InsertField$Value",
        );
        if let Some(id) = self.key_id {
            connector.insert("transforms.origin.static.field", "keyId");
            connector.insert("transforms.origin.static.value", id);
        }
        if !self.has_provenance {
            return;
        }
        for name in ["topic", "partition", "offset", "timestamp"] {
            connector.insert(format!("transforms.origin.{name}.field"), name);
        }
        // Without a schema it is milliseconds until it is made a date.
        if !self.fields.is_empty() {
            chain.push("time");
            for (key, value) in [
                (
                    "time.type",
                    "org.apache.kafka.connect.transforms.TimestampConverter$Value",
                ),
                ("time.target.type", "Timestamp"),
                ("time.field", "timestamp"),
            ] {
                connector.insert(format!("transforms.{key}"), value);
            }
        }
    }
}

const HASH: &str = "io.aiven.kafka.connect.transforms.Hash$Value";

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(shape: &Shape<'_>) -> String {
        let mut connector = Properties::new();
        shape.put(&mut connector);
        connector.get("transforms").expect("a chain").to_owned()
    }

    #[test]
    fn the_chain_has_what_is_asked_for_and_no_more() {
        let fields = ["a".to_owned(), "b.c".to_owned()];
        let plain = || Shape::plain("md5", "skip");
        // This one is written without any structure, so it has to stay as it is.
        assert_eq!(chain(&plain()), "hash,wrap");
        let keyed = Shape {
            key_id: Some("v1"),
            ..plain()
        };
        assert_eq!(chain(&keyed), "hash,wrap,origin");
        let of_fields = Shape {
            fields: &fields,
            ..plain()
        };
        assert_eq!(chain(&of_fields), "drop,hash");
        let all = Shape {
            fields: &fields,
            has_provenance: true,
            ..Shape::plain("md5", "fail")
        };
        assert_eq!(chain(&all), "hash,origin,time");
    }
}
