//! TLS for the REST API: who we are and whom we trust, from Java's `ssl.*` settings; as the one who is called and as the one
//! who calls. Stores that change on disk are read again.

mod client;
mod server;
mod stores;

pub(crate) use client::{ClientTls, explain};
pub(crate) use server::ServerTls;

use millstream_core::config::{Importance, Key, Kind, Password, Validator};
use millstream_core::{Properties, config_def};

config_def! {
    /// Everything about TLS that listeners and requests to other workers need.
    pub struct ListenerTlsConfig {
        pub client_auth: String = Key::new("ssl.client.auth", Kind::String, "none").importance(Importance::Low)
            .validator(Validator::OneOf(&["required", "requested", "none"]))
            .doc("Whether clients show a certificate: they must (required), may (requested) or are not asked (none)."),
        pub keystore_location: Option<String> = Key::null("ssl.keystore.location", Kind::String).importance(Importance::High)
            .doc("File with this worker's private key and its certificates: PEM or PKCS#12. It is read again when it changes."),
        pub keystore_password: Option<Password> = Key::null("ssl.keystore.password", Kind::Password).importance(Importance::High)
            .doc("Password of a PKCS#12 file."),
        pub keystore_type: Option<String> = Key::null("ssl.keystore.type", Kind::String).importance(Importance::Medium)
            .doc("Not needed: what a file is shows when it is read. JKS is refused with the command that converts it."),
        pub key_password: Option<Password> = Key::null("ssl.key.password", Kind::Password).importance(Importance::High)
            .doc("Password of a private key in a PEM text that is encrypted; such keys are refused with the command that decrypts them."),
        pub keystore_key: Option<Password> = Key::null("ssl.keystore.key", Kind::Password).importance(Importance::High)
            .doc("The private key as PEM text, in the place of a file."),
        pub keystore_certificate_chain: Option<Password> = Key::null("ssl.keystore.certificate.chain", Kind::Password).importance(Importance::High)
            .doc("The certificates as PEM text, in the place of a file."),
        pub truststore_location: Option<String> = Key::null("ssl.truststore.location", Kind::String).importance(Importance::High)
            .doc("File with the certificates of the authorities to trust: PEM or PKCS#12; without one those of the system. It is read again when it changes."),
        pub truststore_password: Option<Password> = Key::null("ssl.truststore.password", Kind::Password).importance(Importance::High)
            .doc("Password of a PKCS#12 file."),
        pub truststore_type: Option<String> = Key::null("ssl.truststore.type", Kind::String).importance(Importance::Medium)
            .doc("As the other type."),
        pub truststore_certificates: Option<Password> = Key::null("ssl.truststore.certificates", Kind::Password).importance(Importance::High)
            .doc("Certificates to trust as PEM text, in the place of a file."),
        pub enabled_protocols: Vec<String> = Key::new("ssl.enabled.protocols", Kind::List, "TLSv1.2,TLSv1.3").importance(Importance::Medium)
            .doc("TLS versions that are spoken: TLSv1.2, TLSv1.3."),
    }
}

/// Which settings count: those of the prefix alone, if there are any; else those without.
pub(crate) fn settings(
    properties: &Properties,
    prefix: &str,
) -> Result<ListenerTlsConfig, Vec<String>> {
    let own = properties.with_prefix(prefix);
    let is_own = own.iter().next().is_some();
    let (config, values) = ListenerTlsConfig::parse(if is_own { &own } else { properties });
    config.ok_or_else(|| {
        let errors = values.into_iter().flat_map(|value| value.errors);
        let place = if is_own {
            format!("{prefix}*: ")
        } else {
            String::new()
        };
        errors.map(|error| format!("{place}{error}")).collect()
    })
}

/// Of the settings for the normal listeners, which requests to other workers use as well.
pub(crate) const LISTENERS: &str = "listeners.https.";
pub(crate) const ADMIN_LISTENERS: &str = "admin.listeners.https.";
