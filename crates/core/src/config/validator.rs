//! Validators with Kafka's texts.

use super::Parsed;
use std::collections::HashSet;

/// A check on a parsed value; it also sees null, for a missing or unparsable one.
#[derive(Clone, Debug)]
pub enum Validator {
    AtLeast(i64),
    Between(i64, i64),
    OneOf(&'static [&'static str]),
    /// Kafka's check of an enumeration whose case does not matter.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Kafka's `NonEmptyString`: null passes.
    NonEmpty,
    /// Kafka's `ValidList`, whose texts name the key alone; null passes. No item may be empty.
    List {
        may_be_empty: bool,
        may_repeat: bool,
    },
    /// Takes the key's name and the value; the error is the whole message.
    Check(fn(&str, Option<&Parsed>) -> Result<(), String>),
}

/// Kafka's text for a null that is refused.
pub fn invalid_null(name: &str) -> String {
    invalid(name, None, "Value must be non-null")
}

/// Kafka's text for a refused value.
pub fn invalid(name: &str, value: Option<&Parsed>, why: &str) -> String {
    let shown = value.map_or_else(|| "null".to_owned(), Parsed::to_message);
    format!("Invalid value {shown} for configuration {name}: {why}")
}

impl Validator {
    pub fn check(&self, name: &str, value: Option<&Parsed>) -> Result<(), String> {
        let refuse = |why: String| Err(invalid(name, value, &why));
        match self {
            Validator::AtLeast(_) | Validator::Between(..) if value.is_none() => {
                Err(invalid_null(name))
            }
            Validator::AtLeast(low) | Validator::Between(low, _)
                if number(value).is_some_and(|v| v < *low) =>
            {
                refuse(format!("Value must be at least {low}"))
            }
            Validator::Between(_, high) if number(value).is_some_and(|v| v > *high) => {
                refuse(format!("Value must be no more than {high}"))
            }
            Validator::OneOf(allowed) => match value {
                Some(Parsed::String(text)) if allowed.contains(&text.as_str()) => Ok(()),
                _ => refuse(format!("String must be one of: {}", allowed.join(", "))),
            },
            Validator::OneOfIgnoringCase(allowed) => match value {
                Some(Parsed::String(text))
                    if allowed.iter().any(|known| known.eq_ignore_ascii_case(text)) =>
                {
                    Ok(())
                }
                _ => refuse(format!(
                    "String must be one of (case insensitive): {}",
                    allowed.join(", ")
                )),
            },
            Validator::NonEmpty => match value {
                Some(Parsed::String(text)) if text.is_empty() => {
                    refuse("String must be non-empty".to_owned())
                }
                _ => Ok(()),
            },
            Validator::List {
                may_be_empty,
                may_repeat,
            } => match value {
                Some(Parsed::List(items)) => check_list(name, items, *may_be_empty, *may_repeat),
                _ => Ok(()),
            },
            Validator::AtLeast(_) | Validator::Between(..) => Ok(()),
            Validator::Check(check) => check(name, value),
        }
    }
}

fn check_list(
    name: &str,
    items: &[String],
    may_be_empty: bool,
    may_repeat: bool,
) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(items.len());
    if items.is_empty() && !may_be_empty {
        return Err(format!(
            "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        ));
    }
    if !may_repeat && !items.iter().all(|item| seen.insert(item)) {
        return Err(format!(
            "Configuration '{name}' values must not be duplicated."
        ));
    }
    if items.iter().any(String::is_empty) {
        return Err(format!("Configuration '{name}' values must not be empty."));
    }
    Ok(())
}

fn number(value: Option<&Parsed>) -> Option<i64> {
    match value {
        Some(Parsed::Int(v)) => Some(*v),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_an_enumeration_may_not_matter() {
        let check = |text: &str| {
            let value = Parsed::String(text.to_owned());
            Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"]).check("k", Some(&value))
        };
        assert_eq!(check("Numeric"), Ok(()));
        assert_eq!(
            check("TRUE").as_ref().map_err(String::as_str),
            Err(
                "Invalid value TRUE for configuration k: String must be one of (case insensitive): NUMERIC, BASE64"
            )
        );
    }
}
