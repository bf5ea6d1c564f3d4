//! The document that names first connectors: JSON in the forms that people have them in. All that is wrong with it is told at
//! once, and nothing of what it holds but names of connectors and keys.

use crate::cluster::TargetState;
use crate::config::ConnectorFile;
use crate::json_text::{Fields, decoded, initial_state, scalar};
use millstream_core::Properties;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

const FORMS: &str = "write {\"name\": …, \"config\": {…}}, a list of such objects, or an object with a config for each name";

/// What stands beside a connector's settings in a request that creates it, and in the answer that tells of it.
const NAME: &str = "name";
const CONFIG: &str = "config";
const STATE: &str = "initial_state";
const TOLD: [&str; 2] = ["tasks", "type"];

/// The connectors of a document: a request as `POST /connectors` takes it, a connector's settings with its name among them,
/// a list of both, settings by name, or what `GET /connectors?expand=info` answers.
///
/// # Errors
/// A sentence for each thing that is wrong, which names the connector and the key and says what to do.
pub fn read_document(text: &[u8]) -> Result<Vec<ConnectorFile>, Vec<String>> {
    let text = decoded(text).map_err(|error| vec![error.to_string()])?;
    let mut reader = Reader::default();
    match text.trim_ascii() {
        [] => reader.wrong(format!("the document is empty; {FORMS}")),
        body @ [b'[', ..] => match serde_json::from_slice::<Vec<Box<RawValue>>>(body) {
            Ok(entries) => reader.list(&entries),
            Err(error) => reader.wrong(syntax(&error)),
        },
        body @ [b'{', ..] => match serde_json::from_slice::<Fields>(body) {
            Ok(fields) => reader.whole(fields),
            Err(error) => reader.wrong(syntax(&error)),
        },
        _ => reader.wrong(format!("the document is no JSON of connectors; {FORMS}")),
    }
    match reader.errors.is_empty() {
        true => Ok(reader.connectors),
        false => Err(reader.errors),
    }
}

fn syntax(error: &serde_json::Error) -> String {
    format!("the document is no JSON: {error}; correct it there")
}

/// What an object is.
enum Form {
    /// As it creates a connector.
    Request,
    /// Settings, the name among them.
    Settings,
    /// Each member is a connector.
    ByName,
    Unknown,
}

fn form(fields: &Fields) -> Form {
    let is_request = |name: &str| [NAME, CONFIG, STATE].contains(&name) || TOLD.contains(&name);
    let has_name = fields.get(NAME).is_some_and(|name| !is_object(name));
    let has_config = fields.get(CONFIG).is_some_and(is_object);
    if has_config && (has_name || fields.names().all(is_request)) {
        return Form::Request;
    }
    if has_name
        || fields
            .get("connector.class")
            .is_some_and(|it| !is_object(it))
    {
        return Form::Settings;
    }
    let mut values = fields.names().map(|name| fields.get(name));
    match values.all(|value| value.is_some_and(is_object)) {
        true => Form::ByName,
        false => Form::Unknown,
    }
}

fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

fn fields_of(value: &RawValue) -> Option<Fields> {
    is_object(value).then(|| serde_json::from_str(value.get()).ok())?
}

#[derive(Default)]
struct Reader {
    connectors: Vec<ConnectorFile>,
    names: BTreeSet<String>,
    errors: Vec<String>,
}

impl Reader {
    fn wrong(&mut self, what: impl Into<String>) {
        self.errors.push(what.into());
    }

    fn whole(&mut self, fields: Fields) {
        match form(&fields) {
            Form::ByName => {
                for (name, value) in fields {
                    if let Some(fields) = value.as_deref().and_then(fields_of) {
                        self.named(&name, fields);
                    }
                }
            }
            Form::Request | Form::Settings | Form::Unknown => self.one("the connector", fields),
        }
    }

    fn list(&mut self, entries: &[Box<RawValue>]) {
        for (at, entry) in entries.iter().enumerate() {
            let place = format!("connector {} of the list", at + 1);
            match fields_of(entry) {
                Some(fields) => self.one(&place, fields),
                None => self.wrong(format!("{place} is no object; {FORMS}")),
            }
        }
    }

    /// A connector that has its name within.
    fn one(&mut self, place: &str, fields: Fields) {
        match form(&fields) {
            Form::Request => self.request(None, place, fields),
            Form::Settings => {
                let name = fields.get(NAME).and_then(|name| scalar(name).ok());
                self.settings(name, place, fields, None);
            }
            Form::ByName | Form::Unknown => {
                self.wrong(format!("{place} has neither a name nor a config; {FORMS}"));
            }
        }
    }

    /// A connector whose name stands before it.
    fn named(&mut self, name: &str, fields: Fields) {
        let place = format!("connector {name}");
        let info = fields.get("info").and_then(fields_of);
        if let Some(info) = info.filter(|info| info.get(CONFIG).is_some()) {
            return self.request(Some(name), &place, info);
        }
        match form(&fields) {
            Form::Request => self.request(Some(name), &place, fields),
            _ => self.settings(Some(name.to_owned()), &place, fields, None),
        }
    }

    fn request(&mut self, known: Option<&str>, place: &str, fields: Fields) {
        let name = fields.get(NAME).and_then(|name| scalar(name).ok());
        let name = name.or_else(|| known.map(str::to_owned));
        let shown = shown(name.as_deref(), place);
        let mut state = None;
        for field in fields.names() {
            match field {
                NAME | CONFIG => {}
                STATE => match fields.get(STATE).map(initial_state) {
                    Some(Ok(read)) => state = Some(read),
                    Some(Err(_)) => self.wrong(format!(
                        "{shown}: {STATE} is none of RUNNING, PAUSED and STOPPED; correct it"
                    )),
                    None => {}
                },
                told if TOLD.contains(&told) => {}
                other => self.wrong(format!(
                    "{shown}: {other} stands beside {CONFIG}; move it into {CONFIG}, or leave it out"
                )),
            }
        }
        match fields.get(CONFIG).and_then(fields_of) {
            Some(config) => self.settings(name, place, config, state),
            None => self.wrong(format!("{shown}: {CONFIG} is no object; {FORMS}")),
        }
    }

    fn settings(
        &mut self,
        name: Option<String>,
        place: &str,
        fields: Fields,
        initial_state: Option<TargetState>,
    ) {
        let name = name.map(|name| name.trim().to_owned());
        let name = name.filter(|name| !name.is_empty());
        let shown = shown(name.as_deref(), place);
        let mut config = Properties::new();
        for (key, value) in fields {
            let Some(value) = value else {
                config.insert_null(key);
                continue;
            };
            match scalar(&value) {
                Ok(text) => config.insert(key, text),
                Err(_) => self.wrong(format!(
                    "{shown}: {key} is a list or an object; write it as one text, a number, true or false"
                )),
            }
        }
        let Some(name) = name else {
            return self.wrong(format!("{shown} has no name; add \"{NAME}\""));
        };
        if let Some(other) = config.get(NAME).filter(|other| other.trim() != name) {
            let text = format!("{shown}: its config says {NAME} {other}; leave {NAME} out of it");
            return self.wrong(text);
        }
        config.insert(NAME, name.as_str());
        if !self.names.insert(name.clone()) {
            return self.wrong(format!("{shown} is there twice; keep one of the two"));
        }
        self.connectors.push(ConnectorFile {
            name,
            config,
            initial_state,
        });
    }
}

fn shown(name: Option<&str>, place: &str) -> String {
    match name.map(str::trim) {
        Some(name) if !name.is_empty() => format!("connector {name}"),
        _ => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Names, with the number of tasks.
    fn read(text: &str) -> Vec<(String, String)> {
        let connectors = read_document(text.as_bytes()).unwrap();
        let told = connectors.into_iter().map(|connector| {
            assert_eq!(connector.config.get("name"), Some(&*connector.name));
            let tasks = connector.config.get("tasks.max").unwrap_or_default();
            (connector.name, tasks.to_owned())
        });
        told.collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let expected = expected.iter();
        expected
            .map(|(name, tasks)| ((*name).to_owned(), (*tasks).to_owned()))
            .collect()
    }

    #[test]
    fn takes_every_form_in_which_people_have_connectors() {
        for (text, expected) in [
            // As the workshop posts it: numbers are no texts.
            (
                r#"{"name":"S3SinkConnector","config":{"connector.class":"io.confluent.connect.s3.S3SinkConnector","tasks.max":1,"flush.size":3,"s3.part.size":5242880}}"#,
                &[("S3SinkConnector", "1")][..],
            ),
            (
                "\u{feff} {\"name\": \" a \", \"config\": {\"tasks.max\": \"2\"}} ",
                &[("a", "2")],
            ),
            (
                r#"{"name":"a","connector.class":"X","tasks.max":2}"#,
                &[("a", "2")],
            ),
            (
                r#"[{"name":"a","config":{"tasks.max":1}},{"name":"b","tasks.max":"2"}]"#,
                &[("a", "1"), ("b", "2")],
            ),
            (
                r#"{"a":{"connector.class":"X","tasks.max":1},"b":{"name":"b","tasks.max":2}}"#,
                &[("a", "1"), ("b", "2")],
            ),
            (
                r#"{"a":{"config":{"tasks.max":1}},"config":{"tasks.max":2}}"#,
                &[("a", "1"), ("config", "2")],
            ),
            // GET /connectors/a, and GET /connectors?expand=info&expand=status.
            (
                r#"{"name":"a","config":{"name":"a","tasks.max":"1"},"tasks":[{"connector":"a","task":0}],"type":"sink"}"#,
                &[("a", "1")],
            ),
            (
                r#"{"a":{"status":{"name":"a"},"info":{"name":"a","config":{"tasks.max":"1"},"tasks":[],"type":"sink"}}}"#,
                &[("a", "1")],
            ),
            ("[]", &[]),
            ("{}", &[]),
        ] {
            assert_eq!(read(text), pairs(expected), "{text}");
        }
        let text = br#"{"name":"a","config":{"b":null},"initial_state":"stopped"}"#;
        let connectors = read_document(text).unwrap();
        assert_eq!(connectors[0].initial_state, Some(TargetState::Stopped));
        assert!(connectors[0].config.entries().any(|it| it == ("b", None)));
    }

    #[test]
    fn tells_everything_that_is_wrong_at_once_with_a_remedy() {
        let text = r#"[
            {"name":"a","config":{"topics":["x","y"],"b":{}},"tasks.max":2},
            {"config":{"flush.size":1}},
            {"name":"c","config":{"name":"d"}},
            {"name":"e","config":{},"initial_state":"idle"},
            {"name":"f","x":1},
            {"name":"f","x":1},
            7,
            {"x":"hush"}
        ]"#;
        let errors = read_document(text.as_bytes()).unwrap_err();
        for (error, (begins, remedy)) in errors.iter().zip([
            (
                "connector a: tasks.max stands beside config;",
                "move it into config",
            ),
            ("connector a: topics is a list", "one text"),
            ("connector a: b is a list or an object;", "one text"),
            ("connector 2 of the list has no name;", "add \"name\""),
            ("connector c: its config says name d;", "leave name out"),
            ("connector e: initial_state is none of", "correct it"),
            ("connector f is there twice;", "keep one"),
            ("connector 7 of the list is no object;", "write {"),
            ("connector 8 of the list has neither", "write {"),
        ]) {
            assert!(
                error.starts_with(begins) && error.contains(remedy),
                "{error}"
            );
        }
        assert_eq!(errors.len(), 9, "{errors:?}");
        assert!(!errors.concat().contains("hush"));
        for (text, begins) in [
            ("", "the document is empty"),
            ("name=a", "the document is no JSON of connectors"),
            ("{\"name\": \"a\",", "the document is no JSON: EOF"),
            ("[1,]", "the document is no JSON: "),
            ("{\"a\": 1}", "the connector has neither a name nor"),
            ("{\"config\": {\"a\": 1}}", "the connector has no name"),
        ] {
            let errors = read_document(text.as_bytes()).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].starts_with(begins), "{text}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_text(text in r#"[\[\]{}":,a-c0-9 ]{0,40}"#, bytes: Vec<u8>) {
            let _ = read_document(text.as_bytes());
            let _ = read_document(&bytes);
        }
    }
}
