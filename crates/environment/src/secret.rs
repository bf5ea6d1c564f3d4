//! What of a setting may be shown to whoever reads a terminal or a log.

/// What stands in the place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Parts of keys and of names of variables whose values are secret.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "jaas",
    "token",
    "credential",
    "private.key",
    "access.key",
    "api.key",
    "user.info",
    "basic.auth",
    "certificate",
];

/// The text of a value as it may be shown: nothing of what is secret, an address without who signs in there.
pub fn shown(key: &str, value: &str) -> String {
    if !value.is_empty() && !is_reference(value) && (is_secret(key) || looks_secret(value)) {
        return HIDDEN.to_owned();
    }
    without_user(value)
}

/// Whether the value of a key or a variable is secret, by its name.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', ".");
    // Where a token is asked for, who hands it out, and where something is kept is no secret.
    if [
        "token.endpoint.url",
        "tokens.file",
        "key.file",
        "hash.key.secret",
    ]
    .iter()
    .any(|end| key.ends_with(end))
    {
        return false;
    }
    key.ends_with(".key") || SECRET.iter().any(|part| key.contains(part))
}

/// A line that signs somebody in, under whatever name it may stand.
fn looks_secret(value: &str) -> bool {
    let value = value.to_lowercase();
    ["password", "secret", "passwd"].iter().any(|word| {
        let mut places = value.match_indices(word);
        places.any(|(at, _)| {
            let behind = value[at + word.len()..].trim_start();
            behind.starts_with(['=', ':'])
        })
    })
}

/// A reference shows where a secret is kept, and not what it is.
fn is_reference(value: &str) -> bool {
    value.starts_with("${") && value.ends_with('}') && value.matches('}').count() == 1
}

/// `scheme://user:password@host` without what stands before the `@`. A password may hold any of the signs that end one
/// elsewhere, so everything up to the last `@` goes.
fn without_user(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}://{HIDDEN}{}", &value[..start], &value[end..])
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_by_key_and_by_what_they_look_like() {
        for key in [
            "sasl.jaas.config",
            "consumer.sasl.jaas.config",
            "ssl.keystore.password",
            "ssl.keystore.key",
            "value.converter.basic.auth.user.info",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "HASH_KEY",
            "DOCDB_PASSWORD",
            "sasl.oauthbearer.client.credentials.client.secret",
        ] {
            assert_eq!(shown(key, "s3cr3t"), HIDDEN, "{key}");
        }
        for key in [
            "key.converter",
            "sasl.oauthbearer.token.endpoint.url",
            "group.id",
            "HASH_KEY_FILE",
            "HASH_KEY_SECRET",
            "HASH_KEY_ENCODING",
        ] {
            assert_eq!(shown(key, "plain"), "plain", "{key}");
        }
        let line = "x.ScramLoginModule required username=\"u\" password=\"s3cr3t\";";
        assert_eq!(shown("sasl.jass.config", line), HIDDEN);
        assert_eq!(shown("sasl.jaas.config", "${file:/a:b}"), "${file:/a:b}");
        assert_eq!(shown("ssl.key.password", ""), "");
    }

    #[test]
    fn an_address_is_shown_without_who_signs_in_there() {
        for (value, expected) in [
            ("mongodb://u:p@s/s@h:1/d", "mongodb://[hidden]@h:1/d"),
            ("http://h:1/x", "http://h:1/x"),
            ("a@b://c", "a@b://c"),
            ("b-1:9092,b-2:9092", "b-1:9092,b-2:9092"),
        ] {
            assert_eq!(shown("x", value), expected);
        }
    }

    proptest! {
        #[test]
        fn no_value_brings_it_to_a_fall(key in "\\PC{0,20}", value in "\\PC{0,60}") {
            let found = shown(&key, &value);
            prop_assert!(found == HIDDEN || !found.is_empty() || value.is_empty());
        }

        #[test]
        fn a_password_in_an_address_is_never_shown(
            before in "[a-z]{0,5}", user in "[a-z]{1,5}", password in "[A-Z]{8}", host in "[a-z]{1,9}",
        ) {
            let found = shown("x", &format!("{before}://{user}:{password}@{host}/d"));
            prop_assert!(!found.contains(&password));
        }
    }
}
