//! Connector files on the standalone command line: properties, a JSON map, or the JSON of a create request.

use super::properties_file::parse_properties;
use crate::cluster::TargetState;
use crate::json_text::{self, JsonError};
use millstream_core::Properties;
use std::path::Path;

/// A connector that is to be created at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorFile {
    pub name: String,
    pub config: Properties,
    pub initial_state: Option<TargetState>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectorFileError {
    #[error("cannot read connector file {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("connector file {path} holds neither properties nor JSON of a connector: {why}")]
    Content { path: String, why: String },
    #[error("connector file {0} names no connector: set `name`")]
    NoName(String),
}

/// Reads a connector file of any of the three forms.
pub fn read_connector_file(path: &Path) -> Result<ConnectorFile, ConnectorFileError> {
    let shown = path.display().to_string();
    let text = std::fs::read(path).map_err(|source| ConnectorFileError::Read {
        path: shown.clone(),
        source,
    })?;
    let content = |why: String| ConnectorFileError::Content {
        path: shown.clone(),
        why,
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let is_json = text.trim_ascii_start().starts_with(b"{");
    let file = if is_json {
        from_json(text).map_err(|error| content(error.to_string()))?
    } else {
        let config = parse_properties(text).map_err(|error| content(error.to_string()))?;
        ConnectorFile {
            name: config.get("name").unwrap_or_default().to_owned(),
            config,
            initial_state: None,
        }
    };
    if file.name.trim().is_empty() {
        return Err(ConnectorFileError::NoName(shown));
    }
    Ok(file)
}

fn from_json(text: &[u8]) -> Result<ConnectorFile, JsonError> {
    let create = json_text::create_request(text, json_text::UnknownFields::Ignored);
    if let Ok(Some(create)) = create
        && let (Some(name), Some(config)) = (create.name, create.config)
    {
        return Ok(ConnectorFile {
            name,
            config,
            initial_state: create.initial_state,
        });
    }
    let config = json_text::string_map(text)?.unwrap_or_default();
    Ok(ConnectorFile {
        name: config.get("name").unwrap_or_default().to_owned(),
        config,
        initial_state: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(content: &str, name: &str, tasks: &str, state: Option<TargetState>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connector");
        std::fs::write(&path, content).unwrap();
        let file = read_connector_file(&path).unwrap();
        assert_eq!((file.name.as_str(), file.initial_state), (name, state));
        assert_eq!(file.config.get("tasks.max"), Some(tasks));
    }

    #[test]
    fn takes_what_connect_standalone_takes() {
        check("name=a\ntasks.max=2\n", "a", "2", None);
        check(r#"{"name":"a","tasks.max":2}"#, "a", "2", None);
        check(r#"{"name":"a","config":{"tasks.max":"3"}}"#, "a", "3", None);
        check(
            r#"{"name":"a","config":{"tasks.max":3},"initial_state":"stopped","x":1}"#,
            "a",
            "3",
            Some(TargetState::Stopped),
        );
    }
}
