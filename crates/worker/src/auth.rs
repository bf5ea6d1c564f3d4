//! Auth: who may use the REST API. Users and passwords as Java's basic-auth extension reads them, and tokens, which are ours.

mod jaas_file;

use crate::config::{WorkerSettings, parse_properties};
use crate::reloading::Reloading;
use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use millstream_core::Properties;
use sha2::{Digest, Sha256};
use std::fs;
use subtle::ConstantTimeEq;

/// The extension that Java users name in `rest.extension.classes`.
pub(crate) const BASIC_AUTH: &str =
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

/// Knows users and tokens. The files that hold them are read again when they change.
pub(crate) struct Authenticator {
    users: Option<Reloading<Properties>>,
    tokens: Option<Reloading<Properties>>,
}

impl Authenticator {
    /// `None`: everybody may use the API.
    ///
    /// # Errors
    /// If users or tokens are to be asked for and cannot be read, or there are none.
    pub(crate) fn new(settings: &WorkerSettings) -> Result<Option<Self>, String> {
        let config = &settings.config;
        let is_basic = config.rest_extensions.iter().any(|one| one == BASIC_AUTH);
        let users = is_basic.then(|| users(config.login_config.as_deref()));
        let tokens = config.bearer_tokens.as_deref().map(secrets);
        let authenticator = Authenticator {
            users: users.transpose()?,
            tokens: tokens.transpose()?,
        };
        let is_open = authenticator.users.is_none() && authenticator.tokens.is_none();
        Ok((!is_open).then_some(authenticator))
    }

    /// Whether an `Authorization` header is that of somebody who is known.
    pub(crate) fn knows(&self, header: Option<&HeaderValue>) -> bool {
        let header = header.and_then(|header| header.to_str().ok());
        let Some((scheme, credentials)) = header.and_then(|header| header.split_once(' ')) else {
            return false;
        };
        if scheme.eq_ignore_ascii_case("basic") {
            self.knows_user(credentials)
        } else {
            scheme.eq_ignore_ascii_case("bearer") && self.knows_token(credentials.trim())
        }
    }

    fn knows_user(&self, credentials: &str) -> bool {
        let Some(users) = &self.users else {
            return false;
        };
        let decoded = BASE64_STANDARD.decode(credentials.trim());
        let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':'))
        else {
            return false;
        };
        let users = users.current();
        let known = users.get(user);
        // A user who is not there takes as long as a wrong password.
        let is_right = is_same(known.unwrap_or_default(), password);
        known.is_some() && is_right
    }

    fn knows_token(&self, token: &str) -> bool {
        let Some(tokens) = &self.tokens else {
            return false;
        };
        let tokens = tokens.current();
        // All are looked at, so that the time does not tell which one is close. A name without a token has none.
        let known = tokens.iter().filter(|(_, known)| is_same(known, token));
        known.count() > 0 && !token.is_empty()
    }

    /// Whether it asks for tokens.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.tokens.is_some()
    }
}

/// In a time that tells neither where they differ nor how long they are.
fn is_same(known: &str, given: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(known)[..].ct_eq(&digest(given)[..]).into()
}

/// The users of the file that the login configuration names.
fn users(login_config: Option<&str>) -> Result<Reloading<Properties>, String> {
    let path = login_config.ok_or(
        "the basic-auth extension needs a JAAS file: name it with millstream.rest.login.config, or with -Djava.security.auth.login.config in KAFKA_OPTS",
    )?;
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read the JAAS file {path}: {error}"))?;
    let file = jaas_file::credentials_file(&text).map_err(|why| format!("{path}: {why}"))?;
    secrets(&file)
}

/// Names with their secrets from a properties file, of which there must be one at least.
fn secrets(path: &str) -> Result<Reloading<Properties>, String> {
    let file = path.to_owned();
    Reloading::new(vec![path.to_owned()], move || {
        let bytes = fs::read(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
        let found = parse_properties(&bytes).map_err(|error| format!("{file}: {error}"))?;
        if found.iter().all(|(_, secret)| secret.is_empty()) {
            return Err(format!(
                "{file}: there is nobody in it who may use the REST API"
            ));
        }
        Ok(found)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn knows(authenticator: &Authenticator, header: &str) -> bool {
        authenticator.knows(Some(&HeaderValue::from_str(header).unwrap()))
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    fn settings(more: &[(&str, &str)]) -> WorkerSettings {
        WorkerSettings::minimal(more).unwrap()
    }

    #[test]
    fn knows_users_by_their_passwords_and_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (jaas, users, tokens) = (path("jaas"), path("users"), path("tokens"));
        let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
        fs::write(
            &jaas,
            format!("KafkaConnect {{ {module} required file=\"{users}\"; }};"),
        )
        .unwrap();
        fs::write(&users, "alice=secret:with:colons\nbob=\n").unwrap();
        fs::write(&tokens, "dashboard=t0ken\nnobody=\n").unwrap();
        let both = settings(&[
            ("rest.extension.classes", BASIC_AUTH),
            ("millstream.rest.login.config", &jaas),
            ("millstream.rest.bearer.tokens.file", &tokens),
        ]);
        let both = Authenticator::new(&both).unwrap().unwrap();
        assert!(knows(&both, &basic("alice:secret:with:colons")));
        assert!(knows(
            &both,
            &basic("alice:secret:with:colons").replace("Basic", "bAsIc")
        ));
        let blanks = basic("alice:secret:with:colons").replace(' ', "  ");
        assert!(knows(&both, &blanks));
        assert!(knows(&both, "Bearer t0ken"));
        for wrong in [
            &*basic("alice:secret"),
            &basic("carol:secret"),
            &basic("alice"),
            &basic(""),
            "Basic",
            "Basic !!!",
            "Bearer t0ke",
            "Bearer ",
            "Bearer secret:with:colons",
            "Digest t0ken",
        ] {
            assert!(!knows(&both, wrong), "{wrong}");
        }
        assert!(!both.knows(None));
        let tokens = settings(&[("millstream.rest.bearer.tokens.file", &tokens)]);
        let tokens = Authenticator::new(&tokens).unwrap().unwrap();
        assert!(knows(&tokens, "Bearer t0ken"));
        assert!(!knows(&tokens, &basic("alice:secret:with:colons")));
        assert!(Authenticator::new(&settings(&[])).unwrap().is_none());
    }

    #[test]
    fn nobody_is_let_in_by_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty").display().to_string();
        fs::write(&empty, "# nobody\n").unwrap();
        for (more, expected) in [
            (&[("rest.extension.classes", BASIC_AUTH)][..], "JAAS file"),
            (
                &[
                    ("rest.extension.classes", BASIC_AUTH),
                    ("millstream.rest.login.config", "/nowhere"),
                ],
                "/nowhere",
            ),
            (
                &[("millstream.rest.bearer.tokens.file", &*empty)],
                "there is nobody in it",
            ),
        ] {
            let error = Authenticator::new(&settings(more)).err().unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }
}
