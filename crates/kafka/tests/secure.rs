//! Signing in to a real broker. `MILLSTREAM_KAFKA_SECURE` names the file with what `kafka up --secure` printed.
//! Without the variable each test says so and passes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use millstream_core::Properties;
use millstream_kafka::{Admin, ClientSettings};
use std::collections::HashMap;

struct Cluster(HashMap<String, String>);

impl Cluster {
    fn named() -> Option<Self> {
        let Ok(path) = std::env::var("MILLSTREAM_KAFKA_SECURE") else {
            println!("skipped: MILLSTREAM_KAFKA_SECURE names no file");
            return None;
        };
        let text = std::fs::read_to_string(path).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Some(Cluster(
            pairs
                .map(|(k, v)| (k.to_owned(), v.trim_matches('\'').to_owned()))
                .collect(),
        ))
    }

    /// What became of listing the topics with these settings; `$NAME` stands for what the cluster printed.
    async fn outcome(&self, config: &[(&str, &str)]) -> Result<(), String> {
        let mut properties = Properties::from_iter([("default.api.timeout.ms", "5000")]);
        for (key, value) in config {
            let mut value = (*value).to_owned();
            // Longer names first, so that none is taken for the beginning of another.
            let mut names: Vec<&String> = self.0.keys().collect();
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
            for name in names {
                value = value.replace(&format!("${name}"), &self.0[name]);
            }
            properties.insert(*key, value);
        }
        let settings = ClientSettings::from_properties(&properties).map_err(|e| e.to_string())?;
        let listed = Admin::new(settings).list_topics().await;
        listed.map(|_| ()).map_err(|e| e.to_string())
    }

    async fn check(&self, config: &[(&str, &str)]) {
        assert_eq!(self.outcome(config).await, Ok(()), "{config:?}");
    }

    async fn check_refused(&self, config: &[(&str, &str)], words: &[&str]) {
        let error = self.outcome(config).await.expect_err("a refusal");
        println!("{error}");
        for word in words {
            assert!(error.contains(word), "no {word} in {error}");
        }
        assert!(!error.contains("alice-secret"));
    }
}

const JAAS: &str = "x.LoginModule required username=\"$SASL_USER\" password=\"$SASL_PASSWORD\";";
const CA: (&str, &str) = ("ssl.truststore.location", "$CA_PEM");
const TLS: (&str, &str) = ("security.protocol", "SASL_SSL");

#[tokio::test]
async fn authenticates_by_every_mechanism() {
    let Some(cluster) = Cluster::named() else {
        return;
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let user = [("sasl.mechanism", mechanism), ("sasl.jaas.config", JAAS)];
        let tls = [("bootstrap.servers", "$SASL_SSL"), TLS, CA];
        cluster.check(&[&user[..], &tls].concat()).await;
        let plain = [
            ("bootstrap.servers", "$SASL_PLAINTEXT"),
            ("security.protocol", "SASL_PLAINTEXT"),
        ];
        cluster.check(&[&user[..], &plain].concat()).await;
    }
    let token = "x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"$SASL_USER\";";
    cluster
        .check(&[
            ("bootstrap.servers", "$OAUTHBEARER"),
            TLS,
            CA,
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", token),
        ])
        .await;
}

#[tokio::test]
async fn shows_a_client_certificate() {
    let Some(cluster) = Cluster::named() else {
        return;
    };
    let ssl = [
        ("bootstrap.servers", "$SSL"),
        ("security.protocol", "SSL"),
        CA,
    ];
    let key = std::fs::read_to_string(&cluster.0["CLIENT_KEY_PEM"]).unwrap();
    let chain = std::fs::read_to_string(&cluster.0["CLIENT_CERT_PEM"]).unwrap();
    let identity = [
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", key.as_str()),
        ("ssl.keystore.certificate.chain", chain.as_str()),
    ];
    cluster.check(&[&ssl[..], &identity].concat()).await;
    cluster
        .check_refused(
            &ssl,
            &[
                "TLS handshake failed",
                "the server rejects the client certificate",
                "ssl.keystore.location",
            ],
        )
        .await;
}

#[tokio::test]
async fn says_what_is_wrong() {
    let Some(cluster) = Cluster::named() else {
        return;
    };
    let sasl = |jaas: &'static str, mechanism: &'static str| {
        [
            ("bootstrap.servers", "$SASL_SSL"),
            TLS,
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", jaas),
        ]
    };
    let wrong = "x.M required username=\"$SASL_USER\" password=\"wrong\";";
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        cluster
            .check_refused(
                &[&sasl(wrong, mechanism)[..], &[CA]].concat(),
                &[
                    "authentication failed at 127.0.0.1",
                    "alice",
                    "sasl.jaas.config",
                ],
            )
            .await;
    }
    let good = sasl(JAAS, "PLAIN");
    cluster
        .check_refused(
            &good,
            &[
                "TLS handshake failed",
                "unknown certificate authority",
                "ssl.truststore.location",
            ],
        )
        .await;
    let store = [CA, ("ssl.truststore.location", "$DIR/tls/trust.p12")];
    cluster
        .check_refused(&[&good[..], &store].concat(), &["openssl pkcs12 -in"])
        .await;
    let plain = [("bootstrap.servers", "$SASL_SSL")];
    cluster.check_refused(&plain, &["speaks TLS"]).await;
    let tls = [
        ("bootstrap.servers", "$BOOTSTRAP"),
        ("security.protocol", "SSL"),
        CA,
    ];
    cluster.check_refused(&tls, &["may not speak TLS"]).await;
    let kerberos = [("sasl.mechanism", "GSSAPI")];
    cluster
        .check_refused(
            &[&good[..], &kerberos].concat(),
            &["GSSAPI", "supported are"],
        )
        .await;
}
