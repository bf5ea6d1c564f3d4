//! The settings of TLS and sign-in under Kafka's names.

use millstream_core::config::validator::invalid;
use millstream_core::config::{Importance, Key, Kind, Parsed, Validator};
use millstream_core::{Password, config_def};

config_def! {
    /// Everything that says how to trust a broker and how to be trusted by it.
    pub struct SecurityConfig {
        pub security_protocol: String = Key::new("security.protocol", Kind::String, "PLAINTEXT")
            .validator(Validator::OneOfIgnoringCase(&PROTOCOLS))
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
            .doc("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM."),
        pub sasl_jaas_config: Option<Password> = Key::null("sasl.jaas.config", Kind::Password)
            .doc("The login module with its options, as Java clients write it: `…LoginModule required username=\"…\" password=\"…\";`."),
        pub client_handler: Option<String> = Key::null("sasl.client.callback.handler.class", Kind::Class)
            .doc("With `AWS_MSK_IAM`: `software.amazon.msk.auth.iam.IAMClientCallbackHandler`, which may be left out."),
        pub login_handler: Option<String> = Key::null("sasl.login.callback.handler.class", Kind::Class)
            .doc("With OAUTHBEARER: where tokens come from. `software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler` signs them with AWS credentials, Kafka's `OAuthBearerLoginCallbackHandler` asks `sasl.oauthbearer.token.endpoint.url`. Left out, what else is set decides between the latter and unsecured tokens."),
    }
}

config_def! {
    /// What OAUTHBEARER needs besides: where tokens come from, how to ask for them, and when to renew them.
    pub struct OAuthConfig {
        pub token_endpoint: Option<String> = Key::null("sasl.oauthbearer.token.endpoint.url", Kind::String)
            .doc("The token endpoint (`https:`, `http:`) that is asked for a token, or a `file:` address whose file holds it; the file is read anew for each authentication."),
        pub retriever: String = Key::new("sasl.oauthbearer.jwt.retriever.class", Kind::Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever")
            .doc("How the endpoint is asked: `DefaultJwtRetriever` and `ClientCredentialsJwtRetriever` with the client's own credentials (`client_credentials`), `JwtBearerJwtRetriever` with an assertion as the grant (`jwt-bearer`), `FileJwtRetriever` reads the file."),
        pub client_id: Option<String> = Key::null("sasl.oauthbearer.client.credentials.client.id", Kind::String)
            .doc("The client's id; goes before `clientId` in `sasl.jaas.config`."),
        pub client_secret: Option<Password> = Key::null("sasl.oauthbearer.client.credentials.client.secret", Kind::Password)
            .doc("The client's secret; goes before `clientSecret` in `sasl.jaas.config`."),
        pub scope: Option<String> = Key::null("sasl.oauthbearer.scope", Kind::String)
            .doc("The scope to ask for; goes before `scope` in `sasl.jaas.config`."),
        pub urlencodes_header: bool = Key::new("sasl.oauthbearer.header.urlencode", Kind::Boolean, "false")
            .importance(Importance::Low)
            .doc("Whether id and secret are URL-encoded in the authorization header, as RFC 6749 has it; not every endpoint decodes them."),
        pub assertion_algorithm: String = Key::new("sasl.oauthbearer.assertion.algorithm", Kind::String, "RS256")
            .validator(Validator::Check(check_algorithm))
            .doc("How assertions are signed: RS256 or ES256."),
        pub assertion_aud: Option<String> = Key::null("sasl.oauthbearer.assertion.claim.aud", Kind::String)
            .doc("Claim `aud` of the assertion."),
        pub assertion_exp_seconds: i32 = Key::new("sasl.oauthbearer.assertion.claim.exp.seconds", Kind::Int, "300")
            .importance(Importance::Low)
            .validator(Validator::Between(0, 86_400))
            .doc("Seconds that an assertion is valid."),
        pub assertion_iss: Option<String> = Key::null("sasl.oauthbearer.assertion.claim.iss", Kind::String)
            .doc("Claim `iss` of the assertion. With it, `client_credentials` prove who asks by an assertion instead of a secret."),
        pub assertion_has_jti: bool = Key::new("sasl.oauthbearer.assertion.claim.jti.include", Kind::Boolean, "false")
            .doc("Whether each assertion has a `jti`, a random name of its own."),
        pub assertion_nbf_seconds: i32 = Key::new("sasl.oauthbearer.assertion.claim.nbf.seconds", Kind::Int, "60")
            .importance(Importance::Low)
            .validator(Validator::Between(0, 3_600))
            .doc("Seconds before now from which on an assertion is valid, for clocks that differ."),
        pub assertion_sub: Option<String> = Key::null("sasl.oauthbearer.assertion.claim.sub", Kind::String)
            .doc("Claim `sub` of the assertion."),
        pub assertion_file: Option<String> = Key::null("sasl.oauthbearer.assertion.file", Kind::String)
            .doc("A file with an assertion that somebody else keeps valid; it is read for each request and goes before one made here."),
        pub assertion_key_file: Option<String> = Key::null("sasl.oauthbearer.assertion.private.key.file", Kind::String)
            .doc("PEM file with the private key that signs assertions."),
        pub assertion_key_passphrase: Option<Password> = Key::null("sasl.oauthbearer.assertion.private.key.passphrase", Kind::Password)
            .doc("Refused: encrypted keys have to be decrypted first."),
        pub assertion_template: Option<String> = Key::null("sasl.oauthbearer.assertion.template.file", Kind::String)
            .doc("JSON file with `header` and `payload` that an assertion begins with; the settings go before it."),
        pub connect_timeout_ms: Option<i32> = Key::null("sasl.login.connect.timeout.ms", Kind::Int)
            .importance(Importance::Low)
            .doc("Longest wait for a connection to the endpoint; 10 s unless set."),
        pub read_timeout_ms: Option<i32> = Key::null("sasl.login.read.timeout.ms", Kind::Int)
            .importance(Importance::Low)
            .doc("Longest wait for the endpoint's answer; 10 s unless set."),
        pub retry_backoff_ms: i64 = Key::new("sasl.login.retry.backoff.ms", Kind::Long, "100")
            .importance(Importance::Low)
            .validator(Validator::AtLeast(1))
            .doc("First pause before the endpoint is asked again; each is twice the one before."),
        pub retry_backoff_max_ms: i64 = Key::new("sasl.login.retry.backoff.max.ms", Kind::Long, "10000")
            .importance(Importance::Low)
            .validator(Validator::Between(1, 60_000))
            .doc("Time after which the endpoint is not asked again for the same sign-in."),
        pub window_factor: f64 = Key::new("sasl.login.refresh.window.factor", Kind::Double, "0.8")
            .importance(Importance::Low)
            .validator(Validator::Check(|name, value| check_within(name, value, 0.5, 1.0)))
            .doc("Share of a token's life after which it is renewed."),
        pub window_jitter: f64 = Key::new("sasl.login.refresh.window.jitter", Kind::Double, "0.05")
            .importance(Importance::Low)
            .validator(Validator::Check(|name, value| check_within(name, value, 0.0, 0.25)))
            .doc("Up to this share of its life is added at random."),
        pub min_period_seconds: i16 = Key::new("sasl.login.refresh.min.period.seconds", Kind::Short, "60")
            .importance(Importance::Low)
            .validator(Validator::Between(0, 900))
            .doc("Least time before a token is renewed, unless it lives too short for that."),
        pub buffer_seconds: i16 = Key::new("sasl.login.refresh.buffer.seconds", Kind::Short, "300")
            .importance(Importance::Low)
            .validator(Validator::Between(0, 3_600))
            .doc("Time before a token's end at which it is renewed at the latest, unless it lives too short for that."),
    }
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

fn check_algorithm(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if Algorithm::named(text).is_some() => Ok(()),
        _ => Err(invalid(name, value, "String must be one of: RS256, ES256")),
    }
}

fn check_within(name: &str, value: Option<&Parsed>, low: f64, high: f64) -> Result<(), String> {
    match value {
        Some(Parsed::Double(number)) if *number < low => {
            let why = format!("Value must be at least {low}");
            Err(invalid(name, value, &why))
        }
        Some(Parsed::Double(number)) if number.is_nan() || *number > high => {
            let why = format!("Value must be no more than {high}");
            Err(invalid(name, value, &why))
        }
        _ => Ok(()),
    }
}

/// How a private key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    /// Java takes the names in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Algorithm::Rs256, Algorithm::Es256]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        }
    }
}
