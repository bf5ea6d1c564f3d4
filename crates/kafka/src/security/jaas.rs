//! The text of `sasl.jaas.config`: a login module, a flag and options in quotes.

use std::collections::BTreeMap;

/// What the text says. It holds secrets, so that nothing here prints it.
pub(super) struct Jaas {
    module: String,
    options: BTreeMap<String, String>,
}

impl Jaas {
    /// Errors never show the text: it holds the password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let malformed = |what: &str| Err(format!("sasl.jaas.config {what}"));
        let mut words = Words(text.chars().peekable());
        let (Some(Word::Text(module)), Some(Word::Text(flag))) = (words.next()?, words.next()?)
        else {
            return malformed("does not begin with a login module and `required`");
        };
        let flags = ["required", "requisite", "sufficient", "optional"];
        if !flags.contains(&flag.to_lowercase().as_str()) {
            return malformed("has no flag such as `required` after the login module");
        }
        let mut options = BTreeMap::new();
        loop {
            let key = match words.next()? {
                Some(Word::Text(key)) => key,
                Some(Word::End) => break,
                Some(Word::Equals) => return malformed("has a = without an option before it"),
                None => return malformed("does not end with a semicolon"),
            };
            let (equals, value) = (words.next()?, words.next()?);
            match (equals, value) {
                (Some(Word::Equals), Some(Word::Text(value))) => options.insert(key, value),
                (Some(Word::Text(_)), _) => {
                    return malformed(&format!("has no = after the option {key}"));
                }
                _ => return malformed(&format!("has an option {key} without a value")),
            };
        }
        if words.next()?.is_some() {
            return malformed("has more than one login module; one is taken");
        }
        Ok(Jaas { module, options })
    }

    /// The class of the login module.
    pub(super) fn module(&self) -> &str {
        &self.module
    }

    pub(super) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    pub(super) fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What to say of an option that nobody knows.
    pub(super) fn unknown(&self, key: &str, known: &str) -> String {
        format!(
            "sasl.jaas.config: unknown option {key} of {}; there are {known}",
            self.module
        )
    }
}

enum Word {
    Text(String),
    Equals,
    End,
}

/// Words, quoted texts, equals signs and the semicolon at the end.
struct Words<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Words<'_> {
    fn next(&mut self) -> Result<Option<Word>, String> {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(first) = self.0.peek().copied() else {
            return Ok(None);
        };
        let mut word = String::new();
        match first {
            '=' | ';' => {
                self.0.next();
                return Ok(Some(if first == '=' {
                    Word::Equals
                } else {
                    Word::End
                }));
            }
            '"' | '\'' => {
                self.0.next();
                loop {
                    match self.0.next() {
                        Some(c) if c == first => break,
                        Some('\\') => word.extend(self.escaped()),
                        Some(c) => word.push(c),
                        None => {
                            return Err(
                                "sasl.jaas.config has a quote that is not closed".to_owned()
                            );
                        }
                    }
                }
            }
            _ => {
                let is_inside = |c: &char| !c.is_whitespace() && *c != '=' && *c != ';';
                while let Some(c) = self.0.next_if(is_inside) {
                    word.push(c);
                }
            }
        }
        Ok(Some(Word::Text(word)))
    }

    /// The character that a backslash and what follows it stand for in Java's tokenizer.
    fn escaped(&mut self) -> Option<char> {
        let c = self.0.next()?;
        let Some(first) = c.to_digit(8) else {
            return Some(match c {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                c => c,
            });
        };
        let mut code = first;
        // Octal, up to \377.
        for _ in 0..if first <= 3 { 2 } else { 1 } {
            let Some(digit) = self.0.next_if(|c| c.is_digit(8)) else {
                break;
            };
            code = code * 8 + digit.to_digit(8)?;
        }
        char::from_u32(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_java_clients_write() {
        let text = r#" org.apache.kafka.common.security.scram.ScramLoginModule required
            username="alice" password="a\"b=c;d" tokenauth=true ; "#;
        let jaas = Jaas::parse(text).expect("well formed");
        assert!(jaas.module().ends_with(".ScramLoginModule"));
        assert_eq!(jaas.option("username"), Some("alice"));
        assert_eq!(jaas.option("password"), Some("a\"b=c;d"));
        assert_eq!(jaas.option("tokenauth"), Some("true"));
        let escapes = Jaas::parse(r#"M required password='tab\t \101\1012 \\ \q';"#);
        let escapes = escapes.expect("well formed");
        assert_eq!(escapes.option("password"), Some("tab\t AA2 \\ q"));
        assert!(Jaas::parse("M required;").is_ok());
        for bad in [
            "M required a=\"b\"",
            "M required a=\"b;",
            "M required =b;",
            "M required a=b; N required c=d;",
            "M;",
            "M maybe a=b;",
            "M required a;",
            "M required a b c;",
            "",
        ] {
            assert!(Jaas::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "[a-z \"'\\\\=;0-9\n\u{e9}]{0,60}") {
            let _ = Jaas::parse(&text);
            let _ = Jaas::parse(&format!("M required {text};"));
        }

        #[test]
        fn quoted_values_come_back(values in proptest::collection::vec("\\PC{0,20}", 0..5)) {
            let mut text = "M required".to_owned();
            for (i, value) in values.iter().enumerate() {
                let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
                text.push_str(&format!(" k{i}=\"{quoted}\""));
            }
            text.push(';');
            let jaas = Jaas::parse(&text).expect("well formed");
            for (i, value) in values.iter().enumerate() {
                prop_assert_eq!(jaas.option(&format!("k{i}")), Some(value.as_str()));
            }
        }
    }
}
