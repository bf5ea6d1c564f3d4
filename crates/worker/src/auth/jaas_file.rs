//! A JAAS login configuration, as the JVM reads it from a file: which file holds the users of the REST API.

use std::iter::Peekable;
use std::str::Chars;

/// The section that Connect's extension asks for.
const SECTION: &str = "KafkaConnect";

const MODULE: &str = "PropertyFileLoginModule";

/// The file with the users. Errors never show the text.
pub(super) fn credentials_file(text: &str) -> Result<String, String> {
    let mut tokens = Tokens(text.chars().peekable());
    let mut found = None;
    while let Some(name) = tokens.next() {
        expect(&mut tokens, "{")?;
        let modules = modules(&mut tokens)?;
        if name == SECTION {
            found = Some(modules);
        }
    }
    let modules = found.ok_or_else(|| format!("there is no section {SECTION}"))?;
    let [module] = &*modules else {
        return Err(format!("the section {SECTION} must have one login module"));
    };
    let class = &module.class;
    if class.rsplit('.').next() != Some(MODULE) {
        return Err(format!(
            "the login module {class} is not known; there is {MODULE}"
        ));
    }
    let file = module.options.iter().find(|(key, _)| key == "file");
    let file = file.map(|(_, file)| file.clone());
    file.ok_or_else(|| format!("the login module {class} has no option file"))
}

struct Module {
    class: String,
    options: Vec<(String, String)>,
}

/// Up to the end of the section.
fn modules(tokens: &mut Tokens) -> Result<Vec<Module>, String> {
    let mut modules = Vec::new();
    loop {
        let class = tokens.next().ok_or("a section does not end")?;
        if class == "}" {
            expect(tokens, ";")?;
            return Ok(modules);
        }
        let flag = tokens.next().unwrap_or_default().to_lowercase();
        if !["required", "requisite", "sufficient", "optional"].contains(&&*flag) {
            return Err(format!("there is no flag such as required after {class}"));
        }
        let mut options = Vec::new();
        loop {
            let key = tokens.next().ok_or("a login module does not end")?;
            if key == ";" {
                break;
            }
            expect(tokens, "=")?;
            let value = tokens.next();
            options.push((key, value.ok_or("an option has no value")?));
        }
        modules.push(Module { class, options });
    }
}

fn expect(tokens: &mut Tokens, expected: &str) -> Result<(), String> {
    match tokens.next() {
        Some(token) if token == expected => Ok(()),
        _ => Err(format!("a {expected} is missing")),
    }
}

/// Words, quoted texts and single marks; comments are none.
struct Tokens<'a>(Peekable<Chars<'a>>);

impl Iterator for Tokens<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            while self.0.next_if(|c| c.is_whitespace()).is_some() {}
            if !self.skip_comment() {
                break;
            }
        }
        let first = self.0.next()?;
        if matches!(first, '{' | '}' | ';' | '=') {
            return Some(first.to_string());
        }
        let mut token = String::new();
        if first == '"' || first == '\'' {
            while let Some(c) = self.0.next().filter(|c| *c != first) {
                token.push(if c == '\\' { self.0.next()? } else { c });
            }
            return Some(token);
        }
        token.push(first);
        let is_more = |c: &char| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '=' | '"');
        while let Some(c) = self.0.next_if(is_more) {
            token.push(c);
        }
        Some(token)
    }
}

impl Tokens<'_> {
    fn skip_comment(&mut self) -> bool {
        let mut ahead = self.0.clone();
        if ahead.next() != Some('/') {
            return false;
        }
        match ahead.next() {
            Some('/') => {
                self.0 = ahead;
                while self.0.next_if(|c| *c != '\n').is_some() {}
                true
            }
            Some('*') => {
                self.0 = ahead;
                let mut last = ' ';
                for c in self.0.by_ref() {
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = credentials_file(text);
        match expected {
            Ok(file) => assert_eq!(found.as_deref(), Ok(file), "{text}"),
            Err(part) => {
                let error = found.expect_err(text);
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn reads_what_the_jvm_reads() {
        let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
        check(
            &format!("KafkaConnect {{\n  {module} required\n  file=\"/etc/users\";\n}};\n"),
            Ok("/etc/users"),
        );
        check(
            &format!(
                "// users\nOther {{ a.B optional; }};\n/* of\n * Connect */ KafkaConnect{{{module} REQUIRED debug=\"true\" file=/etc/users;}};"
            ),
            Ok("/etc/users"),
        );
        check("KafkaConnect { a.B required; };", Err("a.B is not known"));
        check("Other { a.B required; };", Err("no section KafkaConnect"));
        check(
            &format!("KafkaConnect {{ {module} required; }};"),
            Err("no option file"),
        );
        check(&format!("KafkaConnect {{ {module}; }};"), Err("flag"));
        for cut in [
            "KafkaConnect",
            "KafkaConnect {",
            "KafkaConnect { a.B required file",
        ] {
            check(cut, Err(""));
        }
    }

    proptest! {
        #[test]
        fn takes_any_file(text in ".*", marks in "[aK{};=\"'/* \n\\\\]{0,60}", file in "[a-z/.-]{1,20}") {
            let _ = credentials_file(&text);
            let _ = credentials_file(&marks);
            // What stands in a comment or in another section does not count.
            let module = format!("a.{MODULE} required file=\"{file}\";");
            let note = text.replace('/', "");
            let whole = format!("/*{note}*/ B {{ {module} }}; {SECTION} {{ {module} }};");
            prop_assert_eq!(credentials_file(&whole), Ok(file));
        }
    }
}
