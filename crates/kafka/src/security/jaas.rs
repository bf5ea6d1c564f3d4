//! The text of `sasl.jaas.config`: a login module, a flag and options in quotes.

use std::collections::BTreeMap;

/// The options; the module's name says nothing that `sasl.mechanism` does not.
pub(super) struct Jaas(BTreeMap<String, String>);

impl Jaas {
    /// Errors never show the text: it holds the password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let malformed = |what: &str| Err(format!("sasl.jaas.config {what}"));
        let Some(text) = text.trim().strip_suffix(';') else {
            return malformed("does not end with a semicolon");
        };
        let mut words = Words(text.chars().peekable());
        let (Some(_), Some(flag)) = (words.next(), words.next()) else {
            return malformed("does not begin with a login module and `required`");
        };
        let flags = ["required", "requisite", "sufficient", "optional"];
        if !flags.contains(&flag.to_lowercase().as_str()) {
            return malformed("has no flag such as `required` after the login module");
        }
        let mut options = BTreeMap::new();
        while let Some(key) = words.next() {
            let (Some(equals), Some(value)) = (words.next(), words.next()) else {
                return malformed(&format!("has an option {key} without a value"));
            };
            if equals != "=" {
                return malformed(&format!("has no = after the option {key}"));
            }
            options.insert(key, value);
        }
        Ok(Jaas(options))
    }

    pub(super) fn option(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// Words, quoted texts and equals signs.
struct Words<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
        let first = *self.0.peek()?;
        let mut word = String::new();
        match first {
            '=' => {
                self.0.next();
                word.push('=');
            }
            '"' | '\'' => {
                self.0.next();
                while let Some(c) = self.0.next().filter(|c| *c != first) {
                    word.push(if c == '\\' { self.escaped()? } else { c });
                }
            }
            _ => {
                while let Some(c) = self.0.next_if(|c| !c.is_whitespace() && *c != '=') {
                    word.push(c);
                }
            }
        }
        Some(word)
    }
}

impl Words<'_> {
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

    #[test]
    fn reads_what_java_clients_write() {
        let text = r#" org.apache.kafka.common.security.scram.ScramLoginModule required
            username="alice" password="a\"b=c;d" tokenauth=true ; "#;
        let jaas = Jaas::parse(text).expect("well formed");
        assert_eq!(jaas.option("username"), Some("alice"));
        assert_eq!(jaas.option("password"), Some("a\"b=c;d"));
        assert_eq!(jaas.option("tokenauth"), Some("true"));
        let escapes = Jaas::parse(r#"M required password='tab\t \101\1012 \\ \q';"#);
        let escapes = escapes.expect("well formed");
        assert_eq!(escapes.option("password"), Some("tab\t AA2 \\ q"));
        for bad in [
            "M required a=\"b\"",
            "M;",
            "M maybe a=b;",
            "M required a;",
            "M required a b c;",
        ] {
            assert!(Jaas::parse(bad).is_err(), "{bad}");
        }
    }
}
