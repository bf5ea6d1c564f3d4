//! Names of records, enums and fixeds: what Java 1.11 takes for one, and how it is written inside a namespace.

use crate::error::schema_parse;
use millstream_core::RecordError;
use regex::Regex;
use std::sync::LazyLock;

/// A name with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub name: String,
    /// Never empty.
    pub namespace: Option<String>,
}

impl Name {
    /// A name in a namespace, or one that brings its own before its last dot. Java checks the name only.
    ///
    /// # Errors
    /// If the name itself is empty or has a character that no name may have.
    pub fn new(name: &str, namespace: Option<&str>) -> Result<Self, RecordError> {
        let (namespace, name) = match name.rsplit_once('.') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (namespace, name),
        };
        check(name)?;
        Ok(Name {
            name: name.to_owned(),
            namespace: namespace
                .filter(|space| !space.is_empty())
                .map(str::to_owned),
        })
    }

    /// `namespace.name`.
    pub fn full(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// How a use of the type is written inside a namespace.
    pub(crate) fn qualified(&self, inside: Option<&str>) -> String {
        let is_own = self.namespace.as_deref() == inside && !WORDS.contains(&self.name.as_str());
        match self.namespace {
            Some(_) if !is_own => self.full(),
            _ => self.name.clone(),
        }
    }

    /// Whether every reader takes the name: by the letter of Avro's specification it is ASCII.
    pub(crate) fn is_portable(&self) -> bool {
        let parts = self.namespace.iter().flat_map(|space| space.split('.'));
        parts.chain([self.name.as_str()]).all(is_portable)
    }
}

pub(crate) fn is_portable(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The types' words: a type of such a name is always written in full.
const WORDS: [&str; 14] = [
    "record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float",
    "double", "boolean", "null",
];

/// What Java calls letters, and letters and digits, among the characters of one UTF-16 unit.
static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\p{L}_]$").expect("a class"));
static LETTER_OR_DIGIT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}_]$").expect("a class"));

fn fits(class: &Regex, c: char) -> bool {
    c.len_utf16() == 1 && class.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Checks a name of a type or a field.
pub(crate) fn check(name: &str) -> Result<(), RecordError> {
    let mut characters = name.chars();
    let Some(first) = characters.next() else {
        return Err(schema_parse("Empty name"));
    };
    if is_portable(name) {
        return Ok(());
    }
    if !fits(&LETTER, first) {
        return Err(schema_parse(format!("Illegal initial character: {name}")));
    }
    if !characters.all(|c| fits(&LETTER_OR_DIGIT, c)) {
        return Err(schema_parse(format!("Illegal character in: {name}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_java_does() {
        let error = |name| check(name).map_err(|error| error.message).err();
        for name in ["a", "_1", "größe", "日本", "a٣"] {
            assert_eq!(error(name), None, "{name}");
        }
        for name in ["a-b", "Outer$Inner", "a²", "a😀"] {
            assert_eq!(error(name), Some(format!("Illegal character in: {name}")));
        }
        for name in ["1 a", "-", "😀"] {
            assert_eq!(
                error(name),
                Some(format!("Illegal initial character: {name}"))
            );
        }
        assert_eq!(error(""), Some("Empty name".to_owned()));
        let dashed = Name::new("my-topic.Value", None).unwrap();
        assert_eq!(dashed.full(), "my-topic.Value");
        assert!(!dashed.is_portable());
    }

    #[test]
    fn a_use_is_short_in_its_own_namespace() {
        let check = |name, inside, written: &str| {
            let name = Name::new(name, None).unwrap();
            assert_eq!(name.qualified(inside), written);
        };
        check("a.B", Some("a"), "B");
        check("a.B", Some("b"), "a.B");
        check("a.B", None, "a.B");
        check("B", Some("a"), "B");
        check("a.string", Some("a"), "a.string");
    }
}
