//! Java's regular expressions, in terms of `fancy-regex`. What cannot be expressed is refused by name;
//! common mistakes get the text of Java's `PatternSyntaxException`.

mod replacement;
mod translate;

use millstream_core::config::Parsed;
use millstream_core::config::validator::invalid;
use std::fmt;

/// A compiled pattern.
pub struct JavaRegex {
    pattern: String,
    /// Matches the whole input only.
    whole: fancy_regex::Regex,
    search: fancy_regex::Regex,
}

/// Why a match could not be decided or a replacement not be made: Java's exception class and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexFailure {
    pub class: &'static str,
    pub message: String,
}

impl JavaRegex {
    /// # Errors
    /// Java's message, or a sentence that names what is not supported.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let translated = translate::translate(pattern)?;
        let build = |text: &str| {
            fancy_regex::Regex::new(text)
                .map_err(|error| format!("the pattern {pattern} is not supported: {error}"))
        };
        Ok(JavaRegex {
            whole: build(&format!("\\A(?:{translated})\\z"))?,
            search: build(&translated)?,
            pattern: pattern.to_owned(),
        })
    }

    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Java's `matches`.
    pub fn is_full_match(&self, text: &str) -> Result<bool, RegexFailure> {
        self.whole.is_match(text).map_err(undecided)
    }

    /// Java's `replaceFirst`, with its replacement syntax.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String, RegexFailure> {
        match self.search.captures(text).map_err(undecided)? {
            None => Ok(text.to_owned()),
            Some(found) => replacement::replace(&self.search, &found, text, replacement),
        }
    }
}

fn undecided(_: fancy_regex::Error) -> RegexFailure {
    RegexFailure {
        class: "java.lang.StackOverflowError",
        message: "the pattern backtracks too much on this text".to_owned(),
    }
}

impl fmt::Debug for JavaRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JavaRegex({})", self.pattern)
    }
}

/// Kafka's check of a key that holds a pattern; the signature is that of `Validator::Check`.
pub fn check_pattern(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let refused = |why: &str| Err(invalid(name, value, &format!("Invalid regex: {why}")));
    match value {
        Some(Parsed::String(pattern)) => match JavaRegex::compile(pattern) {
            Ok(_) => Ok(()),
            Err(why) => refused(&why),
        },
        _ => refused("Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(pattern: &str, text: &str) -> bool {
        JavaRegex::compile(pattern)
            .unwrap()
            .is_full_match(text)
            .unwrap()
    }

    #[test]
    fn matches_whole_texts_as_java_does() {
        for (pattern, text, expected) in [
            ("t", "test", false),
            ("a|ab", "ab", true),
            ("te(?=st).*", "test", true),
            (".*(?<=st)", "test", true),
            ("(t).*\\1", "test", true),
            ("(?<x>t).*\\k<x>", "test", true),
            (".*+t", "test", false),
            ("(?>t|te)st", "test", false),
            ("\\Qa.b\\E", "a.b", true),
            ("\\Qa.b", "axb", false),
            ("[a-z&&[^t]]+", "abc", true),
            ("[a-z&&[^t]]+", "test", false),
            ("\\d+", "\u{663}", false),
            ("\\p{Lu}\\p{L}*", "Ärger", true),
            ("\\p{Alpha}+", "abc", true),
            ("(?x) te st # c", "test", true),
            ("test$", "test\n", false),
            (".", "\n", false),
            ("(?i)TEST", "test", true),
            ("\\u0074est", "test", true),
            ("[\\w.-]+", "a-b_c.1", true),
            ("\\x41\\t", "A\t", true),
            ("[^\\d]", "x", true),
            ("a{2,3}", "aaa", true),
            ("a*^b", "b", true),
            ("(a(?i)b)c", "aBC", false),
        ] {
            assert_eq!(full(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn replaces_as_java_does() {
        let check = |pattern: &str, text: &str, replacement: &str, expected: Result<&str, &str>| {
            let regex = JavaRegex::compile(pattern).unwrap();
            let replaced = regex.replace_first(text, replacement);
            let replaced = replaced
                .as_deref()
                .map_err(|failure| failure.message.as_str());
            assert_eq!(replaced, expected, "{pattern} {replacement}");
        };
        check("(.*)t", "test", "$1X-$0", Ok("tesX-test"));
        check("a|ab", "ab", "X", Ok("Xb"));
        check(".*?", "test", "X", Ok("Xtest"));
        check("(a)b", "ab", "$12", Ok("a2"));
        check("(a)?b", "b", "[$1]", Ok("[]"));
        check(
            "(?<n>[a-z]+)-(?<d>\\d+)",
            "abc-42",
            "${d}_${n}",
            Ok("42_abc"),
        );
        check(".*", "test", "\\$1\\\\", Ok("$1\\"));
        check("(.*)", "test", "$2", Err("No group 2"));
        check("(.*)", "test", "${zz}", Err("No group with name {zz}"));
        check(
            "(.*)",
            "test",
            "$",
            Err("Illegal group reference: group index is missing"),
        );
        check("(.*)", "test", "$x", Err("Illegal group reference"));
        check(
            "(.*)",
            "test",
            "${n",
            Err("named capturing group is missing trailing '}'"),
        );
        check(
            "(.*)",
            "test",
            "\\",
            Err("character to be escaped is missing"),
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |pattern: &str, message: &str| {
            assert_eq!(JavaRegex::compile(pattern).unwrap_err(), message);
        };
        check("(", "Unclosed group near index 1\n(");
        check("a(", "Unclosed group near index 2\na(");
        check("*a", "Dangling meta character '*' near index 0\n*a\n^");
        check("[a", "Unclosed character class near index 1\n[a\n ^");
        check(")", "Unmatched closing ')'\n)");
        check("a)b", "Unmatched closing ')' near index 0\na)b\n^");
        check(
            "(?<n>a)(?<n>b)",
            "Named capturing group <n> is already defined near index 11\n(?<n>a)(?<n>b)\n           ^",
        );
        check("\\Gx", "the boundary \\G is not supported");
        check("a{2}+", "the possessive quantifier {2}+ is not supported");
        check(
            "\\p{InGreek}",
            "the character class \\p{InGreek} is not supported",
        );
    }
}
