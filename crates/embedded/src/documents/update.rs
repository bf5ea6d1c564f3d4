//! Updates: a replacement, or operators applied to a document.

use super::command::CommandError;
use super::decimal;
use super::filter::{Filter, integer};
use super::key;
use super::path;
use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use std::cmp::Ordering;

/// The document that an update makes of `old`; for an upsert (`is_insert`) `old` holds the filter's equalities.
pub(super) fn apply(
    update: &Document,
    old: &Document,
    is_insert: bool,
) -> Result<Document, CommandError> {
    if !update
        .keys()
        .next()
        .is_some_and(|name| name.starts_with('$'))
    {
        return replacement(update, old);
    }
    let mut new = old.clone();
    for (operator, fields) in update {
        let fields = fields.as_document().ok_or_else(|| {
            CommandError::failed_to_parse(format!(
                "Modifiers operate on fields but we found type {operator} instead"
            ))
        })?;
        for (field, operand) in fields {
            if operator == "$setOnInsert" && !is_insert {
                continue;
            }
            check_name(field)?;
            modify(&mut new, operator, field, operand)?;
        }
    }
    if let (Some(before), after) = (old.get("_id"), new.get("_id"))
        && !after.is_some_and(|after| key::equal(before, after))
    {
        return Err(immutable_id());
    }
    Ok(new)
}

/// The first document of an upsert.
pub(super) fn seed(filter: &Filter) -> Result<Document, CommandError> {
    let mut seed = Document::new();
    for (path, value) in filter.equalities() {
        path::set(&mut seed, path, value.clone())
            .map_err(|message| CommandError::new(54, "NotSingleValueField", message))?;
    }
    Ok(seed)
}

/// Puts `_id` first and makes one where there is none.
pub(super) fn with_id(mut document: Document) -> Document {
    let id = document
        .remove("_id")
        .unwrap_or_else(|| Bson::ObjectId(ObjectId::new()));
    let mut whole = doc! {"_id": id};
    whole.extend(document);
    whole
}

fn replacement(update: &Document, old: &Document) -> Result<Document, CommandError> {
    for name in update.keys() {
        check_name(name)?;
    }
    let mut new = update.clone();
    match (old.get("_id"), new.get("_id")) {
        (Some(before), Some(after)) if !key::equal(before, after) => return Err(immutable_id()),
        // The stored `_id` stays, to its type.
        (Some(before), _) => {
            new.remove("_id");
            let mut whole = doc! {"_id": before.clone()};
            whole.extend(new);
            new = whole;
        }
        (None, _) => {}
    }
    Ok(new)
}

fn immutable_id() -> CommandError {
    CommandError::new(
        66,
        "ImmutableField",
        "Performing an update on the path '_id' would modify the immutable field '_id'",
    )
}

fn check_name(path: &str) -> Result<(), CommandError> {
    match path
        .split('.')
        .find(|name| name.starts_with('$') && !matches!(*name, "$id" | "$ref" | "$db"))
    {
        None => Ok(()),
        Some(name) => Err(CommandError::new(
            52,
            "DollarPrefixedFieldName",
            format!(
                "The dollar ($) prefixed field '{name}' in '{path}' is not allowed in the context of an update's \
                 replacement document. Consider using an aggregation pipeline with $replaceWith."
            ),
        )),
    }
}

fn modify(
    new: &mut Document,
    operator: &str,
    field: &str,
    operand: &Bson,
) -> Result<(), CommandError> {
    let current = path::values(new, field)
        .first()
        .map(|value| (*value).clone());
    let set = |new: &mut Document, value: Bson| {
        path::set(new, field, value).map_err(|why| CommandError::new(28, "PathNotViable", why))
    };
    match operator {
        "$set" | "$setOnInsert" => set(new, operand.clone()),
        "$unset" => {
            path::unset(new, field);
            Ok(())
        }
        "$inc" => set(
            new,
            add(current.as_ref().unwrap_or(&Bson::Int32(0)), operand)?,
        ),
        "$mul" => set(
            new,
            multiply(current.as_ref().unwrap_or(&Bson::Int32(0)), operand)?,
        ),
        "$min" | "$max" => {
            let wanted = if operator == "$min" {
                Ordering::Less
            } else {
                Ordering::Greater
            };
            match current {
                Some(current) if key::compare(operand, &current) != wanted => Ok(()),
                _ => set(new, operand.clone()),
            }
        }
        "$rename" => {
            let to = operand.as_str().ok_or_else(|| {
                CommandError::bad_value("The 'to' field for $rename must be a string")
            })?;
            match path::unset(new, field) {
                Some(value) => path::set(new, to, value)
                    .map_err(|why| CommandError::new(28, "PathNotViable", why)),
                None => Ok(()),
            }
        }
        "$currentDate" => set(new, Bson::DateTime(DateTime::now())),
        "$push" | "$addToSet" | "$pull" | "$pullAll" | "$pop" => {
            let mut items = match current {
                None => Vec::new(),
                Some(Bson::Array(items)) => items,
                Some(_) => {
                    return Err(CommandError::bad_value(format!(
                        "The field '{field}' must be an array but is of another type"
                    )));
                }
            };
            change_items(&mut items, operator, operand)?;
            set(new, Bson::Array(items))
        }
        _ => Err(CommandError::failed_to_parse(format!(
            "Unknown modifier: {operator}"
        ))),
    }
}

fn change_items(items: &mut Vec<Bson>, operator: &str, operand: &Bson) -> Result<(), CommandError> {
    let each = match operand {
        Bson::Document(modifiers) if modifiers.contains_key("$each") => modifiers
            .get_array("$each")
            .map_err(|_| CommandError::bad_value("The argument to $each must be an array"))?
            .clone(),
        one => vec![one.clone()],
    };
    match operator {
        "$push" => items.extend(each),
        "$addToSet" => {
            for item in each {
                if !items.iter().any(|known| key::equal(known, &item)) {
                    items.push(item);
                }
            }
        }
        "$pop" if integer(operand) == Some(-1) => {
            if !items.is_empty() {
                items.remove(0);
            }
        }
        "$pop" => {
            items.pop();
        }
        "$pullAll" => {
            let unwanted = operand.as_array().cloned().unwrap_or_default();
            items.retain(|item| !unwanted.iter().any(|value| key::equal(item, value)));
        }
        _ => pull(items, operand)?,
    }
    Ok(())
}

fn pull(items: &mut Vec<Bson>, condition: &Bson) -> Result<(), CommandError> {
    let Bson::Document(condition) = condition else {
        items.retain(|item| !key::equal(item, condition));
        return Ok(());
    };
    // A condition on the items themselves is wrapped, so that one filter serves both kinds.
    let on_items = condition
        .keys()
        .next()
        .is_some_and(|name| name.starts_with('$'));
    let filter = if on_items {
        Filter::parse(&doc! {"item": condition.clone()})?
    } else {
        Filter::parse(condition)?
    };
    items.retain(|item| match item {
        Bson::Document(inner) if !on_items => !filter.matches(inner),
        item if on_items => !filter.matches(&doc! {"item": item.clone()}),
        _ => true,
    });
    Ok(())
}

/// Adds as MongoDB does: int32 grows to int64, whole numbers and decimals are added exactly, and anything with a double is one.
pub(super) fn add(a: &Bson, b: &Bson) -> Result<Bson, CommandError> {
    if let Some(sum) = decimal::sum(a, b) {
        return Ok(sum);
    }
    arithmetic(a, b, i64::checked_add, |a, b| a + b)
}

pub(super) fn multiply(a: &Bson, b: &Bson) -> Result<Bson, CommandError> {
    arithmetic(a, b, i64::checked_mul, |a, b| a * b)
}

fn arithmetic(
    a: &Bson,
    b: &Bson,
    whole: impl Fn(i64, i64) -> Option<i64>,
    float: impl Fn(f64, f64) -> f64,
) -> Result<Bson, CommandError> {
    let is_float = |value: &Bson| matches!(value, Bson::Double(_) | Bson::Decimal128(_));
    match (number(a), number(b)) {
        (Some(x), Some(y)) if is_float(a) || is_float(b) => Ok(Bson::Double(float(x, y))),
        (Some(_), Some(_)) => {
            let sum = whole(integer(a).unwrap_or(0), integer(b).unwrap_or(0))
                .ok_or_else(|| CommandError::bad_value("integer overflow"))?;
            Ok(match (a, b, i32::try_from(sum)) {
                (Bson::Int32(_), Bson::Int32(_), Ok(small)) => Bson::Int32(small),
                _ => Bson::Int64(sum),
            })
        }
        _ => Err(CommandError::new(
            14,
            "TypeMismatch",
            "Cannot apply arithmetic to a value of non-numeric type",
        )),
    }
}

pub(super) fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(v) => Some(f64::from(*v)),
        Bson::Int64(v) => Some(*v as f64),
        Bson::Double(v) => Some(*v),
        Bson::Decimal128(v) => v.to_string().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(update: Document, expected: Document) {
        let old = doc! {"_id": 1, "n": 5, "a": [1, 2, 2]};
        assert_eq!(apply(&update, &old, false).unwrap(), expected, "{update}");
    }

    #[test]
    fn operators() {
        check(doc! {"m": 1}, doc! {"_id": 1, "m": 1});
        check(doc! {"m": 1, "_id": 1.0}, doc! {"_id": 1, "m": 1});
        check(
            doc! {"$set": {"x.y": 2}, "$unset": {"a": ""}, "$setOnInsert": {"z": 1}},
            doc! {"_id": 1, "n": 5, "x": {"y": 2}},
        );
        check(
            doc! {"$inc": {"n": 1, "k": 2i64}},
            doc! {"_id": 1, "n": 6, "a": [1, 2, 2], "k": 2i64},
        );
        check(
            doc! {"$push": {"a": {"$each": [7]}}},
            doc! {"_id": 1, "n": 5, "a": [1, 2, 2, 7]},
        );
        check(doc! {"$pull": {"a": 2}}, doc! {"_id": 1, "n": 5, "a": [1]});
        check(
            doc! {"$pull": {"a": {"$gt": 1}}},
            doc! {"_id": 1, "n": 5, "a": [1]},
        );
        check(
            doc! {"$addToSet": {"a": 1}},
            doc! {"_id": 1, "n": 5, "a": [1, 2, 2]},
        );
        check(
            doc! {"$max": {"n": 3}},
            doc! {"_id": 1, "n": 5, "a": [1, 2, 2]},
        );
        check(
            doc! {"$rename": {"n": "m"}},
            doc! {"_id": 1, "a": [1, 2, 2], "m": 5},
        );
        check(doc! {"$set": {}}, doc! {"_id": 1, "n": 5, "a": [1, 2, 2]});
    }

    #[test]
    fn refusals() {
        let code = |update| apply(&update, &doc! {"_id": 1}, false).unwrap_err().code;
        assert_eq!(code(doc! {"$set": {"_id": 2}}), 66);
        assert_eq!(code(doc! {"_id": 2}), 66);
        assert_eq!(code(doc! {"$set": {"$x": 2}}), 52);
        assert_eq!(code(doc! {"$explode": {"x": 2}}), 9);
        assert_eq!(code(doc! {"$inc": {"x": "2"}}), 14);
    }
}
