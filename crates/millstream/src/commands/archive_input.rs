//! Where objects are, for `audit` and `restore`: a connector's file, or flags in its place.

use super::Exit;
use super::kafka_tool::ToolError;
use crate::cli::ArchiveArgs;
use millstream_audit::names::NameSettings;
use millstream_core::Properties;
use millstream_s3::{ArchiveError, ArchiveLayout};
use millstream_tools::pairs::exact_pairs;
use millstream_worker::config::read_connector_file;

/// What a connector has to say and nobody said: of this, only names that are known to be the connector's are held to it.
const DEFAULTS: [(&str, &str); 3] = [
    (
        "format.class",
        "io.confluent.connect.s3.format.json.JsonFormat",
    ),
    ("flush.size", "1000"),
    ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
];

/// Where the objects are, and what is known of them.
#[derive(Debug)]
pub(super) struct ArchiveInput {
    pub(super) properties: Properties,
    pub(super) layout: ArchiveLayout,
    /// Whether the settings are a connector's: then names have to be as they say.
    pub(super) is_known: bool,
    /// The connector's name.
    pub(super) name: Option<String>,
    pub(super) topics: Vec<String>,
}

/// Reads the file and the flags.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read(args: &ArchiveArgs, topics: &[String]) -> Result<ArchiveInput, ToolError> {
    let (mut properties, name) = match &args.connector {
        Some(path) => {
            let file = read_connector_file(path).map_err(Exit::misconfigured)?;
            (file.config, Some(file.name))
        }
        None => (Properties::new(), None),
    };
    for (key, value) in exact_pairs("--setting", &args.settings).map_err(Exit::usage)? {
        properties.insert(key, value);
    }
    let flags = [
        ("s3.bucket.name", &args.bucket),
        ("topics.dir", &args.topics_dir),
        ("store.url", &args.endpoint),
    ];
    for (key, value) in flags {
        if let Some(value) = value {
            properties.insert(key, value.as_str());
        }
    }
    // The variable is every process' here; the connector's own word goes before it.
    if let (Some(region), false) = (&args.region, properties.contains("s3.region")) {
        properties.insert("s3.region", region.as_str());
    }
    if !properties.contains("s3.bucket.name") {
        return Err(Exit::usage("which bucket? Give the connector's file, or --bucket").into());
    }
    let is_known = properties.contains("format.class") && properties.contains("flush.size");
    for (key, value) in DEFAULTS {
        if !properties.contains(key) {
            properties.insert(key, value);
        }
    }
    let layout = ArchiveLayout::new(&properties).map_err(Exit::misconfigured)?;
    Ok(ArchiveInput {
        properties,
        layout,
        is_known,
        name,
        topics: topics.to_vec(),
    })
}

/// S3 does not give an object, of which its own message says nothing.
pub(super) fn unavailable_object(key: &str, error: &ArchiveError) -> Exit {
    Exit::unavailable(format!("{key}: {error}"))
}

impl ArchiveInput {
    pub(super) fn names(&self) -> NameSettings {
        let layout = &self.layout;
        let known = |extension: &String| self.is_known.then(|| extension.clone());
        NameSettings {
            topics_dir: layout.topics_dir.clone(),
            directory_delim: layout.directory_delim.clone(),
            file_delim: layout.file_delim.clone(),
            offset_width: self.is_known.then_some(layout.offset_width),
            values: known(&layout.values),
            keys: layout.keys.as_ref().and_then(known),
            headers: layout.headers.as_ref().and_then(known),
            tombstones: layout.tombstones.clone(),
        }
    }

    /// What the keys begin with: one text for each topic that is named.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let names = self.names();
        match self.topics.is_empty() {
            true => vec![names.prefix(None)],
            false => self
                .topics
                .iter()
                .map(|topic| names.prefix(Some(topic)))
                .collect(),
        }
    }

    pub(super) fn place(&self) -> String {
        let prefixes = self.prefixes();
        let places = prefixes
            .iter()
            .map(|prefix| format!("s3://{}/{prefix}", self.layout.bucket));
        places.collect::<Vec<_>>().join(", ")
    }

    /// The group of the connector's tasks.
    pub(super) fn group(&self) -> Option<String> {
        let own = self
            .properties
            .get("consumer.override.group.id")
            .map(str::to_owned);
        own.or_else(|| self.name.as_ref().map(|name| format!("connect-{name}")))
    }

    /// Why offsets may be missing with these settings, in a sentence.
    pub(super) fn may_leave_out(&self, is_allowed: bool) -> Option<String> {
        let mut why = Vec::new();
        let tolerates = self
            .properties
            .get("errors.tolerance")
            .is_some_and(|it| it.trim() == "all");
        if tolerates {
            why.push("errors.tolerance=all passes over records that are rejected");
        }
        let filters = |(key, value): (&str, &str)| {
            key.starts_with("transforms.") && key.ends_with(".type") && value.ends_with("Filter")
        };
        if self.properties.iter().any(filters) {
            why.push("a transform filters records");
        }
        if self.layout.leaves_nulls_out {
            why.push("behavior.on.null.values=ignore leaves records without a value out");
        }
        if why.is_empty() {
            return None;
        }
        let then = match is_allowed {
            true => "so gaps are notes (--allow-gaps)",
            false => "so gaps may be meant: with --allow-gaps they are notes",
        };
        Some(format!("{}, {then}.", why.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(settings: &[&str]) -> ArchiveArgs {
        ArchiveArgs {
            connector: None,
            bucket: Some("b".to_owned()),
            topics_dir: None,
            region: None,
            endpoint: None,
            settings: settings.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn settings_say_what_may_be_missing_and_what_names_are_held_to() {
        let input = read(&args(&[]), &[]).unwrap();
        assert_eq!(
            (
                input.is_known,
                input.names().values,
                input.may_leave_out(false)
            ),
            (false, None, None)
        );
        assert_eq!(input.prefixes(), ["topics/"]);
        let settings = [
            "format.class=io.confluent.connect.s3.format.json.JsonFormat",
            "flush.size=3",
            "errors.tolerance=all",
            "transforms.f.type=org.apache.kafka.connect.transforms.Filter",
            "behavior.on.null.values=ignore",
        ];
        let input = read(&args(&settings), &["t".to_owned()]).unwrap();
        assert_eq!(
            (input.names().values.as_deref(), input.layout.flush_size),
            (Some(".json"), 3)
        );
        assert_eq!(input.prefixes(), ["topics/t/"]);
        let told = input.may_leave_out(false).unwrap();
        for part in [
            "errors.tolerance",
            "filters",
            "behavior.on.null.values",
            "--allow-gaps",
        ] {
            assert!(told.contains(part), "{told}");
        }
        let wrong = read(
            &ArchiveArgs {
                bucket: None,
                ..args(&[])
            },
            &[],
        )
        .unwrap_err();
        assert!(wrong.to_string().contains("--bucket"), "{wrong}");
    }
}
