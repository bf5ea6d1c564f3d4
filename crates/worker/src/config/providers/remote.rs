//! Values that services outside of this process keep: what a reference to one means, and who asks for it.

use serde_json::Value as Json;
use std::fmt;
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy, Debug)]
pub(super) enum RemoteKind {
    Secrets,
    Parameters,
}

/// What a service keeps under one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RemoteValue {
    /// A secret, by its name or ARN.
    Secret(String),
    /// A parameter, by its path or ARN.
    Parameter(String),
}

/// What a reference means: a value, or a member of the JSON object in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) value: RemoteValue,
    member: Option<String>,
}

impl Wanted {
    /// By `${provider:path:key}`; the path may be empty. Names have no colons, ARNs have six.
    pub(super) fn of(kind: RemoteKind, path: &str, key: &str) -> Self {
        const COLONS_OF_SECRET: usize = 6;
        let whole = match path.is_empty() {
            true => key.to_owned(),
            false => format!("{path}:{key}"),
        };
        if let RemoteKind::Parameters = kind {
            return Wanted {
                value: RemoteValue::Parameter(whole),
                member: None,
            };
        }
        let colons = if whole.starts_with("arn:") {
            COLONS_OF_SECRET
        } else {
            0
        };
        let end = whole.match_indices(':').nth(colons).map(|(at, _)| at);
        let (id, member) = match end {
            Some(at) => (&whole[..at], Some(&whole[at + 1..])),
            None => (&*whole, None),
        };
        Wanted {
            value: RemoteValue::Secret(id.to_owned()),
            member: member
                .filter(|member| !member.is_empty())
                .map(str::to_owned),
        }
    }

    /// What is wanted of the text that the service keeps; nothing if it is no object with that member.
    pub(super) fn of_text(&self, text: &str) -> Option<String> {
        let Some(name) = &self.member else {
            return Some(text.to_owned());
        };
        let document: Json = serde_json::from_str(text).ok()?;
        match document.get(name)? {
            Json::String(text) => Some(text.clone()),
            value @ (Json::Number(_) | Json::Bool(_)) => Some(value.to_string()),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

/// Why a service did not tell a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    pub message: String,
    /// Whether it may tell it later: it is out of reach, or there were too many calls.
    pub is_transient: bool,
}

/// Who asks the services for values. It is called on a thread for blocking work.
pub trait RemoteValues: Send + Sync {
    /// The text; nothing if the service has none of that name.
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, RemoteError>;
}

/// Whoever was named to ask, or still nobody.
#[derive(Clone, Default)]
pub(super) struct Remote(Arc<OnceLock<Arc<dyn RemoteValues>>>);

impl Remote {
    /// Names who asks; the first who is named does.
    pub(super) fn name(&self, values: Arc<dyn RemoteValues>) {
        // A second one would only do the same.
        let _ = self.0.set(values);
    }

    /// As `RemoteValues::get`.
    pub(super) fn ask(&self, value: &RemoteValue) -> Result<Option<String>, RemoteError> {
        let nobody = || {
            RemoteError {
            message: "values of AWS are not there yet while the worker's own settings are read; use them in connectors"
                .to_owned(),
            is_transient: false,
        }
        };
        self.0.get().ok_or_else(nobody)?.get(value)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reference_names_a_value_and_perhaps_a_member() {
        let check = |path: &str, key: &str, id: &str, member: Option<&str>| {
            let wanted = Wanted::of(RemoteKind::Secrets, path, key);
            let expected = Wanted {
                value: RemoteValue::Secret(id.to_owned()),
                member: member.map(str::to_owned),
            };
            assert_eq!(wanted, expected, "{path}:{key}");
        };
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf";
        check("", "name", "name", None);
        check("name", "password", "name", Some("password"));
        check("name", "", "name", None);
        check("", arn, arn, None);
        check(arn, "password", arn, Some("password"));
        for (path, key) in [("", "/a/b:3"), ("/a/b", "3")] {
            let wanted = Wanted::of(RemoteKind::Parameters, path, key);
            assert_eq!(wanted.value, RemoteValue::Parameter("/a/b:3".to_owned()));
        }
    }

    #[test]
    fn a_member_is_a_text_a_number_or_a_boolean() {
        let member = |name| {
            let wanted = Wanted::of(RemoteKind::Secrets, "secret", name);
            wanted.of_text(r#"{"a":"1","b":2,"c":[],"d":true}"#)
        };
        assert_eq!(member("a").as_deref(), Some("1"));
        assert_eq!(member("b").as_deref(), Some("2"));
        assert_eq!(member("d").as_deref(), Some("true"));
        assert_eq!((member("c"), member("e")), (None, None));
        let whole = Wanted::of(RemoteKind::Secrets, "", "secret");
        assert_eq!(whole.of_text("no JSON").as_deref(), Some("no JSON"));
    }

    proptest! {
        #[test]
        fn takes_any_reference_and_any_text(path in ".*", key in ".*", text in ".*", member in "[a-c]{0,1}") {
            for kind in [RemoteKind::Secrets, RemoteKind::Parameters] {
                let wanted = Wanted::of(kind, &path, &key);
                let _ = wanted.of_text(&text);
            }
            let wanted = Wanted::of(RemoteKind::Secrets, "name", &member);
            let _ = wanted.of_text(&text);
            let _ = wanted.of_text(&format!("{{\"a\":{text},\"b\":\"x\"}}"));
        }
    }
}
