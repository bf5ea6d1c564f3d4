//! Brokers' addresses as people write them: URLs with users in them, and ActiveMQ's lists of URLs to fail over to.

use crate::net::Endpoint;
use millstream_core::config::Password;
use percent_encoding::percent_decode_str;

/// A URL taken apart; what is percent-encoded in it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerUrl {
    /// In lower case.
    pub(crate) scheme: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// What follows the first slash behind the host; `None` if nothing does.
    pub(crate) path: Option<String>,
}

impl BrokerUrl {
    /// The error quotes nothing before an `@` and nothing behind a `?`, where passwords may stand.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let shown = text.split(['?', '#']).next().unwrap_or(text);
        let shown = match shown.rsplit_once('@') {
            Some((_, place)) => place,
            // A question mark of a password.
            None if text.contains('@') => "it",
            None => shown,
        };
        let wrong = |why: &str| format!("{shown} is no address of a broker: {why}");
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("a scheme such as amqps:// is missing"))?;
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = match place.rsplit_once(':') {
            // A bare IPv6 address has colons of its own.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => return Err(wrong("the port is no number between 0 and 65535")),
        };
        let decode = |text: &str| decoded(text).map_err(wrong);
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, "")))
        {
            None => (None, None),
            Some((name, "")) => (Some(decode(name)?), None),
            Some((name, word)) => (Some(decode(name)?), Some(Password::new(decode(word)?))),
        };
        Ok(BrokerUrl {
            scheme: scheme.to_ascii_lowercase(),
            username,
            password,
            host: host.to_owned(),
            port,
            path: path
                .filter(|path| !path.is_empty())
                .map(decode)
                .transpose()?,
        })
    }

    pub(crate) fn endpoint(&self, is_tls: bool, port: u16) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port.unwrap_or(port),
            is_tls,
        }
    }
}

/// What stands percent-encoded in a URL, or why it cannot be read.
pub(crate) fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| "what is percent-encoded is not UTF-8")?;
    Ok(decoded.into_owned())
}

/// The URLs of `failover:(a,b)?options`, of `failover://a,b`, of a list `a,b`, or the one that is there.
pub(crate) fn alternatives(text: &str) -> Vec<&str> {
    let text = text.trim();
    let list = match text.strip_prefix("failover:") {
        None => text,
        Some(list) => {
            let list = list.trim_start_matches("//");
            match list.strip_prefix('(') {
                // Options of the list stand behind it.
                Some(list) => list.split(')').next().unwrap_or(list),
                None => list,
            }
        }
    };
    let items = list.split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let url = BrokerUrl::parse("AMQPS://a%40b:s3cret%2Fpass@b-1.mq.example:5671/%2Fshop?x=1")
            .unwrap();
        assert_eq!(url.scheme, "amqps");
        assert_eq!(url.username.as_deref(), Some("a@b"));
        assert_eq!(url.password, Some(Password::new("s3cret/pass")));
        assert_eq!(
            (url.host.as_str(), url.port),
            ("b-1.mq.example", Some(5671))
        );
        assert_eq!(url.path.as_deref(), Some("/shop"));
        let url = BrokerUrl::parse("tcp://[::1]:61616").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", Some(61616)));
        let url = BrokerUrl::parse("amqp://[::1]/").unwrap();
        assert_eq!((url.port, url.path), (None, None));
    }

    #[test]
    fn says_what_is_wrong_without_the_password() {
        let cases = [
            ("broker:5672", "a scheme such as amqps:// is missing"),
            ("amqp://u:hidden@:5672", "the host is missing"),
            (
                "amqp://u:hidden@h:port",
                "the port is no number between 0 and 65535",
            ),
            ("amqp://h/%FF", "what is percent-encoded is not UTF-8"),
            (
                "amqp://h:port?jms.password=hidden",
                "the port is no number between 0 and 65535",
            ),
            (
                "amqp://h:port?jms.password=a@hidden",
                "the port is no number between 0 and 65535",
            ),
            (
                "amqp://u:hidden?@h:port",
                "the port is no number between 0 and 65535",
            ),
        ];
        for (text, why) in cases {
            let error = BrokerUrl::parse(text).unwrap_err();
            assert!(error.ends_with(why) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn finds_the_urls_of_a_list() {
        let both = ["ssl://a:1", "ssl://b:2"];
        for text in [
            "failover:(ssl://a:1,ssl://b:2)?randomize=false",
            "failover://(ssl://a:1, ssl://b:2)",
            "failover:ssl://a:1,ssl://b:2",
            "ssl://a:1,ssl://b:2",
        ] {
            assert_eq!(alternatives(text), both, "{text}");
        }
        assert_eq!(alternatives("tcp://a"), ["tcp://a"]);
        assert!(alternatives(" ").is_empty());
    }
}
