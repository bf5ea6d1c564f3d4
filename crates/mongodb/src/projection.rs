//! Projection: which fields of a document stay, by a list of paths with wildcards. The odd corners (arrays
//! are transparent, a trailing `*` is a prefix, wildcards in the middle) are the original's.

use bson::{Bson, Document};
use std::collections::HashSet;

#[derive(Clone, Debug)]
pub(crate) enum Projection {
    Allow(HashSet<String>),
    Block(Vec<String>),
}

impl Projection {
    /// An allow list names, with each path, all documents on the way to it.
    pub(crate) fn allow(list: &str) -> Self {
        let mut fields = HashSet::new();
        for item in items(list) {
            let mut entry = item;
            while let Some((prefix, _)) = entry.rsplit_once('.') {
                fields.insert(entry.to_owned());
                entry = prefix;
            }
            if !entry.is_empty() {
                fields.insert(entry.to_owned());
            }
        }
        Projection::Allow(fields)
    }

    pub(crate) fn block(list: &str) -> Self {
        Projection::Block(items(list).map(str::to_owned).collect())
    }

    pub(crate) fn apply(&self, document: &mut Document) {
        match self {
            Projection::Allow(fields) if fields.contains("**") => {}
            Projection::Allow(fields) => keep(fields, "", document),
            Projection::Block(paths) => {
                for path in paths {
                    remove(path, document);
                }
            }
        }
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn keep(fields: &HashSet<String>, path: &str, document: &mut Document) {
    let dropped: Vec<String> = document
        .iter_mut()
        .filter_map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if !is_allowed(fields, &path) {
                return Some(name.clone());
            }
            match value {
                Bson::Document(inner) if !fields.contains(&format!("{path}.**")) => {
                    keep(fields, &path, inner)
                }
                Bson::Array(items) => {
                    for inner in items.iter_mut().filter_map(Bson::as_document_mut) {
                        keep(fields, &path, inner);
                    }
                }
                _ => {}
            }
            None
        })
        .collect();
    for name in dropped {
        document.remove(name);
    }
}

fn is_allowed(fields: &HashSet<String>, path: &str) -> bool {
    if fields.contains(path) {
        return true;
    }
    fields.iter().any(|pattern| {
        let is_prefix = |prefix: &str| {
            !prefix.is_empty() && !prefix.contains(['.', '*']) && path.starts_with(prefix)
        };
        pattern.contains('*')
            && (matches_levels(pattern, path) || pattern.strip_suffix('*').is_some_and(is_prefix))
    })
}

/// Whether the pattern equals the path where `*` stands for exactly one level.
fn matches_levels(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    let fits = pattern.split('.').all(|wanted| {
        parts
            .next()
            .is_some_and(|part| wanted == "*" || wanted == part)
    });
    fits && parts.next().is_none()
}

fn remove(path: &str, document: &mut Document) {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    if first == "*" || first == "**" {
        return remove_all(first, rest, document);
    }
    let Some(rest) = rest else {
        match first.strip_suffix('*') {
            Some(prefix) => document.retain_names(|name| !name.starts_with(prefix)),
            None => {
                document.remove(first);
            }
        }
        return;
    };
    match document.get_mut(first) {
        Some(Bson::Document(inner)) => remove(rest, inner),
        Some(Bson::Array(items)) => {
            for inner in items.iter_mut().filter_map(Bson::as_document_mut) {
                remove(rest, inner);
            }
        }
        _ => {}
    }
}

/// A wildcard removes every value that is no document, and with `**` those too; what follows applies inside.
fn remove_all(wildcard: &str, rest: Option<&str>, document: &mut Document) {
    if wildcard == "**" {
        document.clear();
        return;
    }
    let documents: HashSet<String> = document
        .iter_mut()
        .filter_map(|(name, value)| {
            let inner = value.as_document_mut()?;
            if let Some(rest) = rest {
                remove(rest, inner);
            }
            Some(name.clone())
        })
        .collect();
    document.retain_names(|name| documents.contains(name));
}

pub(crate) trait RetainNames {
    fn retain_names(&mut self, keep: impl Fn(&str) -> bool);
}

impl RetainNames for Document {
    fn retain_names(&mut self, keep: impl Fn(&str) -> bool) {
        *self = std::mem::take(self)
            .into_iter()
            .filter(|(name, _)| keep(name))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn check(projection: Projection, expected: Document) {
        let mut document = doc! {"_id": 1, "a": 1, "in": {"a": 2, "b": 3, "deep": {"c": 4, "d": 5}}, "ls": [{"k": 1, "v": 2}]};
        projection.apply(&mut document);
        assert_eq!(document, expected, "{projection:?}");
    }

    #[test]
    fn allow_lists() {
        check(
            Projection::allow("*"),
            doc! {"_id": 1, "a": 1, "in": {}, "ls": [{}]},
        );
        check(Projection::allow("a, in.a"), doc! {"a": 1, "in": {"a": 2}});
        check(
            Projection::allow("in.*.c"),
            doc! {"in": {"a": 2, "b": 3, "deep": {"c": 4}}},
        );
        check(Projection::allow("a*"), doc! {"a": 1});
        check(Projection::allow("ls.k"), doc! {"ls": [{"k": 1}]});
    }

    #[test]
    fn block_lists() {
        check(
            Projection::block("*"),
            doc! {"in": {"a": 2, "b": 3, "deep": {"c": 4, "d": 5}}},
        );
        check(
            Projection::block("*.*"),
            doc! {"in": {"deep": {"c": 4, "d": 5}}},
        );
        check(Projection::block("**.x"), doc! {});
        check(
            Projection::block("in.**,_id,ls.v"),
            doc! {"a": 1, "in": {}, "ls": [{"k": 1}]},
        );
    }
}
