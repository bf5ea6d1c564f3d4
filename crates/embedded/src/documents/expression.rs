//! Expressions of the aggregation pipeline: field paths, constants, documents and arrays of them, and the
//! operators with which document browsers read sizes, indexes and running operations.

use super::command::CommandError;
use super::filter;
use super::key;
use super::path;
use super::update;
use bson::{Bson, Document, doc};

/// The value of an expression. `None` is MongoDB's "missing", which leaves a field out.
pub(super) fn evaluate(
    expression: &Bson,
    document: &Document,
) -> Result<Option<Bson>, CommandError> {
    Ok(match expression {
        Bson::String(text) => match (text.strip_prefix("$$"), text.strip_prefix('$')) {
            (Some("ROOT"), _) => Some(Bson::Document(document.clone())),
            (Some("REMOVE"), _) => None,
            (Some(variable), _) => {
                return Err(CommandError::new(
                    17276,
                    "Location17276",
                    format!("Use of undefined variable: {variable}"),
                ));
            }
            (None, Some(path)) => path::values(document, path).first().copied().cloned(),
            (None, None) => Some(expression.clone()),
        },
        Bson::Document(fields) => match fields.iter().next() {
            Some((name, operand)) if name.starts_with('$') => {
                return operate(name, operand, document);
            }
            _ => {
                let mut evaluated = Document::new();
                for (name, value) in fields {
                    if let Some(value) = evaluate(value, document)? {
                        evaluated.insert(name, value);
                    }
                }
                Some(Bson::Document(evaluated))
            }
        },
        Bson::Array(items) => {
            let mut evaluated = Vec::with_capacity(items.len());
            for item in items {
                evaluated.push(evaluate(item, document)?.unwrap_or(Bson::Null));
            }
            Some(Bson::Array(evaluated))
        }
        constant => Some(constant.clone()),
    })
}

fn operate(name: &str, operand: &Bson, document: &Document) -> Result<Option<Bson>, CommandError> {
    if name == "$literal" {
        return Ok(Some(operand.clone()));
    }
    if name == "$cond" {
        return condition(operand, document);
    }
    let operands = match operand {
        Bson::Array(operands) => operands.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut values = Vec::with_capacity(operands.len());
    for operand in operands {
        values.push(evaluate(operand, document)?);
    }
    let arity = |count: &str| {
        CommandError::new(
            16020,
            "Location16020",
            format!(
                "Expression {name} takes exactly {count} arguments. {} were passed in.",
                values.len()
            ),
        )
    };
    let one = || match values.as_slice() {
        [value] => Ok(value.as_ref()),
        _ => Err(arity("1")),
    };
    let two = || match values.as_slice() {
        [a, b] => Ok((a.as_ref(), b.as_ref())),
        _ => Err(arity("2")),
    };
    let order = || two().map(|(a, b)| compare(a, b));
    let any_null = values
        .iter()
        .any(|v| matches!(v, None | Some(Bson::Null | Bson::Undefined)));
    Ok(Some(match name {
        "$eq" => order()?.is_eq().into(),
        "$ne" => order()?.is_ne().into(),
        "$gt" => order()?.is_gt().into(),
        "$gte" => order()?.is_ge().into(),
        "$lt" => order()?.is_lt().into(),
        "$lte" => order()?.is_le().into(),
        "$and" => values.iter().all(holds).into(),
        "$or" => values.iter().any(holds).into(),
        "$not" => (!one()?.is_some_and(filter::truth)).into(),
        "$type" => one()?
            .map_or("missing", |value| filter::kind(value).1)
            .into(),
        "$toDouble" | "$multiply" | "$divide" | "$objectToArray" if any_null => Bson::Null,
        "$toDouble" => to_double(one()?.unwrap_or(&Bson::Null))?,
        "$multiply" => {
            let mut product = Bson::Int32(1);
            for value in values.iter().flatten() {
                product = update::multiply(&product, value)?;
            }
            product
        }
        "$divide" => match two()? {
            (Some(a), Some(b)) => match (update::number(a), update::number(b)) {
                (Some(_), Some(0.0)) => {
                    return Err(CommandError::bad_value("can't $divide by zero"));
                }
                (Some(a), Some(b)) => Bson::Double(a / b),
                _ => {
                    return Err(CommandError::new(
                        14,
                        "TypeMismatch",
                        format!(
                            "$divide only supports numeric types, not {} and {}",
                            filter::kind(a).1,
                            filter::kind(b).1
                        ),
                    ));
                }
            },
            _ => Bson::Null,
        },
        "$objectToArray" => match one()? {
            Some(Bson::Document(fields)) => Bson::Array(
                fields
                    .iter()
                    .map(|(k, v)| Bson::Document(doc! {"k": k, "v": v.clone()}))
                    .collect(),
            ),
            other => {
                return Err(CommandError::new(
                    40390,
                    "Location40390",
                    format!(
                        "$objectToArray requires a document input, found: {}",
                        other.map_or("missing", |value| filter::kind(value).1)
                    ),
                ));
            }
        },
        _ => {
            return Err(CommandError::new(
                168,
                "InvalidPipelineOperator",
                format!("Unrecognized expression '{name}'"),
            ));
        }
    }))
}

/// `$cond` evaluates only the branch that it takes.
fn condition(operand: &Bson, document: &Document) -> Result<Option<Bson>, CommandError> {
    let parts = match operand {
        Bson::Array(parts) => <&[Bson; 3]>::try_from(parts.as_slice())
            .ok()
            .map(|[test, yes, no]| (test, yes, no)),
        Bson::Document(parts) => match (parts.get("if"), parts.get("then"), parts.get("else")) {
            (Some(test), Some(yes), Some(no)) => Some((test, yes, no)),
            _ => None,
        },
        _ => None,
    };
    let (test, yes, no) = parts.ok_or_else(|| {
        CommandError::failed_to_parse("$cond needs an 'if', a 'then' and an 'else'")
    })?;
    evaluate(
        if holds(&evaluate(test, document)?) {
            yes
        } else {
            no
        },
        document,
    )
}

fn holds(value: &Option<Bson>) -> bool {
    value.as_ref().is_some_and(filter::truth)
}

/// What is missing comes before everything else.
fn compare(a: Option<&Bson>, b: Option<&Bson>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(a), Some(b)) => key::compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn to_double(value: &Bson) -> Result<Bson, CommandError> {
    let double = match value {
        Bson::Boolean(flag) => Some(f64::from(u8::from(*flag))),
        Bson::String(text) => text.parse().ok(),
        Bson::DateTime(time) => Some(time.timestamp_millis() as f64),
        other => update::number(other),
    };
    double.map(Bson::Double).ok_or_else(|| {
        CommandError::new(
            241,
            "ConversionFailure",
            format!(
                "Failed to convert a value of type {} to double in $convert with no onError value",
                filter::kind(value).1
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(expression: impl Into<Bson>, expected: Option<Bson>) {
        let document = doc! {"n": 6, "s": "7.5", "d": {"a": 1, "b": 2}};
        let expression = expression.into();
        assert_eq!(
            evaluate(&expression, &document).unwrap(),
            expected,
            "{expression}"
        );
    }

    #[test]
    fn operators() {
        check("$d.b", Some(2.into()));
        check("$none", None);
        check("$$REMOVE", None);
        check(
            doc! {"x": "$none", "y": ["$n", "$none"]},
            Some(doc! {"y": [6, null]}.into()),
        );
        check(doc! {"$toDouble": "$s"}, Some(7.5.into()));
        check(doc! {"$toDouble": "$none"}, Some(Bson::Null));
        check(
            doc! {"$multiply": ["$n", 2, {"$toDouble": "$n"}]},
            Some(72.0.into()),
        );
        check(doc! {"$divide": ["$n", 4]}, Some(1.5.into()));
        check(doc! {"$type": "$none"}, Some("missing".into()));
        check(doc! {"$type": "$d"}, Some("object".into()));
        check(
            doc! {"$objectToArray": "$d"},
            Some(vec![doc! {"k": "a", "v": 1}, doc! {"k": "b", "v": 2}].into()),
        );
        check(
            doc! {"$cond": {"if": {"$ne": ["$n", 0]}, "then": "yes", "else": {"$divide": [1, 0]}}},
            Some("yes".into()),
        );
        check(
            doc! {"$cond": [{"$and": [true, {"$gt": ["$none", 0]}]}, 1, "$$REMOVE"]},
            None,
        );
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        for expression in [
            doc! {"$divide": [1, 0]},
            doc! {"$toDouble": "x"},
            doc! {"$eq": [1]},
            doc! {"$strLenCP": "$s"},
            doc! {"x": "$$NOW"},
        ] {
            let text = expression.to_string();
            assert!(
                evaluate(&expression.into(), &Document::new()).is_err(),
                "{text}"
            );
        }
    }
}
