//! Renaming of fields, by exact names or by patterns.

use bson::{Bson, Document};
use millstream_core::RecordError;
use regex::{Captures, Regex};
use std::collections::{HashMap, HashSet};

#[derive(Clone, Debug)]
pub(crate) enum Renamer {
    Mapping(HashMap<String, String>),
    Patterns(Vec<Rule>),
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Matches the whole path.
    path: Regex,
    name: Regex,
    replacement: String,
}

impl Renamer {
    /// From the JSON list of `{oldName, newName}`; half an item renames nothing.
    pub(crate) fn mapping(items: &[Bson]) -> Self {
        let pairs = items.iter().filter_map(|item| {
            let item = item.as_document()?;
            Some((text(item, "oldName")?, text(item, "newName")?))
        });
        Renamer::Mapping(pairs.collect())
    }

    /// From the JSON list of `{regexp, pattern, replace}`.
    pub(crate) fn patterns(items: &[Bson]) -> Result<Self, String> {
        let rules = items.iter().filter_map(Bson::as_document).map(|item| {
            let part =
                |name: &str| text(item, name).ok_or_else(|| format!("a rule lacks `{name}`"));
            let compile = |pattern: &str| Regex::new(pattern).map_err(|error| error.to_string());
            Ok(Rule {
                path: compile(&format!("^(?:{})$", part("regexp")?))?,
                name: compile(&part("pattern")?)?,
                replacement: text(item, "replace").unwrap_or_default(),
            })
        });
        rules.collect::<Result<_, String>>().map(Renamer::Patterns)
    }

    /// Renames below `path` (`key` or `value` at the top). A renamed field moves to the end; one whose new name
    /// is taken is dropped.
    pub(crate) fn apply(&self, path: &str, document: &mut Document) -> Result<(), RecordError> {
        let mut taken: HashSet<String> = document.keys().cloned().collect();
        let mut kept = Document::new();
        let mut renamed = Document::new();
        for (name, mut value) in std::mem::take(document) {
            let new_name = self.new_name(path, &name)?;
            if let Bson::Document(inner) = &mut value {
                self.apply(&format!("{path}.{new_name}"), inner)?;
            }
            if new_name == name {
                kept.insert(name, value);
                continue;
            }
            // A name counts as taken until its own field has been renamed.
            if !taken.contains(&new_name) && !renamed.contains_key(&new_name) {
                renamed.insert(new_name, value);
            }
            taken.remove(&name);
        }
        kept.extend(renamed);
        *document = kept;
        Ok(())
    }

    fn new_name(&self, path: &str, name: &str) -> Result<String, RecordError> {
        let full = format!("{path}.{name}");
        match self {
            Renamer::Mapping(names) => Ok(names.get(&full).map_or(name, String::as_str).to_owned()),
            Renamer::Patterns(rules) => {
                let mut new_name = name.to_owned();
                for rule in rules.iter().filter(|rule| rule.path.is_match(&full)) {
                    new_name = rule.replace(&new_name)?;
                }
                Ok(new_name)
            }
        }
    }
}

impl Rule {
    fn replace(&self, name: &str) -> Result<String, RecordError> {
        let mut replaced = String::with_capacity(name.len());
        let mut from = 0;
        for captures in self.name.captures_iter(name) {
            let whole = captures.get_match();
            replaced.push_str(&name[from..whole.start()]);
            self.expand(&captures, &mut replaced)?;
            from = whole.end();
        }
        replaced.push_str(&name[from..]);
        Ok(replaced)
    }

    /// Java's syntax: `$1`, `${name}`, and a backslash before what is meant literally.
    fn expand(&self, captures: &Captures<'_>, to: &mut String) -> Result<(), RecordError> {
        let mut rest = self.replacement.chars().peekable();
        while let Some(next) = rest.next() {
            match next {
                '\\' => to.extend(rest.next()),
                '$' => {
                    let mut digits = String::new();
                    while let Some(digit) = rest.peek().filter(|c| c.is_ascii_digit()) {
                        digits.push(*digit);
                        let group: usize = digits.parse().unwrap_or(usize::MAX);
                        if digits.len() > 1 && group >= captures.len() {
                            digits.pop();
                            break;
                        }
                        rest.next();
                    }
                    let group: usize = digits.parse().map_err(|_| {
                        RecordError::new(
                            "java.lang.IllegalArgumentException",
                            "Illegal group reference",
                        )
                    })?;
                    if group >= captures.len() {
                        let class = "java.lang.IndexOutOfBoundsException";
                        return Err(RecordError::new(class, format!("No group {group}")));
                    }
                    to.push_str(captures.get(group).map_or("", |found| found.as_str()));
                }
                other => to.push(other),
            }
        }
        Ok(())
    }
}

fn text(item: &Document, name: &str) -> Option<String> {
    item.get(name).and_then(Bson::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::{bson, doc};

    #[test]
    fn renamed_fields_move_to_the_end() {
        let items = [
            bson!({"oldName": "value.in", "newName": "inner"}),
            bson!({"oldName": "value.inner.b", "newName": "beta"}),
            bson!({"oldName": "value.a", "newName": "c"}),
        ];
        let mut document = doc! {"_id": 1, "a": 1, "in": {"a": 2, "b": 3}, "c": 5};
        Renamer::mapping(&items)
            .apply("value", &mut document)
            .unwrap();
        assert_eq!(
            document,
            doc! {"_id": 1, "c": 5, "inner": {"a": 2, "beta": 3}}
        );
    }

    #[test]
    fn patterns_replace_as_java_does() {
        let rule = bson!({"regexp": "value\\..*_ms", "pattern": "(.)_ms$", "replace": "$1\\$M"});
        let mut document = doc! {"lat_ms": 3, "o": {"t_ms": 4}};
        Renamer::patterns(&[rule])
            .unwrap()
            .apply("value", &mut document)
            .unwrap();
        assert_eq!(document, doc! {"o": {"t$M": 4}, "lat$M": 3});
        assert!(Renamer::patterns(&[bson!({"regexp": "("})]).is_err());
    }
}
