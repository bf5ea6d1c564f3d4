//! Query strings, decoded as browsers encode them and Java's server decodes them: percent signs, and plus for a blank.

use std::borrow::Cow;

/// All values of a parameter, in order.
pub(super) fn query_values<'a>(query: Option<&'a str>, name: &str) -> Vec<Cow<'a, str>> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value)
        .collect()
}

/// Java's `Boolean.parseBoolean` of the first value; a blank one is as good as none.
pub(super) fn query_flag(query: Option<&str>, name: &str, default: bool) -> bool {
    let values = query_values(query, name);
    let first = values.first().filter(|value| !value.trim().is_empty());
    first.map_or(default, |value| value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        for (query, expected) in [
            ("expand=status&expand=info", &["status", "info"][..]),
            ("expand=%73tatus", &["status"]),
            ("%65xpand=info&other=1", &["info"]),
            ("expand=a+b%2Bc", &["a b+c"]),
            ("expand&expand=", &["", ""]),
            ("expand=%zz%", &["%zz%"]),
            ("Expand=status", &[]),
        ] {
            assert_eq!(query_values(Some(query), "expand"), expected, "{query}");
        }
        assert!(query_values(None, "expand").is_empty());
    }

    #[test]
    fn the_first_flag_counts() {
        for (query, expected) in [
            (Some("onlyFailed=TRUE&onlyFailed=false"), true),
            (Some("onlyFailed=tr%75e"), true),
            (Some("onlyFailed=yes"), false),
            (Some("onlyFailed"), false),
            (None, false),
        ] {
            assert_eq!(
                query_flag(query, "onlyFailed", false),
                expected,
                "{query:?}"
            );
        }
        for blank in [None, Some("connectorsOnly="), Some("connectorsOnly=+")] {
            assert!(query_flag(blank, "connectorsOnly", true), "{blank:?}");
        }
    }
}
