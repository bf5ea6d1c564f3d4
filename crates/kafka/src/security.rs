//! Security: TLS and sign-in by Kafka's property names, resolved once when the settings are read.

mod config;
mod elsewhere;
mod iam;
mod jaas;
mod kept;
mod oidc;
mod sasl;
mod scram;
mod tls;
mod tls_stream;
mod token;

pub use config::{OAuthConfig, SecurityConfig};
pub use elsewhere::{jaas_user, tls, token_source};
pub(crate) use sasl::{Prepared, authenticate};
pub use tls::{Tls, explain as explain_tls};
pub use tls_stream::TlsStream;
pub use token::{Token, TokenError, TokenSource};

use jaas::Jaas;
use millstream_core::Password;
use std::sync::Arc;

/// What says of a Kafka listener that TLS is spoken there.
pub(crate) const TLS_SETTINGS: &str = "security.protocol and the port";

/// Kafka's names of what this client speaks.
mod mechanism {
    pub(super) const PLAIN: &str = "PLAIN";
    pub(super) const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
    pub(super) const SCRAM_SHA_512: &str = "SCRAM-SHA-512";
    pub(super) const OAUTHBEARER: &str = "OAUTHBEARER";
    pub(super) const AWS_MSK_IAM: &str = "AWS_MSK_IAM";
}

/// The settings resolved: stores read, credentials parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) sasl: Option<Credentials>,
}

/// Who signs in, and how.
#[derive(Clone)]
pub(crate) enum Credentials {
    Plain(User),
    Scram(scram::Hash, User),
    Token(Arc<dyn TokenSource>),
    /// `AWS_MSK_IAM`: what the source makes is the whole message.
    Iam(Arc<dyn TokenSource>),
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: Password,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials([hidden])")
    }
}

impl Security {
    /// Reads stores and credentials; a token source given by the program goes before one that settings name.
    /// Whoever `is_local` sends nothing over a network.
    pub(crate) fn new(
        config: &SecurityConfig,
        oauth: &OAuthConfig,
        source: Option<Arc<dyn TokenSource>>,
        is_local: bool,
        errors: &mut Vec<String>,
    ) -> Self {
        let protocol = config.security_protocol.to_ascii_uppercase();
        let protocol = protocol.as_str();
        let mut security = Security::default();
        if matches!(protocol, "SSL" | "SASL_SSL") {
            match Tls::new(config) {
                Ok(tls) => security.tls = Some(Arc::new(tls)),
                Err(error) => errors.push(error),
            }
        }
        if matches!(protocol, "SASL_PLAINTEXT" | "SASL_SSL") {
            let is_private = protocol == "SASL_SSL" || is_local;
            match credentials(config, oauth, source, is_private) {
                Ok(credentials) => security.sasl = Some(credentials),
                Err(found) => errors.extend(found),
            }
        }
        security
    }
}

fn credentials(
    config: &SecurityConfig,
    oauth: &OAuthConfig,
    source: Option<Arc<dyn TokenSource>>,
    is_private: bool,
) -> Result<Credentials, Vec<String>> {
    let jaas = match &config.sasl_jaas_config {
        Some(text) => Some(Jaas::parse(text.reveal()).map_err(|error| vec![error])?),
        None => None,
    };
    let jaas = jaas.as_ref();
    let mut errors = check_handlers(config);
    let made = match config.sasl_mechanism.as_str() {
        mechanism::PLAIN => user(config, jaas).map(Credentials::Plain),
        mechanism::SCRAM_SHA_256 => {
            user(config, jaas).map(|user| Credentials::Scram(scram::Hash::Sha256, user))
        }
        mechanism::SCRAM_SHA_512 => {
            user(config, jaas).map(|user| Credentials::Scram(scram::Hash::Sha512, user))
        }
        mechanism::OAUTHBEARER => match source {
            Some(source) => Ok(Credentials::Token(source)),
            None if iam::is_asked_for(config) => {
                iam::bearer(jaas, is_private).map(Credentials::Token)
            }
            None => oidc::source(config, oauth, jaas).map(Credentials::Token),
        },
        mechanism::AWS_MSK_IAM => iam::native(jaas, is_private).map(Credentials::Iam),
        other => Err(vec![format!(
            "Invalid value {other} for configuration sasl.mechanism: supported are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER and AWS_MSK_IAM"
        )]),
    };
    match made {
        Ok(credentials) if errors.is_empty() => Ok(credentials),
        Ok(_) => Err(errors),
        Err(found) => {
            errors.extend(found);
            Err(errors)
        }
    }
}

/// Classes of Java's cannot run here: those that are known stand for what is built in, and all others are refused.
fn check_handlers(config: &SecurityConfig) -> Vec<String> {
    let mut errors = Vec::new();
    let mechanism = config.sasl_mechanism.as_str();
    let mut check = |key: &str, class: &Option<String>, of: &str, known: &[&str]| {
        let Some(class) = class else {
            return;
        };
        if known.contains(&class.as_str()) && mechanism != of {
            errors.push(format!(
                "{key}: {class} is for sasl.mechanism {of}, not {mechanism}; set one or leave out the other"
            ));
        } else if !known.contains(&class.as_str()) {
            errors.push(format!(
                "{key}: the class {class} is not known here, and Java's classes cannot be loaded; leave it out, or set one of: {}",
                known.join(", ")
            ));
        }
    };
    check(
        "sasl.client.callback.handler.class",
        &config.client_handler,
        mechanism::AWS_MSK_IAM,
        &[iam::CLIENT_HANDLER],
    );
    check(
        "sasl.login.callback.handler.class",
        &config.login_handler,
        mechanism::OAUTHBEARER,
        &[
            iam::LOGIN_HANDLER,
            oidc::LOGIN_HANDLER,
            oidc::FORMER_LOGIN_HANDLER,
            oidc::UNSECURED_LOGIN_HANDLER,
        ],
    );
    errors
}

fn user(config: &SecurityConfig, jaas: Option<&Jaas>) -> Result<User, Vec<String>> {
    let missing = |what| {
        vec![format!(
            "sasl.jaas.config names no {what}, which sasl.mechanism {} needs; write it as: org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\";",
            config.sasl_mechanism
        )]
    };
    let option = |key| jaas.and_then(|jaas| jaas.option(key));
    Ok(User {
        name: option("username")
            .ok_or_else(|| missing("username"))?
            .to_owned(),
        password: Password::new(option("password").ok_or_else(|| missing("password"))?),
    })
}

#[cfg(test)]
mod tests {
    use crate::ClientSettings;
    use millstream_core::Properties;

    fn said(pairs: &[(&str, &str)]) -> String {
        let base = [
            (
                "bootstrap.servers",
                "b-1.kafka.eu-west-1.amazonaws.com:9098",
            ),
            ("security.protocol", "SASL_SSL"),
        ];
        let properties = Properties::from_iter(base.iter().chain(pairs).copied());
        let read = ClientSettings::from_properties(&properties);
        read.map_or_else(|errors| errors.to_string(), |_| String::new())
    }

    const MECHANISM: &str = "sasl.mechanism";
    const CLIENT: &str = "sasl.client.callback.handler.class";
    const LOGIN: &str = "sasl.login.callback.handler.class";
    const IAM: &str = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
    const IAM_LOGIN: &str = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";

    #[test]
    fn what_java_users_write_is_taken_and_everything_else_named() {
        let jaas = |line: &'static str| ("sasl.jaas.config", line);
        let iam = jaas("software.amazon.msk.auth.iam.IAMLoginModule required;");
        let user = jaas("x.PlainLoginModule required username=a password=b;");
        let aws = (MECHANISM, "AWS_MSK_IAM");
        for good in [
            &[aws, iam, (CLIENT, IAM)][..],
            &[aws],
            &[(MECHANISM, "OAUTHBEARER"), (LOGIN, IAM_LOGIN)],
            &[(MECHANISM, "PLAIN"), user],
        ] {
            assert_eq!(said(good), "", "{good:?}");
        }
        for (bad, words) in [
            (
                &[aws, ("security.protocol", "SASL_PLAINTEXT")][..],
                "needs security.protocol=SASL_SSL",
            ),
            (
                &[aws, (CLIENT, "my.Handler")],
                "my.Handler is not known here",
            ),
            (
                &[(MECHANISM, "PLAIN"), user, (CLIENT, IAM)],
                "is for sasl.mechanism AWS_MSK_IAM, not PLAIN",
            ),
            (
                &[aws, (LOGIN, IAM_LOGIN)],
                "is for sasl.mechanism OAUTHBEARER",
            ),
            (
                &[(MECHANISM, "OAUTHBEARER")],
                "sasl.oauthbearer.token.endpoint.url",
            ),
            (&[(MECHANISM, "GSSAPI")], "supported are PLAIN"),
            (
                &[aws, ("sasl.login.refresh.window.factor", "0.4")],
                "Value must be at least 0.5",
            ),
            (
                &[aws, ("sasl.login.refresh.window.jitter", "NaN")],
                "Value must be no more than 0.25",
            ),
            (
                &[aws, ("sasl.oauthbearer.assertion.algorithm", "HS256")],
                "RS256, ES256",
            ),
        ] {
            let said = said(bad);
            assert!(said.contains(words), "{bad:?}: {said}");
        }
    }
}
