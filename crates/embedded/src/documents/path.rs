//! Dotted paths into documents, as filters, indexes, sorts and projections use them.

use bson::{Bson, Document};

/// All values a path leads to. An array on the way is entered, by position and through each of its documents.
pub(super) fn values<'a>(document: &'a Document, path: &str) -> Vec<&'a Bson> {
    let mut found = Vec::new();
    collect(document, path, &mut found);
    found
}

fn collect<'a>(document: &'a Document, path: &str, found: &mut Vec<&'a Bson>) {
    let Some((head, rest)) = path.split_once('.') else {
        found.extend(document.get(path));
        return;
    };
    match document.get(head) {
        Some(Bson::Document(inner)) => collect(inner, rest, found),
        Some(Bson::Array(items)) => collect_items(items, rest, found),
        _ => {}
    }
}

fn collect_items<'a>(items: &'a [Bson], path: &str, found: &mut Vec<&'a Bson>) {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    if let Some(item) = head.parse::<usize>().ok().and_then(|at| items.get(at)) {
        match (item, rest) {
            (item, None) => found.push(item),
            (Bson::Document(inner), Some(rest)) => collect(inner, rest, found),
            (Bson::Array(inner), Some(rest)) => collect_items(inner, rest, found),
            _ => {}
        }
    }
    for item in items {
        if let Bson::Document(inner) = item {
            collect(inner, path, found);
        }
    }
}

/// The first value of a path, or null.
pub(super) fn first(document: &Document, path: &str) -> Bson {
    values(document, path)
        .first()
        .map_or(Bson::Null, |value| (*value).clone())
}

/// The values that an index holds for a document, by field.
pub(super) fn indexed<'a>(document: &Document, fields: impl Iterator<Item = &'a str>) -> Document {
    fields
        .map(|field| (field.to_owned(), first(document, field)))
        .collect()
}

/// Sets a path, making documents on the way; a value of another kind on the way is an error.
pub(super) fn set(document: &mut Document, path: &str, value: Bson) -> Result<(), String> {
    let Some((head, rest)) = path.split_once('.') else {
        document.insert(path, value);
        return Ok(());
    };
    if !document.contains_key(head) {
        document.insert(head, Document::new());
    }
    match document.get_mut(head) {
        Some(Bson::Document(inner)) => set(inner, rest, value),
        Some(Bson::Array(items)) => set_item(items, head, rest, value),
        _ => Err(format!(
            "Cannot create field '{rest}' in element {{{head}}}"
        )),
    }
}

fn set_item(items: &mut Vec<Bson>, name: &str, path: &str, value: Bson) -> Result<(), String> {
    /// MongoDB pads at most this far.
    const MAX_PADDING: usize = 1_500_000;
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let Some(at) = head
        .parse::<usize>()
        .ok()
        .filter(|at| *at < items.len() + MAX_PADDING)
    else {
        return Err(format!(
            "Cannot create field '{head}' in element {{{name}}}"
        ));
    };
    while items.len() <= at {
        items.push(Bson::Null);
    }
    match (&mut items[at], rest) {
        (slot, None) => *slot = value,
        (Bson::Document(inner), Some(rest)) => return set(inner, rest, value),
        (Bson::Array(inner), Some(rest)) => return set_item(inner, head, rest, value),
        _ => {
            return Err(format!(
                "Cannot create field '{path}' in element {{{name}}}"
            ));
        }
    }
    Ok(())
}

/// Removes a path; it need not be there.
pub(super) fn unset(document: &mut Document, path: &str) -> Option<Bson> {
    let Some((head, rest)) = path.split_once('.') else {
        return document.remove(path);
    };
    match document.get_mut(head) {
        Some(Bson::Document(inner)) => unset(inner, rest),
        Some(Bson::Array(items)) => {
            let (at, rest) = rest.split_once('.').unwrap_or((rest, ""));
            match items.get_mut(at.parse::<usize>().ok()?) {
                Some(Bson::Document(inner)) if !rest.is_empty() => unset(inner, rest),
                Some(item) if rest.is_empty() => Some(std::mem::replace(item, Bson::Null)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A value as the shell prints it, for the texts of errors.
pub(super) fn shell(value: &Bson) -> String {
    match value {
        Bson::String(text) => format!("\"{text}\""),
        Bson::ObjectId(id) => format!("ObjectId('{id}')"),
        Bson::Document(document) if document.is_empty() => "{}".to_owned(),
        Bson::Document(document) => {
            let fields: Vec<String> = document
                .iter()
                .map(|(name, value)| format!("{name}: {}", shell(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Bson::Double(number) if number.fract() == 0.0 => format!("{number:.1}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::{bson, doc};

    #[test]
    fn paths_enter_arrays() {
        let document = doc! {"a": [{"b": 1}, {"b": 2}, 7], "c": {"d": 3}};
        assert_eq!(values(&document, "a.b"), [&bson!(1), &bson!(2)]);
        assert_eq!(values(&document, "a.1.b"), [&bson!(2)]);
        assert_eq!(values(&document, "a.2"), [&bson!(7)]);
        assert_eq!(values(&document, "c.d"), [&bson!(3)]);
        assert!(values(&document, "c.x").is_empty());
    }

    #[test]
    fn setting_and_unsetting() {
        let mut document = doc! {"a": [1], "n": 5};
        set(&mut document, "x.y", bson!(1)).unwrap();
        set(&mut document, "a.2", bson!(3)).unwrap();
        assert_eq!(document, doc! {"a": [1, null, 3], "n": 5, "x": {"y": 1}});
        assert!(set(&mut document, "n.z", bson!(1)).is_err());
        assert_eq!(unset(&mut document, "x.y"), Some(bson!(1)));
        assert_eq!(unset(&mut document, "x.y"), None);
    }
}
