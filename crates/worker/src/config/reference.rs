//! References in settings: `${provider:key}` and `${provider:path:key}`.

use regex::Regex;
use std::sync::LazyLock;

/// The groups are the provider, the path if there is one, and the key.
pub(super) static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}").expect("the pattern is valid")
});

/// Whether a text refers to a provider, known or not.
pub(crate) fn has_reference(text: &str) -> bool {
    text.contains("${") && REFERENCE.is_match(text)
}
