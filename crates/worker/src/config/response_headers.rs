//! `response.http.headers.config`: headers that every response carries.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Headers to set or add, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHeaders(Arc<Vec<(bool, HeaderName, HeaderValue)>>);

impl ResponseHeaders {
    /// Reads `[action] [name]:[value]` items; one with a comma in it stands in quotes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let items = split(text).into_iter().filter(|item| !item.is_empty());
        let headers = items
            .map(|item| parse_item(&item))
            .collect::<Result<_, _>>();
        Ok(ResponseHeaders(Arc::new(headers?)))
    }

    /// Sets and adds them to those of a response.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for (adds, name, value) in self.0.iter() {
            if *adds {
                headers.append(name.clone(), value.clone());
            } else {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}

fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match (c, items.last_mut()) {
            ('"', _) => is_quoted = !is_quoted,
            (',', _) if !is_quoted => items.push(String::new()),
            (c, Some(item)) => item.push(c),
            (_, None) => {}
        }
    }
    items.iter().map(|item| item.trim().to_owned()).collect()
}

fn parse_item(item: &str) -> Result<(bool, HeaderName, HeaderValue), String> {
    let malformed = || {
        format!(
            "Invalid format of header config '{item}'. Expected: '[action] [header name]:[header value]'"
        )
    };
    let (action, pair) = item.split_once(char::is_whitespace).ok_or_else(malformed)?;
    let adds = match &*action.to_ascii_lowercase() {
        "set" | "setdate" => false,
        "add" | "adddate" => true,
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
    let value = value.parse().map_err(|_| not_a_pair())?;
    Ok((adds, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quoted_items_and_says_what_is_wrong() {
        let text = "set X-Test: one, \"add Cache-Control: no-cache, no-store\"";
        let headers = ResponseHeaders::parse(text).expect("the text is well formed");
        assert_eq!(headers.0.len(), 2);
        assert_eq!(headers.0[1].2, "no-cache, no-store");
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
        ] {
            assert_eq!(ResponseHeaders::parse(text).err().as_deref(), Some(why));
        }
    }
}
