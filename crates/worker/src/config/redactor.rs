//! Redactor: whatever is said about a configuration shows its references, never what they stand for.
//! A reference may stand for a secret, whoever repeats it: a validator, a start that failed, a server's answer.

use super::reference::has_reference;
use millstream_core::config::{Parsed, java_trim, list_items};
use millstream_core::{ConfigValue, Properties};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Shorter values, and those that are numbers or words of every other message, tell nothing away from their key.
const TELLING: usize = 4;

/// Values of earlier configurations that are looked for in every line of the log.
const REMEMBERED: usize = 1024;

const PLAIN_WORDS: [&str; 6] = ["true", "false", "none", "null", "all", "default"];

/// What the references of one configuration stand for. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Redactor(Arc<Values>);

#[derive(Default)]
struct Values {
    /// By key, as it was written.
    raw: HashMap<String, String>,
    /// A value, and what is shown for it; the longest first, so that no piece of a longer one is left.
    shown: Vec<(String, String)>,
}

/// Values are what must not print.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.raw.keys()).finish()
    }
}

impl Redactor {
    /// `found`: what single references stand for, with the text of the reference.
    pub(super) fn new(
        raw: &Properties,
        resolved: &Properties,
        found: Vec<(String, String)>,
    ) -> Self {
        let (mut written_by_key, mut shown) = (HashMap::new(), Vec::new());
        for (key, written) in raw.iter().filter(|(_, value)| has_reference(value)) {
            let value = resolved.get(key).unwrap_or_default();
            if value == written {
                continue;
            }
            written_by_key.insert(key.to_owned(), written.to_owned());
            let items: Vec<&str> = list_items(value).collect();
            let list = items.join(", ");
            let forms = [value, java_trim(value), &list];
            let forms = forms.into_iter().chain(items.iter().copied());
            shown.extend(forms.map(|form| (form.to_owned(), written.to_owned())));
        }
        // Of equal values the first counts: the whole setting is shown, not the piece.
        shown.extend(found);
        Redactor::of(written_by_key, shown)
    }

    /// Hides what either of the two hides.
    pub(crate) fn with(&self, other: &Redactor) -> Redactor {
        if other.0.shown.is_empty() || self.0.shown == other.0.shown {
            return self.clone();
        }
        let mut raw = self.0.raw.clone();
        raw.extend(other.0.raw.clone());
        let mut shown = self.0.shown.clone();
        shown.extend(other.0.shown.iter().cloned());
        Redactor::of(raw, shown)
    }

    pub(super) fn hides_anything(&self) -> bool {
        !self.0.shown.is_empty()
    }

    /// Hides what both hide, and forgets the older ones when they are too many.
    pub(super) fn remembering(&self, newer: &Redactor) -> Redactor {
        let is_known = newer.0.shown.iter().all(|pair| self.0.shown.contains(pair));
        if is_known {
            return self.clone();
        }
        if self.0.shown.len() > REMEMBERED {
            return newer.clone();
        }
        newer.with(self)
    }

    fn of(raw: HashMap<String, String>, mut shown: Vec<(String, String)>) -> Self {
        let mut known = HashSet::new();
        shown.retain(|(value, _)| !value.is_empty() && known.insert(value.clone()));
        shown.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Redactor(Arc::new(Values { raw, shown }))
    }

    /// A text about the configuration that names no key.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, shown) in &self.0.shown {
            // Of a refused value nothing may stand, however short it is.
            let refused = |value: &str| format!("Invalid value {value} for configuration ");
            if text.contains(&refused(value)) {
                text = text.replace(&refused(value), &refused(shown));
                text = replace_quoted_pieces(&text, value, shown);
            }
            if is_telling(value) {
                text = replace_words(&text, value, shown);
            }
        }
        text
    }

    /// A text about a single setting that is refused, which may be a number or any other word.
    pub(crate) fn refusal(&self, text: &str) -> String {
        let shown = self.0.shown.iter();
        shown.fold(text.to_owned(), |text, (value, shown)| {
            replace_words(&text, value, shown)
        })
    }

    /// What validation found for a key: its own value and its errors.
    pub(crate) fn value(&self, value: &mut ConfigValue) {
        if self.0.shown.is_empty() {
            return;
        }
        let written = self.0.raw.get(&value.name);
        for error in &mut value.errors {
            if let (Some(written), Some(parsed)) = (written, &value.value) {
                for form in [parsed.to_message(), parsed.to_text()] {
                    *error = replace_words(error, &form, written);
                }
            }
            for (hidden, shown) in &self.0.shown {
                if written == Some(shown) || !is_plain(hidden) {
                    *error = replace_words(error, hidden, shown);
                }
                if written == Some(shown) {
                    *error = replace_quoted_pieces(error, hidden, shown);
                }
            }
        }
        if let Some(written) = written
            && !matches!(value.value, None | Some(Parsed::Password(_)))
        {
            value.value = Some(Parsed::String(written.clone()));
        }
    }
}

fn is_plain(value: &str) -> bool {
    let is_number = value
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    is_number || PLAIN_WORDS.contains(&&*value.to_ascii_lowercase())
}

fn is_telling(value: &str) -> bool {
    value.len() >= TELLING && !is_plain(value)
}

/// Some messages quote the piece of a value that they stumbled over.
fn replace_quoted_pieces(text: &str, value: &str, shown: &str) -> String {
    let pieces: Vec<&str> = text.split('"').collect();
    let last = pieces.len() - 1;
    let replaced = pieces.iter().enumerate().map(|(at, piece)| {
        // What stands between two marks is every other piece.
        let is_quoted = at % 2 == 1 && at < last && !piece.is_empty();
        if is_quoted && value.contains(*piece) {
            shown
        } else {
            *piece
        }
    });
    replaced.collect::<Vec<_>>().join("\"")
}

/// Replaces a value where it stands alone: `t` is no part of `topic`.
fn replace_words(text: &str, value: &str, shown: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    // A boundary matters only where the value itself ends with a letter or digit.
    let (opens, closes) = (value.starts_with(is_word), value.ends_with(is_word));
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(at) = rest.find(value).filter(|_| !value.is_empty()) {
        let (head, tail) = (&rest[..at], &rest[at + value.len()..]);
        let previous = head.chars().next_back().or(before);
        let is_part =
            (opens && previous.is_some_and(is_word)) || (closes && tail.starts_with(is_word));
        replaced.push_str(head);
        replaced.push_str(if is_part { value } else { shown });
        before = value.chars().next_back();
        rest = tail;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(pairs: &[(&str, &str, &str)]) -> Redactor {
        let raw = Properties::from_iter(pairs.iter().map(|(key, raw, _)| (*key, *raw)));
        let resolved = Properties::from_iter(pairs.iter().map(|(key, _, value)| (*key, *value)));
        Redactor::new(&raw, &resolved, Vec::new())
    }

    #[test]
    fn report_c8_texts_show_references() {
        let of = redactor(&[
            ("flush.size", "${env:N}", "7"),
            ("s3.bucket.name", "${env:B}", "hunter2"),
            ("topics", "${env:T}", "orders, bills"),
            ("plain", "hunter3", "hunter3"),
        ]);
        for (text, shown) in [
            (
                "Invalid value 7 for configuration flush.size: Value must be at least 17",
                "Invalid value ${env:N} for configuration flush.size: Value must be at least 17",
            ),
            ("no bucket `hunter2`", "no bucket `${env:B}`"),
            ("no bucket hunter2x", "no bucket hunter2x"),
            ("topics=[orders, bills]", "topics=[${env:T}]"),
            ("topic bills-0", "topic ${env:T}-0"),
            ("offset 7 of hunter3", "offset 7 of hunter3"),
        ] {
            assert_eq!(of.text(text), shown);
        }
    }

    #[test]
    fn report_c8_the_log_hides_what_any_connector_refers_to() {
        let first = redactor(&[("a", "${env:X}", "hunter2")]);
        let second = redactor(&[("a", "${env:Y}", "hunter3")]);
        let both = Redactor::default().remembering(&first).remembering(&second);
        assert_eq!(both.text("hunter2 hunter3 t"), "${env:X} ${env:Y} t");
        assert!(!Redactor::default().hides_anything() && both.hides_anything());
    }

    #[test]
    fn report_c8_quoted_pieces_of_a_refused_value_are_hidden_too() {
        let of = redactor(&[("timezone", "${env:Z}", "-31337")]);
        assert_eq!(
            of.text("Invalid value -31337 for configuration timezone: \"-31337\" is malformed at \"337\""),
            "Invalid value ${env:Z} for configuration timezone: \"${env:Z}\" is malformed at \"${env:Z}\""
        );
        assert_eq!(replace_quoted_pieces("a \"b\" c", "xyz", "r"), "a \"b\" c");
        assert_eq!(
            of.refusal("matches -31337, there are"),
            "matches ${env:Z}, there are"
        );
    }

    #[test]
    fn debug_shows_keys_alone() {
        let of = redactor(&[("a", "${env:X}", "hunter2")]);
        assert!(!format!("{of:?}").contains("hunter2"));
    }
}
