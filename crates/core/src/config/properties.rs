//! Properties: what a user wrote, as text, in order; and passwords, which never print.

use indexmap::IndexMap;
use std::fmt;

/// Settings as text by key, in the order given. A key may be present with a null value (JSON allows it).
/// Its `Debug` shows the keys alone: values may be secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(IndexMap<String, Option<String>>);

impl Properties {
    pub fn new() -> Self {
        Properties::default()
    }

    /// The value of a key; `None` if it is absent or null.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.as_deref())
    }

    /// `None`: absent; `Some(None)`: null.
    pub fn entry(&self, key: &str) -> Option<Option<&str>> {
        self.0.get(key).map(|value| value.as_deref())
    }

    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), Some(value.into()));
    }

    pub fn insert_null(&mut self, key: impl Into<String>) {
        self.0.insert(key.into(), None);
    }

    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.shift_remove(key).flatten()
    }

    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Pairs with a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_deref()?)))
    }

    /// All pairs, nulls too.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_deref()))
    }

    /// The pairs whose keys begin with the prefix, with it cut off.
    pub fn with_prefix(&self, prefix: &str) -> Properties {
        Properties(
            self.0
                .iter()
                .filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone())))
                .collect(),
        )
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Java's `String.trim`: blanks and control characters go, other white space of Unicode stays.
pub fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// The items of a list as every reader of one splits it; a blank text has none.
pub fn list_items(text: &str) -> impl Iterator<Item = &str> {
    let text = java_trim(text);
    let is_empty = text.is_empty();
    text.split(',').filter(move |_| !is_empty).map(java_trim)
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Properties(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), Some(v.into())))
                .collect(),
        )
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A secret. Prints as `[hidden]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(secret: impl Into<String>) -> Self {
        Password(secret.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}
