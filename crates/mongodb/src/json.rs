//! MongoDB's lenient JSON: what the Java driver's reader takes, which is far more than strict JSON (missing
//! and trailing commas, single quotes, shell constructors, extended JSON of both versions). The texts of its
//! errors are the reader's.

mod extended;
mod scanner;
mod shell;
mod time;

use bson::{Bson, Document};
use scanner::{Kind, Scanner, Token};

/// The reader's own limit is Java's stack; servers refuse more than some 200 levels anyway.
const MAX_DEPTH: usize = 1000;

/// How many levels a wrapper counts for.
const WRAPPER_LEVELS: usize = 50;

/// Java's exception class and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) class: &'static str,
    pub(crate) message: String,
    /// The message without what the text holds, but with the place.
    pub(crate) summary: String,
}

const PARSE: &str = "org.bson.json.JsonParseException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";
const INVALID_OPERATION: &str = "org.bson.BsonInvalidOperationException";

impl JsonError {
    fn new(class: &'static str, message: impl Into<String>) -> Self {
        JsonError {
            class,
            message: message.into(),
            summary: String::new(),
        }
    }

    fn at(mut self, byte: usize) -> Self {
        self.summary = format!("{} (at byte {byte})", without_content(&self.message));
        self
    }

    fn parse(message: impl Into<String>) -> Self {
        JsonError::new(PARSE, message)
    }

    fn number_format(text: &str) -> Self {
        JsonError::new(NUMBER_FORMAT, format!("For input string: \"{text}\""))
    }
}

/// A message up to where it shows a piece of the text.
fn without_content(message: &str) -> &str {
    const BEFORE_CONTENT: [&str; 8] = [
        " but found",
        " value '",
        ": \"",
        ": [",
        "date: ",
        " Character: ",
        " '\\",
        "$binary: ",
    ];
    let ends = BEFORE_CONTENT
        .iter()
        .filter_map(|words| message.find(words));
    let end = ends.min().unwrap_or(message.len());
    message[..end].trim_end_matches(['.', ':'])
}

type Result<T> = std::result::Result<T, JsonError>;

/// Reads the document at the front of a text; what follows it does not matter.
pub(crate) fn parse_document(text: &str) -> Result<Document> {
    let mut reader = Reader {
        scanner: Scanner::new(text),
        pushed: None,
        depth: 0,
    };
    reader
        .document()
        .map_err(|error| error.at(reader.scanner.mark()))
}

/// Reads a list at the front of a text, as the settings for renaming are.
pub(crate) fn parse_array(text: &str) -> Result<Vec<Bson>> {
    match parse_document(&format!("{{\"list\": {text}}}"))?.remove("list") {
        Some(Bson::Array(items)) => Ok(items),
        other => Err(JsonError::new(
            "java.lang.ClassCastException",
            format!("Cannot cast {} to java.util.List", class_of(other.as_ref())),
        )),
    }
}

/// The class that a value has in Java's documents.
fn class_of(value: Option<&Bson>) -> &'static str {
    match value {
        Some(Bson::Int32(_)) => "java.lang.Integer",
        Some(Bson::Int64(_)) => "java.lang.Long",
        Some(Bson::Double(_)) => "java.lang.Double",
        Some(Bson::Boolean(_)) => "java.lang.Boolean",
        Some(Bson::String(_)) => "java.lang.String",
        _ => "org.bson.Document",
    }
}

/// A list or a document that is being read, with the name of the member whose value comes next.
pub(crate) enum Open {
    Array(Vec<Bson>),
    Document(Document, String),
}

impl Open {
    pub(crate) fn take(&mut self, value: Bson) {
        match self {
            Open::Array(items) => items.push(value),
            // A repeated name keeps its first place and its last value.
            Open::Document(document, name) => {
                document.insert(std::mem::take(name), value);
            }
        }
    }

    pub(crate) fn close(self) -> Bson {
        match self {
            Open::Array(items) => Bson::Array(items),
            Open::Document(document, _) => Bson::Document(document),
        }
    }

    fn unclosed(&self) -> JsonError {
        let what = match self {
            Open::Array(_) => "ARRAY",
            Open::Document(..) => "DOCUMENT",
        };
        JsonError::new(
            INVALID_OPERATION,
            format!("the text ends inside a value of type {what}"),
        )
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    pushed: Option<Token>,
    depth: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Document> {
        let token = self.next()?;
        let found = match token.kind {
            Kind::EndOfFile => "END_OF_DOCUMENT",
            _ => match self.value(token)? {
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

    fn next(&mut self) -> Result<Token> {
        match self.pushed.take() {
            Some(token) => Ok(token),
            None => self.scanner.next(),
        }
    }

    fn push(&mut self, token: Token) {
        self.pushed = Some(token);
    }

    /// The value that begins with `token`; `None` at the end of the text. What is open lies on a list, not on the stack:
    /// a record decides how deep it is nested.
    fn value(&mut self, token: Token) -> Result<Option<Bson>> {
        let mut open = Vec::new();
        let mut token = token;
        loop {
            let mut done = match token.kind {
                Kind::BeginArray => {
                    open.push(Open::Array(Vec::new()));
                    self.skip_comma()?;
                    None
                }
                Kind::BeginObject => {
                    let extended = self.wrapper(open.len())?;
                    if extended.is_none() {
                        open.push(Open::Document(Document::new(), String::new()));
                        self.skip_comma()?;
                    }
                    extended
                }
                Kind::EndOfFile => {
                    return open.last().map_or(Ok(None), |open| Err(open.unclosed()));
                }
                Kind::Int32(v) => Some(Bson::Int32(v)),
                Kind::Int64(v) => Some(Bson::Int64(v)),
                Kind::Double(v) => Some(Bson::Double(v)),
                Kind::String => Some(Bson::String(token.text)),
                Kind::Regex => Some(self.regex(&token.text)?),
                Kind::Unquoted => Some(self.word(token)?),
                _ => return Err(no_value(&token)),
            };
            if self.depth + open.len() > MAX_DEPTH {
                return Err(JsonError::parse(format!(
                    "nested deeper than {MAX_DEPTH} levels"
                )));
            }
            // Values go into what is open around them, until one is still to be read.
            token = loop {
                if let Some(value) = done.take() {
                    match open.last_mut() {
                        None => return Ok(Some(value)),
                        Some(around) => around.take(value),
                    }
                    self.skip_comma()?;
                }
                let next = match open.last_mut() {
                    Some(Open::Array(_)) => Some(self.next()?).filter(|t| t.kind != Kind::EndArray),
                    Some(Open::Document(_, name)) => self.member(name)?,
                    None => None,
                };
                match next {
                    Some(token) => break token,
                    None => done = open.pop().map(Open::close),
                }
            };
        }
    }

    /// The value of an object that is a wrapper of extended JSON, its brace being read.
    fn wrapper(&mut self, around: usize) -> Result<Option<Bson>> {
        let first = self.next()?;
        if matches!(first.kind, Kind::String | Kind::Unquoted) && first.text.starts_with('$') {
            // What a wrapper holds may be nested, too, and that on the stack: it counts for many levels.
            let levels = around + WRAPPER_LEVELS;
            self.depth += levels;
            let value = self.extended(&first)?;
            self.depth -= levels;
            if value.is_some() {
                return Ok(value);
            }
        }
        self.push(first);
        Ok(None)
    }

    /// The members of a document whose brace is read.
    fn members(&mut self) -> Result<Document> {
        let brace = Token {
            kind: Kind::BeginObject,
            text: String::new(),
        };
        match self.value(brace)? {
            Some(Bson::Document(document)) => Ok(document),
            _ => Err(JsonError::parse("JSON reader expected a document")),
        }
    }

    /// The name of the next member, and the token that its value begins with; `None` at the end.
    fn member(&mut self, into: &mut String) -> Result<Option<Token>> {
        let name = self.next()?;
        match name.kind {
            Kind::String | Kind::Unquoted => {}
            Kind::EndObject => return Ok(None),
            _ => {
                return Err(JsonError::parse(format!(
                    "JSON reader was expecting a name but found '{}'.",
                    name.text
                )));
            }
        }
        *into = name.text;
        let colon = self.next()?;
        if colon.kind != Kind::Colon {
            return Err(JsonError::parse(format!(
                "JSON reader was expecting ':' but found '{}'.",
                colon.text
            )));
        }
        self.next().map(Some)
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
        assert!(parse_document(&"{a:{$code:'',$scope:".repeat(MAX_DEPTH)).is_err());
        assert!(parse_document(&format!("{}1{}", "{a:".repeat(900), "}".repeat(900))).is_ok());
    }

    #[test]
    fn report_c7_an_error_shows_its_place_and_not_the_text() {
        for text in [
            "SECRET",
            "'SECRET'",
            "{a:1 SECRET}",
            "{SECRET}",
            "{a:SECRET}",
            "{a:9223372036854775808123SECRET}",
            "{a:99999999999999999999}",
            "{a:'x\\SECRET'}",
            "{a:{$oid:'SECRET'}}",
            "{a:{$date:'SECRET'}}",
            "{a:{$uuid:'SECRET'}}",
            "{a:{$numberDecimal:'SECRET'}}",
            "{a:{$numberLong:'SECRET'}}",
            "{a:{$numberDouble:'SECRET'}}",
            "{a:{$binary:{SECRET:1}}}",
            "{a:{$binary:'SECRET!',$type:'0'}}",
            "{a:new SECRET}",
            "{a:NumberLong('SECRET')}",
            "{a:ObjectId('SECRET')}",
            "{a:ISODate('SECRET')}",
            "{a:UUID('SECRET')}",
        ] {
            let Err(error) = parse_document(text) else {
                continue;
            };
            let summary = &error.summary;
            assert!(summary.contains("at byte"), "{text}: {summary}");
            for piece in ["SECRET", "9999"] {
                assert!(!summary.contains(piece), "{text}: {summary}");
            }
        }
        let error = parse_document("SECRET").unwrap_err();
        assert_eq!(
            error.summary,
            "JSON reader was expecting a value (at byte 6)"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_text_is_an_answer(text in "[\\[\\]{}:,\"'$a-z0-9(). \\\\/-]{0,40}") {
            let _ = parse_document(&text);
        }
    }
}
