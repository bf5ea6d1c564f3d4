//! Query strings.

/// All values of a query parameter, decoded as far as letters and digits need no decoding.
pub(super) fn query_values(query: Option<&str>, name: &str) -> Vec<String> {
    let pairs = query.unwrap_or_default().split('&');
    let pairs = pairs.filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// Java's `Boolean.parseBoolean` of the first value.
pub(super) fn query_flag(query: Option<&str>, name: &str, default: bool) -> bool {
    let values = query_values(query, name);
    let first = values.first();
    first.map_or(default, |value| value.eq_ignore_ascii_case("true"))
}
