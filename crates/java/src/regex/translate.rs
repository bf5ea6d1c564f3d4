//! From Java's syntax to that of `fancy-regex`, whose classes are Unicode's where Java's are ASCII, and whose dot
//! takes line ends that Java's does not.

use std::fmt::Write;

/// The translated pattern, or why there is none.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        pattern,
        chars: pattern.char_indices().collect(),
        at: 0,
        out: String::with_capacity(pattern.len() * 2),
        depth: 0,
        names: Vec::new(),
        repeatable: false,
        dot_all: pattern.contains("(?s"),
        comments: pattern.contains("(?x"),
    };
    translator.run()?;
    Ok(translator.out)
}

struct Translator<'a> {
    pattern: &'a str,
    chars: Vec<(usize, char)>,
    at: usize,
    out: String,
    /// Open groups.
    depth: usize,
    /// Of the groups so far.
    names: Vec<String>,
    /// Whether a quantifier may follow.
    repeatable: bool,
    dot_all: bool,
    comments: bool,
}

impl Translator<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn rest(&self) -> &str {
        let start = self
            .chars
            .get(self.at)
            .map_or(self.pattern.len(), |(at, _)| *at);
        &self.pattern[start..]
    }

    /// Java's `PatternSyntaxException`.
    fn error<T>(&self, what: &str, index: isize) -> Result<T, String> {
        let mut message = what.to_owned();
        if index >= 0 {
            message += &format!(" near index {index}");
        }
        message += &format!("\n{}", self.pattern);
        if index >= 0 && (index as usize) < self.chars.len() {
            message += &format!("\n{}^", " ".repeat(index as usize));
        }
        Err(message)
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what} is not supported"))
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => {
                    self.class()?;
                    self.repeatable = true;
                }
                '(' => self.group()?,
                ')' => {
                    if self.depth == 0 {
                        return self.error("Unmatched closing ')'", self.at as isize - 2);
                    }
                    self.depth -= 1;
                    self.out.push(')');
                    self.repeatable = true;
                }
                '*' | '+' | '?' => {
                    if !self.repeatable {
                        let what = format!("Dangling meta character '{c}'");
                        return self.error(&what, self.at as isize - 1);
                    }
                    self.out.push(c);
                    if let Some(mode @ ('+' | '?')) = self.peek() {
                        self.at += 1;
                        self.out.push(mode);
                    }
                    self.repeatable = false;
                }
                '{' => self.repetition()?,
                '|' => {
                    self.out.push('|');
                    self.repeatable = false;
                }
                '.' if !self.dot_all => {
                    self.out.push_str("[^\\n\\r\\x{85}\\x{2028}\\x{2029}]");
                    self.repeatable = true;
                }
                '^' | '$' | '.' => {
                    self.out.push(c);
                    self.repeatable = true;
                }
                '#' if self.comments => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c if self.comments && c.is_ascii_whitespace() => {}
                c => {
                    self.literal(c);
                    self.repeatable = true;
                }
            }
        }
        if self.depth > 0 {
            return self.error("Unclosed group", self.chars.len() as isize);
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() || c == ' ' || c.is_ascii_control() {
            // Writing to a String cannot fail.
            let _ = write!(self.out, "\\x{{{:X}}}", c as u32);
        } else {
            self.out.push(c);
        }
    }

    fn group(&mut self) -> Result<(), String> {
        self.repeatable = false;
        self.depth += 1;
        if self.peek() != Some('?') {
            self.out.push('(');
            return Ok(());
        }
        for start in ["?:", "?=", "?!", "?>", "?<=", "?<!"] {
            if self.rest().starts_with(start) {
                self.at += start.len();
                self.out.push('(');
                self.out.push_str(start);
                return Ok(());
            }
        }
        if self.rest().starts_with("?<") {
            let name: String = self.rest()[2..]
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if !name.starts_with(|c: char| c.is_ascii_alphabetic())
                || !self.rest()[2 + name.len()..].starts_with('>')
            {
                let what = "named capturing group is missing trailing '>'";
                return self.error(what, self.at as isize + 2 + name.len() as isize);
            }
            if self.names.contains(&name) {
                let what = format!("Named capturing group <{name}> is already defined");
                return self.error(&what, self.at as isize + 2 + name.len() as isize);
            }
            self.at += 3 + name.len();
            let _ = write!(self.out, "(?<{name}>");
            self.names.push(name);
            return Ok(());
        }
        self.flags()
    }

    /// `(?i)`, `(?i-s:`.
    fn flags(&mut self) -> Result<(), String> {
        self.at += 1;
        let mut flags = String::new();
        loop {
            match self.next() {
                Some(c @ ('i' | 'm' | 's' | '-')) => flags.push(c),
                // Blanks and comments are taken out here.
                Some('x') => {}
                Some(c @ ('u' | 'd' | 'U')) => {
                    return self.unsupported(&format!("the flag {c}"));
                }
                Some(end @ (')' | ':')) => {
                    let empty = flags.is_empty() || flags == "-";
                    if end == ')' {
                        self.depth -= 1;
                        if !empty {
                            let _ = write!(self.out, "(?{flags})");
                        }
                    } else if empty {
                        self.out.push_str("(?:");
                    } else {
                        let _ = write!(self.out, "(?{flags}:");
                    }
                    return Ok(());
                }
                Some(_) => return self.error("Unknown inline modifier", self.at as isize - 1),
                None => return self.error("Unclosed group", self.chars.len() as isize),
            }
        }
    }

    /// What stands behind a `{`.
    fn repetition(&mut self) -> Result<(), String> {
        let end = self.rest().find('}');
        let body = end.map(|end| self.rest()[..end].to_owned());
        let well_formed = body.as_ref().is_some_and(|body| {
            let (low, high) = body.split_once(',').unwrap_or((body, body));
            let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            number(low) && (high.is_empty() || number(high))
        });
        if !self.repeatable || !well_formed {
            return self.error("Illegal repetition", self.at as isize - 1);
        }
        let body = body.unwrap_or_default();
        self.at += body.chars().count() + 1;
        let _ = write!(self.out, "{{{body}}}");
        match self.peek() {
            Some('?') => {
                self.at += 1;
                self.out.push('?');
            }
            Some('+') => {
                return self.unsupported(&format!("the possessive quantifier {{{body}}}+"));
            }
            _ => {}
        }
        self.repeatable = false;
        Ok(())
    }

    /// What stands behind a backslash, in a class or outside.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.next() else {
            return self.error("Unescaped trailing backslash", self.chars.len() as isize);
        };
        self.repeatable = true;
        let mut set = |members: &str, negated: bool| {
            let caret = if negated { "^" } else { "" };
            let _ = write!(self.out, "[{caret}{members}]");
            Ok(())
        };
        match c {
            'd' | 'D' => return set("0-9", c == 'D'),
            'w' | 'W' => return set("A-Za-z0-9_", c == 'W'),
            's' | 'S' => return set(" \\t\\n\\x0B\\f\\r", c == 'S'),
            'h' | 'H' => {
                let blanks =
                    " \\t\\xA0\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}";
                return set(blanks, c == 'H');
            }
            'v' | 'V' => return set("\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}", c == 'V'),
            'p' | 'P' => return self.property(c == 'P'),
            't' => self.literal('\t'),
            'n' => self.literal('\n'),
            'r' => self.literal('\r'),
            'f' => self.literal('\u{c}'),
            'a' => self.literal('\u{7}'),
            'e' => self.literal('\u{1b}'),
            'x' | 'u' => {
                let code = self.hexadecimal(c)?;
                self.literal(code);
            }
            '0' => {
                let digits: String = self
                    .rest()
                    .chars()
                    .take(3)
                    .take_while(|c| c.is_digit(8))
                    .collect();
                if digits.is_empty() {
                    return self.error("Illegal octal escape sequence", self.at as isize);
                }
                self.at += digits.len();
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                self.literal(char::from_u32(code).unwrap_or('\0'));
            }
            'Q' => self.quotation(),
            'E' if !in_class => {}
            'b' | 'B' | 'A' | 'z' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' if !in_class => self.out.push_str("(?=\\n?\\z)"),
            'R' if !in_class => {
                self.out
                    .push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}])");
            }
            'G' => return self.unsupported("the boundary \\G"),
            'X' => return self.unsupported("the grapheme cluster \\X"),
            'N' | 'c' => return self.unsupported(&format!("the escape \\{c}")),
            'k' if !in_class && self.rest().starts_with('<') => {
                let end = self.rest().find('>');
                let Some(end) = end else {
                    let what = "named capturing group is missing trailing '>'";
                    return self.error(what, self.chars.len() as isize);
                };
                let name = self.rest()[1..end].to_owned();
                self.at += name.chars().count() + 2;
                let _ = write!(self.out, "\\k<{name}>");
            }
            '1'..='9' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
                while let Some(digit @ '0'..='9') = self.peek() {
                    // Java takes further digits only while there are so many groups; ten are seldom.
                    self.at += 1;
                    self.out.push(digit);
                }
            }
            c if c.is_ascii_alphabetic() => {
                let what = "Illegal/unsupported escape sequence";
                return self.error(what, self.at as isize - 1);
            }
            c => self.literal(c),
        }
        Ok(())
    }

    fn hexadecimal(&mut self, kind: char) -> Result<char, String> {
        let braces = kind == 'x' && self.rest().starts_with('{');
        let digits: String = if braces {
            let end = self.rest().find('}').unwrap_or(0);
            self.rest().get(1..end).unwrap_or_default().to_owned()
        } else {
            let count = if kind == 'u' { 4 } else { 2 };
            self.rest().chars().take(count).collect()
        };
        let complete = braces || digits.len() == if kind == 'u' { 4 } else { 2 };
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| complete);
        let Some(c) = code.and_then(char::from_u32) else {
            let what = if kind == 'u' {
                "Illegal Unicode escape sequence"
            } else {
                "Illegal hexadecimal escape sequence"
            };
            return self.error(what, self.at as isize);
        };
        self.at += digits.chars().count() + if braces { 2 } else { 0 };
        Ok(c)
    }

    /// `\Q…\E`: every character stands for itself.
    fn quotation(&mut self) {
        let quoted = self
            .rest()
            .split("\\E")
            .next()
            .unwrap_or_default()
            .to_owned();
        for c in quoted.chars() {
            self.literal(c);
        }
        self.at += quoted.chars().count();
        if self.rest().starts_with("\\E") {
            self.at += 2;
        }
    }

    fn property(&mut self, negated: bool) -> Result<(), String> {
        let name = if self.rest().starts_with('{') {
            let Some(end) = self.rest().find('}') else {
                return self.error("Unclosed character family", self.chars.len() as isize - 1);
            };
            let name = self.rest()[1..end].to_owned();
            self.at += name.chars().count() + 2;
            name
        } else {
            self.next().map(String::from).unwrap_or_default()
        };
        let posix = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => "\\x00-\\x7F",
            "Alpha" => "A-Za-z",
            "Digit" => "0-9",
            "Alnum" => "A-Za-z0-9",
            "Punct" => "!-/:-@\\[-`{-\\~",
            "Graph" => "!-\\~",
            "Print" => " -\\~",
            "Blank" => " \\t",
            "Cntrl" => "\\x00-\\x1F\\x7F",
            "XDigit" => "0-9A-Fa-f",
            "Space" => " \\t\\n\\x0B\\f\\r",
            _ => "",
        };
        if !posix.is_empty() {
            let caret = if negated { "^" } else { "" };
            let _ = write!(self.out, "[{caret}{posix}]");
            return Ok(());
        }
        let unicode = name.strip_prefix("Is").unwrap_or(&name);
        if name.starts_with("In") || name.starts_with("java") || name.contains('=') {
            return self.unsupported(&format!("the character class \\p{{{name}}}"));
        }
        let letter = if negated { 'P' } else { 'p' };
        let _ = write!(self.out, "\\{letter}{{{unicode}}}");
        Ok(())
    }

    /// A bracketed class, whose opening bracket has been read.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.peek() == Some('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut empty = true;
        loop {
            let Some(c) = self.next() else {
                return self.error("Unclosed character class", self.chars.len() as isize - 1);
            };
            match c {
                ']' if !empty => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => self.class()?,
                '\\' => self.escape(true)?,
                '&' if self.peek() == Some('&') => {
                    self.at += 1;
                    self.out.push_str("&&");
                }
                // A range's dash stands between two characters; any other is itself.
                '-' => {
                    let range = !empty
                        && self.peek().is_some_and(|next| next != ']' && next != '[')
                        && !self.rest().starts_with("&&");
                    if range {
                        self.out.push('-');
                    } else {
                        self.literal('-');
                    }
                }
                c if self.comments && c.is_ascii_whitespace() => continue,
                c => self.literal(c),
            }
            empty = false;
        }
    }
}
