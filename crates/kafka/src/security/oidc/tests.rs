//! Tokens over the wire: from an endpoint that checks who asks.
#![allow(clippy::unwrap_used)]

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millstream_embedded::token_endpoint::{Reply, TokenEndpoint, TokenRule};
use serde_json::Value;

const SECRET: &str = "top-secret+/";

async fn endpoint(client_secret: Option<&str>) -> TokenEndpoint {
    let rule = TokenRule {
        client_id: "me".to_owned(),
        client_secret: client_secret.map(str::to_owned),
        scopes: vec!["kafka".to_owned(), "more".to_owned()],
        signed_with: None,
        lifetime: Duration::from_secs(3_600),
    };
    TokenEndpoint::start(rule).await.unwrap()
}

/// The source by these settings; `URL` stands for the endpoint's address.
fn source_of(url: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let quick = [("sasl.login.retry.backoff.max.ms", "1"), (ENDPOINT, url)];
    let mut properties = Properties::from_iter(quick);
    for (key, value) in settings {
        properties.insert(*key, *value);
    }
    let mut errors = Vec::new();
    let config = collect(SecurityConfig::parse(&properties), &mut errors).unwrap();
    let oauth = collect(OAuthConfig::parse(&properties), &mut errors).unwrap();
    assert_eq!(errors, [""; 0]);
    let jaas = config.sasl_jaas_config.as_ref();
    let jaas = jaas.map(|text| Jaas::parse(text.reveal()).unwrap());
    source(&config, &oauth, jaas.as_ref())
}

fn with_jaas(options: &str) -> String {
    format!(
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required {options};"
    )
}

fn client() -> String {
    with_jaas(&format!(
        r#"clientId="me" clientSecret="{SECRET}" scope="kafka more" extension_logicalCluster="lkc-1""#
    ))
}

fn claims(token: &Token) -> Value {
    let part = token.value.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_client_gets_a_token_for_its_secret() {
    let endpoint = endpoint(Some(SECRET)).await;
    let jaas = client();
    let source = source_of(&endpoint.url(), &[("sasl.jaas.config", &jaas)]).unwrap();
    let token = source.token("broker").await.unwrap();
    assert_eq!(claims(&token)["scope"], "kafka more");
    assert!(token.expires_at.unwrap() > now_ms() + 3_500_000);
    assert_eq!(
        token.extensions,
        [("logicalCluster".to_owned(), "lkc-1".to_owned())]
    );
    // It is kept.
    assert_eq!(source.token("broker").await.unwrap().value, token.value);
    assert_eq!(*endpoint.count().borrow(), 1);
    // Kafka's newer keys go before the options.
    let settings = [
        ("sasl.jaas.config", jaas.as_str()),
        ("sasl.oauthbearer.scope", "more"),
        ("sasl.oauthbearer.header.urlencode", "true"),
    ];
    let source = source_of(&endpoint.url(), &settings).unwrap();
    // What is encoded is another secret to an endpoint that does not decode.
    let error = source.token("broker").await.unwrap_err();
    assert!(error.why.contains("401 invalid_client"), "{}", error.why);
    assert_eq!(endpoint.asked()[1].field("scope"), Some("more"));
}

#[tokio::test]
async fn an_assertion_is_who_asks_or_the_grant() {
    let endpoint = endpoint(None).await;
    let folder = std::env::temp_dir().join(format!("millstream-oidc-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let file = path("assertion", "a.b.c\n");
    let settings = [("sasl.oauthbearer.assertion.file", file.as_str())];
    let source = source_of(&endpoint.url(), &settings).unwrap();
    source.token("broker").await.unwrap();
    assert_eq!(endpoint.asked()[0].field("client_assertion"), Some("a.b.c"));
    let retriever = "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever";
    let template = path(
        "template",
        r#"{"header":{"kid":"1"},"payload":{"role":"r","aud":"x"}}"#,
    );
    for (algorithm, key) in [("RS256", RSA_KEY), ("es256", EC_KEY)] {
        let key = path("key.pem", key);
        let settings = [
            (RETRIEVER, retriever),
            ("sasl.oauthbearer.assertion.algorithm", algorithm),
            ("sasl.oauthbearer.assertion.private.key.file", &key),
            ("sasl.oauthbearer.assertion.template.file", &template),
            ("sasl.oauthbearer.assertion.claim.aud", "idp"),
            ("sasl.oauthbearer.assertion.claim.sub", "me"),
            ("sasl.oauthbearer.assertion.claim.jti.include", "true"),
        ];
        let source = source_of(&endpoint.url(), &settings).unwrap();
        source.token("broker").await.unwrap();
        let asked = endpoint.asked().pop().unwrap();
        assert_eq!(
            asked.field("grant_type"),
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer")
        );
        let assertion = asked.field("assertion").unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let json = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = (json(parts[0]), json(parts[1]));
        assert_eq!(header["alg"], algorithm.to_uppercase());
        assert_eq!(
            (&header["kid"], &header["typ"]),
            (&"1".into(), &"JWT".into())
        );
        assert_eq!(
            (&claims["aud"], &claims["role"]),
            (&"idp".into(), &"r".into())
        );
        let second = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(second("exp") - second("iat"), 300);
        assert_eq!(second("iat") - second("nbf"), 60);
        assert!(claims["jti"].is_string());
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let length = if algorithm == "RS256" { 256 } else { 64 };
        assert_eq!(signature.len(), length);
    }
    let key = path("key.pem", EC_KEY);
    let settings = [
        (RETRIEVER, retriever),
        ("sasl.oauthbearer.assertion.private.key.file", key.as_str()),
    ];
    let errors = source_of(&endpoint.url(), &settings).err().unwrap();
    assert!(errors[0].contains("needs an RSA key"), "{errors:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn says_what_the_endpoint_said_and_no_secret() {
    let endpoint = endpoint(Some("other")).await;
    let jaas = client();
    let source = source_of(&endpoint.url(), &[("sasl.jaas.config", &jaas)]).unwrap();
    let url = endpoint.url();
    let reply = |status, kind: &str, body: &str| {
        let (content_type, body) = (kind.to_owned(), body.to_owned());
        Some(Reply {
            status,
            content_type,
            body,
        })
    };
    let echo = format!(r#"{{"error":"invalid_client","error_description":"no {SECRET}"}}"#);
    let large = "x".repeat(300_000);
    for (reply, words, is_transient) in [
        (
            None,
            "answered 401 invalid_client: the client is unknown, or its secret is another; check clientId and clientSecret in sasl.jaas.config",
            false,
        ),
        (
            reply(401, "application/json", &echo),
            "no [hidden]; check clientId",
            false,
        ),
        (
            reply(500, "text/plain", ""),
            "answered 500; it is asked again",
            true,
        ),
        (
            reply(200, "text/html", "<html>"),
            "answered 200 with text/html instead of JSON; it is asked again",
            true,
        ),
        (
            reply(200, "application/json", &large),
            "cannot be asked: its answer has more than 256 KiB",
            true,
        ),
    ] {
        endpoint.reply(reply);
        let error = source.token("broker").await.unwrap_err();
        assert_eq!(error.is_transient, is_transient, "{}", error.why);
        assert!(error.why.contains(&url), "{}", error.why);
        assert!(error.why.contains(words), "{}", error.why);
        assert!(!error.why.contains(SECRET));
    }
    drop(endpoint);
    let error = source.token("broker").await.unwrap_err();
    assert!(error.is_transient, "{}", error.why);
    assert!(error.why.contains("cannot be asked: "), "{}", error.why);
}

#[test]
fn every_mistake_is_named_with_its_key() {
    let class = "org.apache.kafka.common.security.oauthbearer.";
    let jwt = format!("{class}JwtBearerJwtRetriever");
    let file = format!("{class}FileJwtRetriever");
    let url = "https://idp.example/token";
    let jaas = "sasl.jaas.config";
    let no_client = with_jaas("");
    let unknown = with_jaas(r#"clientId="a" clientSecret="b" clientScope="c""#);
    let extension =
        with_jaas(r#"clientId="a" clientSecret="b" extension_auth="c" extension_x1="y""#);
    let stranger = with_jaas(r#"clientId="a" clientSecret="b" ssl.truststore.location="/none""#);
    for (url, settings, words) in [
        (
            "ftp://x/y",
            vec![],
            vec!["begins with https:, http: or file:"],
        ),
        ("https://", vec![], vec!["not an address"]),
        (
            "https://me:x@idp/token",
            vec![],
            vec!["do not belong into the address"],
        ),
        (
            url,
            vec![],
            vec![
                "client.credentials.client.id",
                "client.credentials.client.secret",
            ],
        ),
        (
            url,
            vec![(jaas, &*no_client)],
            vec!["clientId", "clientSecret"],
        ),
        (
            url,
            vec![(jaas, &*unknown)],
            vec!["unknown option clientScope"],
        ),
        (
            url,
            vec![(jaas, &*extension)],
            vec!["extension_auth", "extension_x1"],
        ),
        (url, vec![(jaas, &*stranger)], vec!["/none"]),
        (url, vec![(RETRIEVER, "my.Retriever")], vec![RETRIEVER]),
        (
            url,
            vec![(RETRIEVER, &*file)],
            vec!["needs a file: address"],
        ),
        ("file:/t", vec![(RETRIEVER, &*jwt)], vec!["not a file"]),
        (
            url,
            vec![(RETRIEVER, &*jwt)],
            vec!["assertion.private.key.file"],
        ),
        (
            url,
            vec![("sasl.oauthbearer.assertion.claim.iss", "me")],
            vec!["assertion.private.key.file"],
        ),
    ] {
        let errors = source_of(url, &settings).err().unwrap_or_default();
        let said = errors.join("\n");
        for word in words {
            assert!(said.contains(word), "{settings:?}: {said}");
        }
    }
}

/// Keys for this test alone.
const RSA_KEY: &str = include_str!("tests/rsa.pem");
const EC_KEY: &str = include_str!("tests/ec.pem");
