//! Security: TLS and sign-in by Kafka's property names, resolved once when the settings are read.

mod jaas;
mod sasl;
mod scram;
mod tls;
mod token;

pub(crate) use sasl::authenticate;
pub(crate) use tls::explain as explain_tls;
pub use token::{Token, TokenSource};

use jaas::Jaas;
use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind, Parsed, Validator};
use millstream_core::{Password, config_def};
use std::sync::Arc;
use tls::Tls;

config_def! {
    /// Everything that says how to trust a broker and how to be trusted by it.
    pub struct SecurityConfig {
        pub security_protocol: String = Key::new("security.protocol", Kind::String, "PLAINTEXT")
            .validator(Validator::Check(check_protocol))
            .doc("How to speak to brokers: with TLS or without, with SASL authentication or without."),
        pub truststore_location: Option<String> = Key::null("ssl.truststore.location", Kind::String)
            .doc("PEM file with the certificates of the authorities to trust; without one those of the system."),
        pub truststore_certificates: Option<Password> = Key::null("ssl.truststore.certificates", Kind::Password)
            .doc("The same as text."),
        pub truststore_type: Option<String> = Key::null("ssl.truststore.type", Kind::String)
            .doc("PEM; JKS and PKCS12 are refused with the command that converts them."),
        pub truststore_password: Option<Password> = Key::null("ssl.truststore.password", Kind::Password)
            .doc("Not used: PEM files have none."),
        pub keystore_location: Option<String> = Key::null("ssl.keystore.location", Kind::String)
            .doc("PEM file with the client's private key and its certificates."),
        pub keystore_certificate_chain: Option<Password> = Key::null("ssl.keystore.certificate.chain", Kind::Password)
            .doc("The client's certificates as text."),
        pub keystore_key: Option<Password> = Key::null("ssl.keystore.key", Kind::Password)
            .doc("The client's private key as text."),
        pub keystore_type: Option<String> = Key::null("ssl.keystore.type", Kind::String)
            .doc("PEM; JKS and PKCS12 are refused with the command that converts them."),
        pub keystore_password: Option<Password> = Key::null("ssl.keystore.password", Kind::Password)
            .doc("Not used: PEM files have none."),
        pub key_password: Option<Password> = Key::null("ssl.key.password", Kind::Password)
            .doc("Refused: encrypted keys have to be decrypted first."),
        pub endpoint_identification: String = Key::new("ssl.endpoint.identification.algorithm", Kind::String, "https")
            .doc("`https` checks that the broker's certificate is for its host name; empty does not."),
        pub sasl_mechanism: String = Key::new("sasl.mechanism", Kind::String, "GSSAPI")
            .doc("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."),
        pub sasl_jaas_config: Option<Password> = Key::null("sasl.jaas.config", Kind::Password)
            .doc("User and password as Java clients write them: `…LoginModule required username=\"…\" password=\"…\";`."),
        pub token_endpoint: Option<String> = Key::null("sasl.oauthbearer.token.endpoint.url", Kind::String)
            .doc("A `file:` address whose file holds the token; it is read anew for each authentication."),
    }
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Java takes these in any case.
fn check_protocol(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if PROTOCOLS.iter().any(|p| p.eq_ignore_ascii_case(text)) => {
            Ok(())
        }
        _ => Err(invalid(
            name,
            value,
            &format!(
                "String must be one of (case insensitive): {}",
                PROTOCOLS.join(", ")
            ),
        )),
    }
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
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: Password,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.mechanism())
    }
}

impl Credentials {
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Credentials::Plain(_) => "PLAIN",
            Credentials::Scram(hash, _) => hash.mechanism(),
            Credentials::Token(_) => "OAUTHBEARER",
        }
    }
}

impl Security {
    /// Reads stores and credentials; a token source given by the program goes before one that settings name.
    pub(crate) fn new(
        config: &SecurityConfig,
        source: Option<Arc<dyn TokenSource>>,
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
            match credentials(config, source) {
                Ok(credentials) => security.sasl = Some(credentials),
                Err(error) => errors.push(error),
            }
        }
        security
    }
}

fn credentials(
    config: &SecurityConfig,
    source: Option<Arc<dyn TokenSource>>,
) -> Result<Credentials, String> {
    let jaas = match &config.sasl_jaas_config {
        Some(text) => Some(Jaas::parse(text.reveal())?),
        None => None,
    };
    let user = || {
        let missing = |what| {
            format!(
                "sasl.jaas.config names no {what}, which sasl.mechanism {} needs; write it as: org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\";",
                config.sasl_mechanism
            )
        };
        let option = |key| jaas.as_ref().and_then(|jaas| jaas.option(key));
        Ok::<_, String>(User {
            name: option("username")
                .ok_or_else(|| missing("username"))?
                .to_owned(),
            password: Password::new(option("password").ok_or_else(|| missing("password"))?),
        })
    };
    match config.sasl_mechanism.as_str() {
        "PLAIN" => Ok(Credentials::Plain(user()?)),
        "SCRAM-SHA-256" => Ok(Credentials::Scram(scram::Hash::Sha256, user()?)),
        "SCRAM-SHA-512" => Ok(Credentials::Scram(scram::Hash::Sha512, user()?)),
        "OAUTHBEARER" => match source {
            Some(source) => Ok(Credentials::Token(source)),
            None => token::from_settings(config.token_endpoint.as_deref(), jaas.as_ref())
                .map(Credentials::Token),
        },
        other => Err(format!(
            "Invalid value {other} for configuration sasl.mechanism: supported are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER"
        )),
    }
}
