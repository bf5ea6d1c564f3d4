//! The order of Java's hash maps, where answers show it.

use millstream_core::{Map, Properties, Text, Value};

/// `{a=1, b=null}`, in the order of Java's hash table. Values are shown: the caller knows that they hold no secrets
/// that the client did not send itself.
pub(super) fn print(properties: &Properties) -> String {
    let text = |text: &str| Value::String(Text::from(text));
    let pairs = properties.entries();
    let pairs = pairs.map(|(k, v)| (text(k), v.map_or(Value::Null, text)));
    // Java copies the map once, which sizes the table for what is in it.
    let map = Map::linked(pairs).copied_from();
    let pairs = map.iter().map(|(key, value)| format!("{key}={value}"));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// The numbers of names in the order of a hash map that they were put into.
pub(super) fn order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let pairs = names.enumerate().map(|(number, name)| {
        let name = Value::String(Text::from(name));
        (name, Value::Int64(number as i64))
    });
    let map = Map::hashed(pairs);
    let numbers = map.iter().filter_map(|(_, number)| match number {
        Value::Int64(number) => usize::try_from(*number).ok(),
        _ => None,
    });
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_java_s_order() {
        let properties = Properties::from_iter([("topics", "t"), ("name", "a")]);
        assert_eq!(print(&properties), "{name=a, topics=t}");
        assert_eq!(print(&Properties::new()), "{}");
    }
}
