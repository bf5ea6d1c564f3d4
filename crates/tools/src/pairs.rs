//! `key=value` as flags give it.

use crate::UsageError;

/// Each text apart at its first equals sign, blanks around both halves gone.
///
/// # Errors
/// If one has no sign or no key. Its text is not told: it may hold a password.
pub fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>, UsageError> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=')?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), value.trim().to_owned()))
    };
    let read = |text| {
        pair(text).ok_or_else(|| {
            UsageError::new(format!(
                "{flag}: write key=value, such as {flag} retention.ms=86400000"
            ))
        })
    };
    texts.iter().map(read).collect()
}

/// As `pairs`, with blanks kept: a separator may be one.
///
/// # Errors
/// As `pairs`.
pub fn exact_pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>, UsageError> {
    let read = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err(UsageError::new(format!(
            "{flag}: write key=value, such as {flag} print.key=true"
        ))),
    };
    texts.iter().map(read).collect()
}

/// Java's way to read a boolean property.
pub fn is_true(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pair_is_apart_at_its_first_sign() {
        let read = |text: &str| pairs("--config", &[text.to_owned()]);
        let pair = |key: &str, value: &str| Ok(vec![(key.to_owned(), value.to_owned())]);
        assert_eq!(read("a=b=c"), pair("a", "b=c"));
        assert_eq!(read(" a = b "), pair("a", "b"));
        assert_eq!(read("a="), pair("a", ""));
        for wrong in ["", "a", "=b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let exact = exact_pairs("--property", &["key.separator= ".to_owned()]);
        assert_eq!(exact, pair("key.separator", " "));
        assert!(is_true(" TRUE ") && !is_true("yes"));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in ".*") {
            let _ = pairs("--config", std::slice::from_ref(&text));
            if let Ok(read) = exact_pairs("--property", std::slice::from_ref(&text)) {
                prop_assert_eq!(format!("{}={}", read[0].0, read[0].1), text);
            }
        }
    }
}
