//! `response.http.headers.config`: headers that every response carries.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Headers to set or add, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHeaders(Arc<Vec<ResponseHeader>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResponseHeader {
    adds: bool,
    name: HeaderName,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(HeaderValue),
    /// A date, so many milliseconds after the response.
    DateAfter(i64),
}

impl ResponseHeaders {
    /// Reads `[action] [name]:[value]` items; one with a comma in it stands in quotes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let items = split(text).into_iter().filter(|item| !item.is_empty());
        let headers = items
            .map(|item| parse_item(&item))
            .collect::<Result<_, _>>();
        Ok(ResponseHeaders(Arc::new(headers?)))
    }

    /// Sets and adds them to those of a response of `now`.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, now: Timestamp) {
        for header in self.0.iter() {
            let Some(value) = header.value.at(now) else {
                continue;
            };
            if header.adds {
                headers.append(header.name.clone(), value);
            } else {
                headers.insert(header.name.clone(), value);
            }
        }
    }
}

impl Value {
    /// `None` for a date that no calendar has.
    fn at(&self, now: Timestamp) -> Option<HeaderValue> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::DateAfter(millis) => {
                let then = now.checked_add(SignedDuration::from_millis(*millis)).ok()?;
                let text = DateTimePrinter::new()
                    .timestamp_to_rfc9110_string(&then)
                    .ok()?;
                text.parse().ok()
            }
        }
    }
}

/// Takes a list apart as Jetty's CSV reader does: quotes count where an item begins with one, and are text elsewhere.
fn split(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut item = String::new();
        match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at;
                            break;
                        }
                        '\\' => item.extend(chars.next().map(|(_, c)| c)),
                        c => item.push(c),
                    }
                }
                rest = &quoted[end..];
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                item.push_str(rest[..end].trim_end());
                rest = &rest[end..];
            }
        }
        items.push(item);
        // What follows a closing quote belongs to nothing.
        rest = rest.split_once(',').map_or("", |(_, next)| next);
        rest = rest.trim_start();
    }
    items
}

fn parse_item(item: &str) -> Result<ResponseHeader, String> {
    let malformed = || {
        format!(
            "Invalid format of header config '{item}'. Expected: '[action] [header name]:[header value]'"
        )
    };
    let (action, pair) = item.split_once(char::is_whitespace).ok_or_else(malformed)?;
    let (adds, is_date) = match &*action.to_ascii_lowercase() {
        "set" => (false, false),
        "setdate" => (false, true),
        "add" => (true, false),
        "adddate" => (true, true),
        _ => {
            return Err(format!(
                "Invalid header config action: '{action}'. Expected one of [set, add, setDate, addDate]"
            ));
        }
    };
    let not_a_pair = || {
        format!(
            "Invalid format of header name and header value pair '{pair}'. Expected: '[header name]:[header value]'"
        )
    };
    let (name, value) = pair.split_once(':').ok_or_else(not_a_pair)?;
    let (name, value) = (name.trim(), value.trim());
    if value.contains(':') {
        return Err(not_a_pair());
    }
    if name.contains(char::is_whitespace) {
        return Err(format!(
            "Invalid header name '{name}'. The '[header name]' cannot contain whitespace"
        ));
    }
    let name = name.parse().map_err(|_| not_a_pair())?;
    let value = if is_date {
        let millis = value.parse().map_err(|_| {
            format!(
                "Invalid header value '{value}'. The action '{action}' takes milliseconds from now"
            )
        })?;
        Value::DateAfter(millis)
    } else {
        Value::Text(value.parse().map_err(|_| not_a_pair())?)
    };
    Ok(ResponseHeader { adds, name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quoted_items_and_says_what_is_wrong() {
        let text = "set X-Test: one, \"add Cache-Control: no-cache, no-store\"";
        let headers = ResponseHeaders::parse(text).expect("the text is well formed");
        assert_eq!(headers.0.len(), 2);
        let value = |text| Value::Text(HeaderValue::from_static(text));
        assert_eq!(headers.0[1].value, value("no-cache, no-store"));
        for (text, why) in [
            (
                "x",
                "Invalid format of header config 'x'. Expected: '[action] [header name]:[header value]'",
            ),
            (
                "put a:b",
                "Invalid header config action: 'put'. Expected one of [set, add, setDate, addDate]",
            ),
            (
                "set a",
                "Invalid format of header name and header value pair 'a'. Expected: '[header name]:[header value]'",
            ),
            (
                "set a b:c",
                "Invalid header name 'a b'. The '[header name]' cannot contain whitespace",
            ),
            (
                "setDate a:b",
                "Invalid header value 'b'. The action 'setDate' takes milliseconds from now",
            ),
        ] {
            assert_eq!(ResponseHeaders::parse(text).err().as_deref(), Some(why));
        }
    }

    #[test]
    fn quotes_count_where_an_item_begins_with_one() {
        assert_eq!(
            split("a \"b\", \"c, \\\"d\" x,, e "),
            ["a \"b\"", "c, \"d", "", "e"]
        );
        assert_eq!(split("\"open, to the end"), ["open, to the end"]);
        assert!(split(" ").is_empty());
    }

    #[test]
    fn a_date_is_so_long_after_the_response() {
        let headers = ResponseHeaders::parse("setDate Expires: 1000, addDate Expires: -1000");
        let mut found = HeaderMap::new();
        let now = "2026-12-01T01:17:46Z".parse().expect("a time");
        headers.expect("both are dates").apply(&mut found, now);
        let found: Vec<_> = found.get_all("expires").iter().collect();
        assert_eq!(
            found,
            [
                "Tue, 01 Dec 2026 01:17:47 GMT",
                "Tue, 01 Dec 2026 01:17:45 GMT"
            ]
        );
    }
}
