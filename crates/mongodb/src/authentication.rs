//! Sign-in by a class of the user's own, which only a Java worker can load. The original looks for it when a task starts; its
//! validation takes such settings for right, and tries no connection.

use millstream_core::Properties;

const ENABLE: &str = "mongo.custom.auth.mechanism.enable";
const CLASS: &str = "mongo.custom.auth.mechanism.providerClass";

/// Whether such a class is to sign in. As Java's `Boolean.parseBoolean`, without trimming.
pub(crate) fn is_custom(properties: &Properties) -> bool {
    let text = properties.get(ENABLE);
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Why no task can start with these settings, in the original's words.
pub(crate) fn refusal(properties: &Properties) -> Option<String> {
    let class = properties.get(CLASS).unwrap_or_default();
    is_custom(properties).then(|| match class {
        "" => format!("{CLASS} is required when {ENABLE} is set to true."),
        class => format!("Unable to find {class} on the classpath."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's own answers.
    #[test]
    fn report_c10_custom_authentication_is_refused_when_a_task_starts() {
        let required = "mongo.custom.auth.mechanism.providerClass is required when \
                        mongo.custom.auth.mechanism.enable is set to true.";
        for (enable, class, told) in [
            (Some("true"), None, Some(required)),
            (Some("TRUE"), Some(""), Some(required)),
            (
                Some("true"),
                Some("  "),
                Some("Unable to find    on the classpath."),
            ),
            (
                Some("true"),
                Some("x.Y"),
                Some("Unable to find x.Y on the classpath."),
            ),
            (Some(" true "), None, None),
            (Some("x"), None, None),
            (None, Some("x.Y"), None),
        ] {
            let settings = [(ENABLE, enable), (CLASS, class)];
            let settings = settings.into_iter();
            let settings = settings.filter_map(|(key, value)| Some((key, value?)));
            let properties = Properties::from_iter(settings);
            assert_eq!(
                refusal(&properties).as_deref(),
                told,
                "{enable:?} {class:?}"
            );
            assert_eq!(is_custom(&properties), told.is_some());
        }
    }
}
