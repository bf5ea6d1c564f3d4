//! SourceMap: a partition of a source, or an offset in it: names with plain values, as a connector chooses them.

use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Names with values, in the order in which they are written. Two are equal if they hold the same, in whatever order, and
/// as they are read back: all integers are 64 bits wide, bytes are base64 text.
#[derive(Clone, Debug, Default)]
pub struct SourceMap(Vec<(String, Plain)>);

/// What an offset may hold: Connect takes primitive types alone.
#[derive(Clone, Debug)]
pub enum Plain {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl SourceMap {
    pub fn new() -> Self {
        SourceMap::default()
    }

    /// Sets a value; a known name keeps its place.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Plain>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Plain> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Plain)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Plain>> FromIterator<(N, V)> for SourceMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = SourceMap::new();
        for (name, value) in pairs {
            map.set(name, value);
        }
        map
    }
}

impl PartialEq for SourceMap {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for SourceMap {}

impl Hash for SourceMap {
    /// By the names alone, whose order does not count.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.iter().flat_map(|(name, _)| name.bytes());
        let sum = bytes.fold(0u64, |sum, byte| sum.wrapping_add(u64::from(byte)));
        state.write_u64(sum);
        state.write_usize(self.len());
    }
}

impl Plain {
    /// The value as Connect's data model has it.
    pub fn to_value(&self) -> Value {
        match self {
            Plain::Null => Value::Null,
            Plain::Boolean(v) => Value::Boolean(*v),
            Plain::Integer(v) => Value::Int64(*v),
            Plain::Float(v) => Value::Float64(*v),
            Plain::Text(v) => Value::from(v.as_str()),
        }
    }

    /// A value of a record as an offset holds it.
    ///
    /// # Errors
    /// What Java calls the type of a value that is none of a primitive type.
    pub fn from_value(value: &Value) -> Result<Self, &'static str> {
        Ok(match value {
            Value::Null => Plain::Null,
            Value::Boolean(v) => Plain::Boolean(*v),
            Value::Int8(v) => Plain::Integer((*v).into()),
            Value::Int16(v) => Plain::Integer((*v).into()),
            Value::Int32(v) => Plain::Integer((*v).into()),
            Value::Int64(v) => Plain::Integer(*v),
            // It is written with as many digits as tell it from its neighbours, and read back by these.
            Value::Float32(v) => Plain::Float(v.to_string().parse().unwrap_or((*v).into())),
            Value::Float64(v) => Plain::Float(*v),
            Value::String(v) => Plain::Text(v.to_java_utf8().into_owned()),
            Value::Bytes(v) => Plain::Text(STANDARD.encode(v)),
            other => return Err(other.java_class()),
        })
    }
}

impl PartialEq for Plain {
    /// Floats are equal if they are the same bits, as Java's `Double.equals` has it.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Plain::Null, Plain::Null) => true,
            (Plain::Boolean(a), Plain::Boolean(b)) => a == b,
            (Plain::Integer(a), Plain::Integer(b)) => a == b,
            (Plain::Float(a), Plain::Float(b)) => a.to_bits() == b.to_bits(),
            (Plain::Text(a), Plain::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Plain {}

impl From<bool> for Plain {
    fn from(value: bool) -> Self {
        Plain::Boolean(value)
    }
}

impl From<i64> for Plain {
    fn from(value: i64) -> Self {
        Plain::Integer(value)
    }
}

impl From<f64> for Plain {
    fn from(value: f64) -> Self {
        Plain::Float(value)
    }
}

impl From<&str> for Plain {
    fn from(value: &str) -> Self {
        Plain::Text(value.to_owned())
    }
}

impl From<String> for Plain {
    fn from(value: String) -> Self {
        Plain::Text(value)
    }
}

/// As Java prints a map: `{filename=/data/in}`.
impl fmt::Display for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.0.iter().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            write!(f, "{separator}{name}={value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::Null => f.write_str("null"),
            Plain::Boolean(v) => write!(f, "{v}"),
            Plain::Integer(v) => write!(f, "{v}"),
            Plain::Float(v) => write!(f, "{v}"),
            Plain::Text(v) => f.write_str(v),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn equal_is_what_is_read_back_as_the_same() {
        let map = |pairs: &[(&str, Plain)]| pairs.iter().cloned().collect::<SourceMap>();
        let server = || Plain::from("s");
        let one = map(&[("server", server()), ("id", Plain::Integer(1))]);
        let same = map(&[
            ("id", Plain::from_value(&Value::Int32(1)).unwrap()),
            ("server", server()),
        ]);
        let other = map(&[("server", server()), ("id", Plain::Float(1.0))]);
        let known = HashSet::from([one.clone()]);
        assert!(known.contains(&same) && !known.contains(&other));
        assert_ne!(one, map(&[("server", server())]));
        assert_eq!(one.to_string(), "{server=s, id=1}");
        assert_eq!(
            Plain::from_value(&Value::Float32(0.1)),
            Ok(Plain::Float(0.1))
        );
        assert_eq!(
            Plain::from_value(&Value::Array(Vec::new())),
            Err("java.util.ArrayList")
        );
    }
}
