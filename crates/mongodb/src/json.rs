//! MongoDB's lenient JSON: what the Java driver's reader takes, which is far more than strict JSON (missing
//! and trailing commas, single quotes, shell constructors, extended JSON of both versions). The texts of its
//! errors are the reader's.

mod extended;
mod scanner;
mod shell;
mod time;

use bson::{Bson, Document};
use scanner::{Kind, Scanner, Token};

/// The reader's own limit is Java's stack; servers refuse more than 200 levels anyway.
const MAX_DEPTH: usize = 400;

/// Java's exception class and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

const PARSE: &str = "org.bson.json.JsonParseException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";
const INVALID_OPERATION: &str = "org.bson.BsonInvalidOperationException";

impl JsonError {
    fn new(class: &'static str, message: impl Into<String>) -> Self {
        JsonError {
            class,
            message: message.into(),
        }
    }

    fn parse(message: impl Into<String>) -> Self {
        JsonError::new(PARSE, message)
    }

    fn number_format(text: &str) -> Self {
        JsonError::new(NUMBER_FORMAT, format!("For input string: \"{text}\""))
    }
}

type Result<T> = std::result::Result<T, JsonError>;

/// Reads the document at the front of a text; what follows it does not matter.
pub(crate) fn parse_document(text: &str) -> Result<Document> {
    let mut reader = Reader {
        scanner: Scanner::new(text),
        pushed: None,
        depth: 0,
    };
    let token = reader.next()?;
    let found = match token.kind {
        Kind::EndOfFile => "END_OF_DOCUMENT",
        _ => match reader.value(token)? {
            Some(Bson::Document(document)) => return Ok(document),
            Some(other) => type_name(&other),
            None => "END_OF_DOCUMENT",
        },
    };
    Err(JsonError::new(
        INVALID_OPERATION,
        format!(
            "readStartDocument can only be called when CurrentBSONType is DOCUMENT, not when CurrentBSONType is {found}."
        ),
    ))
}

/// Reads a list at the front of a text, as the settings for renaming are.
pub(crate) fn parse_array(text: &str) -> Result<Vec<Bson>> {
    match parse_document(&format!("{{\"list\": {text}}}"))?.remove("list") {
        Some(Bson::Array(items)) => Ok(items),
        _ => Err(JsonError::new(
            "java.lang.ClassCastException",
            "Cannot cast org.bson.Document to java.util.List",
        )),
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    pushed: Option<Token>,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Token> {
        match self.pushed.take() {
            Some(token) => Ok(token),
            None => self.scanner.next(),
        }
    }

    fn push(&mut self, token: Token) {
        self.pushed = Some(token);
    }

    /// The value that begins with `token`; `None` at the end of the text.
    fn value(&mut self, token: Token) -> Result<Option<Bson>> {
        let value = match token.kind {
            Kind::BeginArray => self.nested(Self::array)?,
            Kind::BeginObject => self.nested(Self::object)?,
            Kind::EndOfFile => return Ok(None),
            Kind::Int32(v) => Bson::Int32(v),
            Kind::Int64(v) => Bson::Int64(v),
            Kind::Double(v) => Bson::Double(v),
            Kind::String => Bson::String(token.text),
            Kind::Regex => self.regex(&token.text)?,
            Kind::Unquoted => return self.word(token).map(Some),
            _ => return Err(no_value(&token)),
        };
        Ok(Some(value))
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Bson>) -> Result<Bson> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JsonError::parse(format!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Bson> {
        let mut items = Vec::new();
        self.skip_comma()?;
        loop {
            let token = self.next()?;
            if token.kind == Kind::EndArray {
                return Ok(Bson::Array(items));
            }
            match self.value(token)? {
                Some(item) => items.push(item),
                None => return Err(unclosed("ARRAY")),
            }
            self.skip_comma()?;
        }
    }

    fn object(&mut self) -> Result<Bson> {
        let first = self.next()?;
        if matches!(first.kind, Kind::String | Kind::Unquoted)
            && first.text.starts_with('$')
            && let Some(value) = self.extended(&first)?
        {
            return Ok(value);
        }
        self.push(first);
        self.members().map(Bson::Document)
    }

    /// The members of a document whose brace is read.
    fn members(&mut self) -> Result<Document> {
        let mut document = Document::new();
        self.skip_comma()?;
        loop {
            let name = self.next()?;
            match name.kind {
                Kind::String | Kind::Unquoted => {}
                Kind::EndObject => return Ok(document),
                _ => {
                    return Err(JsonError::parse(format!(
                        "JSON reader was expecting a name but found '{}'.",
                        name.text
                    )));
                }
            }
            let colon = self.next()?;
            if colon.kind != Kind::Colon {
                return Err(JsonError::parse(format!(
                    "JSON reader was expecting ':' but found '{}'.",
                    colon.text
                )));
            }
            let token = self.next()?;
            match self.value(token)? {
                // A repeated name keeps its first place and its last value.
                Some(value) => document.insert(name.text, value),
                None => return Err(unclosed("DOCUMENT")),
            };
            self.skip_comma()?;
        }
    }

    fn skip_comma(&mut self) -> Result<()> {
        let token = self.next()?;
        if token.kind != Kind::Comma {
            self.push(token);
        }
        Ok(())
    }
}

fn no_value(token: &Token) -> JsonError {
    JsonError::parse(format!(
        "JSON reader was expecting a value but found '{}'.",
        token.text
    ))
}

fn unclosed(what: &str) -> JsonError {
    JsonError::new(
        INVALID_OPERATION,
        format!("the text ends inside a value of type {what}"),
    )
}

/// The name of a value's type in the Java driver.
pub(crate) fn type_name(value: &Bson) -> &'static str {
    match value {
        Bson::Double(_) => "DOUBLE",
        Bson::String(_) => "STRING",
        Bson::Document(_) => "DOCUMENT",
        Bson::Array(_) => "ARRAY",
        Bson::Binary(_) => "BINARY",
        Bson::Undefined => "UNDEFINED",
        Bson::ObjectId(_) => "OBJECT_ID",
        Bson::Boolean(_) => "BOOLEAN",
        Bson::DateTime(_) => "DATE_TIME",
        Bson::Null => "NULL",
        Bson::RegularExpression(_) => "REGULAR_EXPRESSION",
        Bson::DbPointer(_) => "DB_POINTER",
        Bson::JavaScriptCode(_) => "JAVASCRIPT",
        Bson::Symbol(_) => "SYMBOL",
        Bson::JavaScriptCodeWithScope(_) => "JAVASCRIPT_WITH_SCOPE",
        Bson::Int32(_) => "INT32",
        Bson::Timestamp(_) => "TIMESTAMP",
        Bson::Int64(_) => "INT64",
        Bson::Decimal128(_) => "DECIMAL128",
        Bson::MinKey => "MIN_KEY",
        Bson::MaxKey => "MAX_KEY",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::doc;
    use proptest::prelude::*;

    fn check(text: &str, expected: Document) {
        assert_eq!(parse_document(text).unwrap(), expected, "{text}");
    }

    fn refused(text: &str, message: &str) {
        assert_eq!(parse_document(text).unwrap_err().message, message, "{text}");
    }

    #[test]
    fn lenient_forms() {
        check("{a:1,}", doc! {"a": 1});
        check("{'a':007 \"b\":[1 2,]} tail", doc! {"a": 7, "b": [1, 2]});
        check(
            "{a:1e2,b:-Infinity,c:2147483648}",
            doc! {"a": 100.0, "b": f64::NEG_INFINITY, "c": 2_147_483_648_i64},
        );
        check(
            r#"{"a":"\u00e9\ud83d\ude00\ud83d"}"#,
            doc! {"a": "é😀\u{fffd}"},
        );
        check("{a:{$foo:1}}", doc! {"a": {"$foo": 1}});
        check(
            "{a:NumberLong(5),b:NumberInt('6')}",
            doc! {"a": 5i64, "b": 6},
        );
        check("{a:{$regex:'x'}}", doc! {"a": {"$regex": "x"}});
    }

    #[test]
    fn refusals() {
        refused(
            "hello",
            "JSON reader was expecting a value but found 'hello'.",
        );
        refused(
            "{\"_id\":1,\"a\":.5}",
            "Invalid JSON input. Position: 14. Character: '.'.",
        );
        refused(
            "{a:1",
            "JSON reader was expecting a name but found '<eof>'.",
        );
        refused(
            "{a:[1,,2]}",
            "JSON reader was expecting a value but found ','.",
        );
        refused("{1:2}", "Invalid JSON number");
        refused(
            "{a:9223372036854775808}",
            "For input string: \"9223372036854775808\"",
        );
        assert!(parse_document("{a:").is_err());
        assert!(parse_document(&"{a:".repeat(MAX_DEPTH + 5)).is_err());
        assert!(parse_document(&format!("{}1{}", "{a:".repeat(220), "}".repeat(220))).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_text_is_an_answer(text in "[\\[\\]{}:,\"'$a-z0-9(). \\\\/-]{0,40}") {
            let _ = parse_document(&text);
        }
    }
}
