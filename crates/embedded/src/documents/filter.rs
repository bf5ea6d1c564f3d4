//! Filter: a query document as a tree of conditions on decoded documents.

use super::command::CommandError;
use super::key;
use super::path;
use bson::raw::CString;
use bson::{Bson, Document, Regex as BsonRegex};
use regex::Regex;
use std::cmp::Ordering;

#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Field { path: String, test: Test },
}

#[derive(Debug)]
pub(super) enum Test {
    Equal(Bson),
    Order(&'static [Ordering], Bson),
    In(Vec<Bson>),
    Exists(bool),
    Type(Vec<Bson>),
    Size(usize),
    AllOf(Vec<Bson>),
    Element(Box<Filter>),
    Matches(Regex),
    Mod(i64, i64),
}

/// Conditions nested deeper are refused; MongoDB has such a bound too.
const MAX_DEPTH: usize = 100;

impl Filter {
    pub(super) fn parse(filter: &Document) -> Result<Filter, CommandError> {
        parse(filter, 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Filter::All(all) if all.is_empty())
    }

    pub(super) fn matches(&self, document: &Document) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|filter| filter.matches(document)),
            Filter::Any(any) => any.iter().any(|filter| filter.matches(document)),
            Filter::Not(inner) => !inner.matches(document),
            Filter::Field { path, test } => test.matches(&path::values(document, path)),
        }
    }

    /// The only `_id`s that can match, if the filter says so at its top.
    pub(super) fn ids(&self) -> Option<Vec<Bson>> {
        match self {
            Filter::All(all) => all.iter().find_map(Filter::ids),
            Filter::Field { path, test } if path == "_id" => match test {
                Test::Equal(Bson::Null) => None,
                Test::Equal(id) => Some(vec![id.clone()]),
                // An expression in the list can match any `_id`.
                Test::In(ids)
                    if !ids
                        .iter()
                        .any(|id| matches!(id, Bson::RegularExpression(_))) =>
                {
                    Some(ids.clone())
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The fields that an upsert takes from its filter.
    pub(super) fn equalities(&self) -> Vec<(&str, &Bson)> {
        match self {
            Filter::All(all) => all.iter().flat_map(Filter::equalities).collect(),
            Filter::Field {
                path,
                test: Test::Equal(value),
            } => vec![(path, value)],
            _ => Vec::new(),
        }
    }
}

fn parse(filter: &Document, depth: usize) -> Result<Filter, CommandError> {
    if depth > MAX_DEPTH {
        return Err(CommandError::bad_value("filter nested too deep"));
    }
    let mut all = Vec::new();
    for (name, value) in filter {
        match name.as_str() {
            "$and" => all.push(Filter::All(parse_list(name, value, depth)?)),
            "$or" => all.push(Filter::Any(parse_list(name, value, depth)?)),
            "$nor" => all.push(Filter::Not(Box::new(Filter::Any(parse_list(
                name, value, depth,
            )?)))),
            "$comment" => {}
            _ if name.starts_with('$') => {
                return Err(CommandError::bad_value(format!(
                    "unknown top level operator: {name}"
                )));
            }
            _ => parse_field(name, value, depth, &mut all)?,
        }
    }
    Ok(Filter::All(all))
}

fn parse_list(name: &str, value: &Bson, depth: usize) -> Result<Vec<Filter>, CommandError> {
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| CommandError::bad_value(format!("{name} must be a nonempty array")))?;
    items
        .iter()
        .map(|item| match item {
            Bson::Document(filter) => parse(filter, depth + 1),
            _ => Err(CommandError::bad_value(format!(
                "{name} entries need to be full objects"
            ))),
        })
        .collect()
}

fn parse_field(
    path: &str,
    value: &Bson,
    depth: usize,
    all: &mut Vec<Filter>,
) -> Result<(), CommandError> {
    let field = |test| Filter::Field {
        path: path.to_owned(),
        test,
    };
    let operators = match value {
        Bson::Document(document) if document.keys().next().is_some_and(|k| k.starts_with('$')) => {
            document
        }
        Bson::RegularExpression(regex) => {
            all.push(field(Test::Matches(compile(regex)?)));
            return Ok(());
        }
        other => {
            all.push(field(Test::Equal(other.clone())));
            return Ok(());
        }
    };
    for (operator, operand) in operators {
        let not = |test| Filter::Not(Box::new(field(test)));
        let filter = match operator.as_str() {
            "$eq" => field(Test::Equal(operand.clone())),
            "$ne" => not(Test::Equal(operand.clone())),
            "$gt" => field(Test::Order(&[Ordering::Greater], operand.clone())),
            "$gte" => field(Test::Order(
                &[Ordering::Greater, Ordering::Equal],
                operand.clone(),
            )),
            "$lt" => field(Test::Order(&[Ordering::Less], operand.clone())),
            "$lte" => field(Test::Order(
                &[Ordering::Less, Ordering::Equal],
                operand.clone(),
            )),
            "$in" => field(Test::In(list(operator, operand)?)),
            "$nin" => not(Test::In(list(operator, operand)?)),
            "$exists" => field(Test::Exists(truth(operand))),
            "$type" => field(Test::Type(match operand {
                Bson::Array(types) => types.clone(),
                one => vec![one.clone()],
            })),
            "$size" => field(Test::Size(
                integer(operand)
                    .and_then(|size| usize::try_from(size).ok())
                    .ok_or_else(|| CommandError::bad_value("$size needs a number"))?,
            )),
            "$all" => field(Test::AllOf(list(operator, operand)?)),
            "$mod" => match list(operator, operand)?.as_slice() {
                [divisor, rest] => match (integer(divisor), integer(rest)) {
                    (Some(divisor), Some(rest)) if divisor != 0 => field(Test::Mod(divisor, rest)),
                    _ => return Err(CommandError::bad_value("malformed mod")),
                },
                _ => return Err(CommandError::bad_value("malformed mod")),
            },
            "$elemMatch" => match operand {
                Bson::Document(inner) => field(Test::Element(Box::new(parse(inner, depth + 1)?))),
                _ => return Err(CommandError::bad_value("$elemMatch needs an Object")),
            },
            "$not" => {
                let mut inner = Vec::new();
                parse_field(path, operand, depth + 1, &mut inner)?;
                Filter::Not(Box::new(Filter::All(inner)))
            }
            "$regex" => {
                let options = operators.get_str("$options").unwrap_or_default();
                field(Test::Matches(compile(&match operand {
                    Bson::RegularExpression(regex) => regex.clone(),
                    Bson::String(pattern) => regex_of(pattern, options)?,
                    _ => return Err(CommandError::bad_value("$regex has to be a string")),
                })?))
            }
            "$options" => continue,
            _ => {
                return Err(CommandError::bad_value(format!(
                    "unknown operator: {operator}"
                )));
            }
        };
        all.push(filter);
    }
    Ok(())
}

impl Test {
    fn matches(&self, values: &[&Bson]) -> bool {
        match self {
            Test::Equal(wanted) => equals(values, wanted),
            Test::Order(orders, than) => any(values, |value| {
                key::comparable(value, than) && orders.contains(&key::compare(value, than))
            }),
            Test::In(wanted) => wanted.iter().any(|wanted| match wanted {
                Bson::RegularExpression(regex) => {
                    compile(regex).is_ok_and(|regex| matches_text(values, &regex))
                }
                wanted => equals(values, wanted),
            }),
            Test::Exists(wanted) => values.is_empty() != *wanted,
            Test::Type(types) => any(values, |value| types.iter().any(|t| is_type(value, t))),
            Test::Size(size) => values
                .iter()
                .any(|value| value.as_array().is_some_and(|items| items.len() == *size)),
            Test::AllOf(wanted) => {
                !wanted.is_empty() && wanted.iter().all(|wanted| equals(values, wanted))
            }
            Test::Element(filter) => values.iter().any(|value| {
                value.as_array().is_some_and(|items| {
                    items.iter().any(|item| {
                        item.as_document()
                            .is_some_and(|inner| filter.matches(inner))
                    })
                })
            }),
            Test::Matches(regex) => matches_text(values, regex),
            Test::Mod(divisor, rest) => any(values, |value| {
                integer(value).is_some_and(|v| v % divisor == *rest)
            }),
        }
    }
}

/// Whether a value, or an item of one that is an array, passes.
fn any(values: &[&Bson], mut test: impl FnMut(&Bson) -> bool) -> bool {
    values.iter().any(|value| {
        test(value)
            || value
                .as_array()
                .is_some_and(|items| items.iter().any(&mut test))
    })
}

/// Null equals a missing value too.
fn equals(values: &[&Bson], wanted: &Bson) -> bool {
    if wanted == &Bson::Null && values.is_empty() {
        return true;
    }
    any(values, |value| key::equal(value, wanted))
}

fn matches_text(values: &[&Bson], regex: &Regex) -> bool {
    any(values, |value| {
        value.as_str().is_some_and(|text| regex.is_match(text))
    })
}

fn list(operator: &str, operand: &Bson) -> Result<Vec<Bson>, CommandError> {
    operand
        .as_array()
        .cloned()
        .ok_or_else(|| CommandError::bad_value(format!("{operator} needs an array")))
}

fn regex_of(pattern: &str, options: &str) -> Result<BsonRegex, CommandError> {
    let part = |text: &str| {
        CString::try_from(text).map_err(|error| CommandError::bad_value(error.to_string()))
    };
    Ok(BsonRegex {
        pattern: part(pattern)?,
        options: part(options)?,
    })
}

fn compile(regex: &BsonRegex) -> Result<Regex, CommandError> {
    /// Generous for a pattern somebody types, small beside a message.
    const MAX_COMPILED: usize = 1 << 20;
    let options = regex.options.as_str();
    regex::RegexBuilder::new(regex.pattern.as_str())
        .case_insensitive(options.contains('i'))
        .multi_line(options.contains('m'))
        .dot_matches_new_line(options.contains('s'))
        .ignore_whitespace(options.contains('x'))
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| {
            CommandError::new(
                51091,
                "Location51091",
                format!("Regular expression is invalid: {error}"),
            )
        })
}

pub(super) fn truth(value: &Bson) -> bool {
    match value {
        Bson::Boolean(flag) => *flag,
        Bson::Null | Bson::Undefined => false,
        other => integer(other) != Some(0),
    }
}

/// A whole number of any numeric type, a fraction cut off.
pub(super) fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(v) => Some(i64::from(*v)),
        Bson::Int64(v) => Some(*v),
        Bson::Double(v) => Some(*v as i64),
        _ => None,
    }
}

/// The number and the name of a value's type.
pub(super) fn kind(value: &Bson) -> (i64, &'static str) {
    match value {
        Bson::Double(_) => (1, "double"),
        Bson::String(_) => (2, "string"),
        Bson::Document(_) => (3, "object"),
        Bson::Array(_) => (4, "array"),
        Bson::Binary(_) => (5, "binData"),
        Bson::Undefined => (6, "undefined"),
        Bson::ObjectId(_) => (7, "objectId"),
        Bson::Boolean(_) => (8, "bool"),
        Bson::DateTime(_) => (9, "date"),
        Bson::Null => (10, "null"),
        Bson::RegularExpression(_) => (11, "regex"),
        Bson::DbPointer(_) => (12, "dbPointer"),
        Bson::JavaScriptCode(_) => (13, "javascript"),
        Bson::Symbol(_) => (14, "symbol"),
        Bson::JavaScriptCodeWithScope(_) => (15, "javascriptWithScope"),
        Bson::Int32(_) => (16, "int"),
        Bson::Timestamp(_) => (17, "timestamp"),
        Bson::Int64(_) => (18, "long"),
        Bson::Decimal128(_) => (19, "decimal"),
        Bson::MinKey => (-1, "minKey"),
        Bson::MaxKey => (127, "maxKey"),
    }
}

fn is_type(value: &Bson, wanted: &Bson) -> bool {
    let (number, name) = kind(value);
    match wanted {
        Bson::String(wanted) => {
            wanted == name || (wanted == "number" && matches!(number, 1 | 16 | 18 | 19))
        }
        other => integer(other) == Some(number),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::doc;

    fn check(filter: Document, matches: bool) {
        let document = doc! {"_id": 1, "n": 5, "s": "abc", "tags": ["x", "y"],
        "o": {"k": 1.0}, "ls": [{"k": 1, "v": 2}, {"k": 3}], "nil": null};
        let parsed = Filter::parse(&filter).unwrap();
        assert_eq!(parsed.matches(&document), matches, "{filter}");
    }

    #[test]
    fn conditions() {
        check(doc! {}, true);
        check(doc! {"n": 5.0, "s": "abc"}, true);
        check(doc! {"n": {"$gt": 4, "$lt": 6}}, true);
        check(doc! {"n": {"$gt": "4"}}, false);
        check(doc! {"n": {"$ne": 5}}, false);
        check(doc! {"tags": "y"}, true);
        check(doc! {"tags": {"$all": ["x", "y"]}}, true);
        check(doc! {"tags": {"$size": 2}}, true);
        check(doc! {"ls.k": 3}, true);
        check(doc! {"ls": {"$elemMatch": {"k": 1, "v": 2}}}, true);
        check(doc! {"ls": {"$elemMatch": {"k": 3, "v": 2}}}, false);
        check(doc! {"missing": null, "nil": null}, true);
        check(doc! {"missing": {"$exists": true}}, false);
        check(doc! {"s": {"$regex": "^A", "$options": "i"}}, true);
        check(doc! {"s": {"$not": {"$in": ["abc"]}}}, false);
        check(doc! {"$or": [{"n": 1}, {"o.k": 1}]}, true);
        check(doc! {"$nor": [{"n": 5}]}, false);
        check(doc! {"n": {"$type": "number"}}, true);
        check(doc! {"n": {"$mod": [2, 1]}}, true);
    }

    #[test]
    fn unknown_operators_are_refused() {
        assert!(Filter::parse(&doc! {"$where": "1"}).is_err());
        assert!(Filter::parse(&doc! {"a": {"$near": 1}}).is_err());
        assert!(Filter::parse(&doc! {"a": {"$regex": "("}}).is_err());
    }
}
