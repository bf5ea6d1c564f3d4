//! Field paths: one name, or names with dots between them and backticks around those that hold dots.

use super::require_map;
use millstream_core::{Map, RecordError, SchemaRef, SchemaType, Struct, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldPath(Vec<String>);

impl FieldPath {
    /// The whole text is one name.
    pub(super) fn single(name: &str) -> Self {
        FieldPath(vec![name.to_owned()])
    }

    /// A backtick is closed by one that a dot or the end follows; a backslash before it makes it a part of the name.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut at = 0;
        while at < path.len() {
            if !path[at..].starts_with('`') {
                match path[at..].find('.') {
                    Some(dot) => {
                        steps.push(path[at..at + dot].to_owned());
                        at += dot + 1;
                    }
                    None => {
                        steps.push(path[at..].to_owned());
                        break;
                    }
                }
                continue;
            }
            let open = at;
            let incomplete = || {
                let position = path[..open].encode_utf16().count();
                format!(
                    "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at \
                     position {position} to escape it"
                )
            };
            let mut name = String::new();
            let mut copied = open + 1;
            at = copied;
            loop {
                let close = at + path[at..].find('`').ok_or_else(incomplete)?;
                let escaped = path[..close].ends_with('\\');
                if close + 1 == path.len() {
                    if escaped {
                        return Err(incomplete());
                    }
                    name.push_str(&path[copied..close]);
                    at = close + 1;
                    break;
                }
                at = close + 1;
                if !path[at..].starts_with('.') {
                    continue;
                }
                if escaped {
                    name.push_str(&path[copied..close - 1]);
                    name.push('`');
                    copied = at;
                    continue;
                }
                name.push_str(&path[copied..close]);
                at += 1;
                break;
            }
            steps.push(name);
        }
        if path.ends_with('.') {
            steps.push(String::new());
        }
        Ok(FieldPath(steps))
    }

    /// The last name and those before it.
    fn split(&self) -> Result<(&str, &[String]), RecordError> {
        let (last, before) = self.0.split_last().ok_or_else(|| {
            RecordError::new(
                "java.lang.IndexOutOfBoundsException",
                "Index -1 out of bounds for length 0",
            )
        })?;
        Ok((last, before))
    }

    /// The schema of the field; `None` if there is no such field.
    pub(super) fn schema_in(&self, schema: &SchemaRef) -> Result<Option<SchemaRef>, RecordError> {
        self.split()?;
        let mut current = schema;
        for step in &self.0 {
            if current.kind != SchemaType::Struct {
                return Err(RecordError::data(
                    "Cannot look up fields on non-struct type",
                ));
            }
            match current.field_index(step) {
                Some(index) => current = &current.fields[index].schema,
                None => return Ok(None),
            }
        }
        Ok(Some(current.clone()))
    }

    /// The field's value in a struct that has it; null where something before it is.
    pub(super) fn value_in_struct(
        &self,
        record: &Struct,
        replace_null_with_default: bool,
    ) -> Value {
        let Some((last, before)) = self.0.split_last() else {
            return Value::Null;
        };
        let mut current = record;
        for step in before {
            match current.get(step) {
                Some(Value::Struct(inner)) => current = inner,
                _ => return Value::Null,
            }
        }
        let value = if replace_null_with_default {
            current.get(last)
        } else {
            current.get_without_default(last)
        };
        value.cloned().unwrap_or(Value::Null)
    }

    pub(super) fn value_in_map(&self, map: Map) -> Result<Value, RecordError> {
        let (last, before) = self.split()?;
        let mut current = map;
        for step in before {
            match current.remove(&Value::from(step.as_str())) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(inner) => current = require_map(inner, "nested field access")?,
            }
        }
        Ok(current.remove(&Value::from(last)).unwrap_or(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_paths_as_java_does() {
        let check = |path: &str, steps: &[&str]| {
            let steps = steps.iter().map(ToString::to_string).collect();
            assert_eq!(FieldPath::parse(path), Ok(FieldPath(steps)), "{path}");
        };
        check("a.b", &["a", "b"]);
        check("`a.b`.c", &["a.b", "c"]);
        check("a.", &["a", ""]);
        check("a.`w\\`.z`", &["a", "w`.z"]);
        check("``", &[""]);
        check("a.q`", &["a", "q`"]);
        check("", &[]);
        for path in ["`a", "a.`b", "`a\\`", "`a`b"] {
            assert!(FieldPath::parse(path).is_err(), "{path}");
        }
    }
}
